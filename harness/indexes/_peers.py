"""What adapters of foreign engines share: optional imports, what they print, hits as arrays, and single queries."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import threading
from time import perf_counter_ns
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from harness.indexes.base import Hits
    from harness.vectors import Vectors

T = TypeVar("T")
R = TypeVar("R")
_stdout = threading.Lock()


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


def quietly(call: Callable[[], T]) -> tuple[T, str]:
    """Call a function that prints from outside Python; return its value and the text that it printed."""
    with _stdout, tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        own = os.dup(1)
        try:
            os.dup2(file.fileno(), 1)
            value = call()
        finally:
            os.dup2(own, 1)
            os.close(own)
        file.seek(0)
        return value, file.read().decode("utf-8", "replace")


class PeerSearcher(Generic[T, R]):
    """Single queries of a foreign engine: what the engine itself does is timed apart from what it is given and gives.

    Args:
        prepare: A row as the engine wants it.
        engine: The engine's own call.
        finish: Numbers and scores out of what the engine returned.
        k: Documents to return.
        in_order: Equal scores come in ascending order of documents, and no more than k.
    """

    def __init__(
        self,
        prepare: Callable[[Vectors], T],
        engine: Callable[[T], R],
        finish: Callable[[T, R], tuple[NDArray[np.int32 | np.int64], NDArray[np.float32]]],
        k: int,
        *,
        in_order: bool = False,
    ) -> None:
        self.engine_ns: int | None = None
        self._in_order = in_order
        self._prepare, self._engine, self._finish, self._k = prepare, engine, finish, k
        self._no_ids, self._no_scores = np.full((1, k), -1, np.int64), np.full((1, k), -np.inf, np.float32)

    def __call__(self, query: Vectors) -> Hits:
        """The top k of one row."""
        prepared = self._prepare(query)
        began = perf_counter_ns()
        result = self._engine(prepared)
        self.engine_ns = perf_counter_ns() - began
        numbers, scores = self._finish(prepared, result)
        count = len(scores)
        ordered = self._in_order or (count <= self._k and not np.count_nonzero(scores[1:] >= scores[:-1]))
        if not ordered:
            return hits([(numbers, scores)], self._k)
        ids, values = self._no_ids.copy(), self._no_scores.copy()
        ids[0, :count], values[0, :count] = numbers, scores
        return ids, values
