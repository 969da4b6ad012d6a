"""Vectors that were made elsewhere: their files, and what is read of them."""
