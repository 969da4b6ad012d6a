"""Synthetic sparse vectors shaped like a real encoder's; specs use `harness.encoders.backbones.splade_like` too."""

from harness.encoders.backbones.splade_like import CHUNK, Skewed

Corpus = Skewed

__all__ = ["CHUNK", "Corpus"]
