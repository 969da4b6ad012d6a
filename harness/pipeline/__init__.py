"""Stages, the store that keeps what they make by content, and the executor."""
