"""What adapters of foreign engines share: optional imports, and lists of hits as arrays."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from harness.indexes.base import Hits


def require(module: str, package: str, engine: str, *, wheels: str = "") -> ModuleType:
    """Import an engine's package.

    Args:
        module: What is imported.
        package: The distribution that brings it.
        engine: The engine's name in specs.
        wheels: Which Pythons the distribution has wheels for, where it lacks some; the remedy says it.

    Raises:
        UserError: It is not installed; the remedy says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"the engine {engine} needs the package {package}, which cannot be imported ({error})",
            remedy=f"pip install {package}, or all engines with pip install 'laconic-bench[engines]'"
            + (f"; {package} has wheels for {wheels}" if wheels else ""),
        ) from None


def hits(results: Sequence[tuple[NDArray[np.int32 | np.int64], NDArray[np.float32]]], k: int) -> Hits:
    """(ids, scores) of each query, in any order and number, as arrays of k columns; see `Hits`."""
    ids = np.full((len(results), k), -1, np.int64)
    scores = np.full((len(results), k), -np.inf, np.float32)
    for row, (numbers, values) in enumerate(results):
        order = np.lexsort((numbers, -values))[:k]
        ids[row, : len(order)], scores[row, : len(order)] = numbers[order], values[order]
    return ids, scores
