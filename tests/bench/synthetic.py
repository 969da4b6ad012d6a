"""Synthetic sparse vectors shaped like a real encoder's; see `harness.encoders._splade_like`, which specs use too."""

from harness.encoders._splade_like import CHUNK, Skewed

Corpus = Skewed

__all__ = ["CHUNK", "Corpus"]
