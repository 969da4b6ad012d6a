"""Versions of installed distributions, read from their metadata; nothing is imported."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "peft",
    "numpy",
    "scipy",
    "numba",
    "faiss-cpu",
    "ir-measures",
    "mteb",
)
"""What can change a number."""


@cache
def installed(distribution: str) -> str:
    """Version of an installed distribution, "none" where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "none"
