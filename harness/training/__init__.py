"""Contrastive training of text encoders: pairs in, better weights out. Knows torch modules, and no encoder."""
