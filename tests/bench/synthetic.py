"""Synthetic sparse vectors shaped like a real encoder's; see `harness.encoders._skewed`, which specs use too."""

from harness.encoders._skewed import CHUNK, Skewed

Corpus = Skewed

__all__ = ["CHUNK", "Corpus"]
