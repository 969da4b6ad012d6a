"""Synthetic sparse vectors shaped like a real encoder's, with near neighbours (Topical) or without.

Specs use them through the encoder `synthetic`.
"""

from harness.encoders.backbones.splade_like import CHUNK, Skewed
from harness.encoders.backbones.topical import Topical

Corpus = Skewed

__all__ = ["CHUNK", "Corpus", "Topical"]
