"""Contrastive training of text encoders: pairs in, better weights out. Knows torch modules, and no encoder."""

from __future__ import annotations

from harness.training.params import TrainingParams

__all__ = ["TrainingParams"]
