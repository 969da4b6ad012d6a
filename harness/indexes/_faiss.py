"""Rows as FAISS takes them, and single queries with no more than FAISS needs."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    import faiss
    from numpy.typing import NDArray

    from harness.indexes.base import Hits
    from harness.vectors import Vectors


def checked_rows(rows: Vectors, engine: str, width: int | None = None, *, what: str = "vectors") -> NDArray[np.float32]:
    """Dense rows as FAISS takes them: float32 in C order; a copy only where they are not.

    Args:
        rows: Vectors or queries.
        engine: Its name in specs.
        width: Dimensions that the rows must have; None for any.
        what: How a message calls the rows.

    Raises:
        UserError: They are sparse, have another width, or hold NaN or infinite values.
    """
    if not isinstance(rows, np.ndarray):
        raise UserError(
            f"{engine} takes dense {what}, found sparse ones", remedy="use a sparse engine, such as inverted"
        )
    if width is not None and rows.shape[1] != width:
        raise UserError(f"{what} have {rows.shape[1]} dimensions, the index {width}")
    dense = np.ascontiguousarray(rows, np.float32)
    if not np.isfinite(dense).all():
        raise UserError(f"{what} hold NaN or infinite values", remedy="check the encoder's dtype and weights")
    return dense


class FaissSearcher:
    """Single queries of a FAISS index, into arrays that are made once.

    The rows are checked with the first query: all others come from the same encoder. Equal scores, and fewer than k
    hits, are left to the adapter's own search, which orders and pads them.
    """

    def __init__(
        self, index: faiss.Index, engine: str, k: int, depth: int, search: Callable[[Vectors], Hits], threads: int
    ) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        self.engine_ns: int | None = None
        self._index, self._engine, self._depth, self._general = index, engine, depth, search
        self._scores = np.empty((1, depth), np.float32)
        self._ids = np.empty((1, depth), np.int64)
        self._upper, self._lower = self._scores[0, :-1], self._scores[0, 1:]
        self._equal = np.empty(depth - 1, np.bool_)
        self._best_ids, self._best_scores = self._ids[:, :k], self._scores[:, :k]
        self._last = self._ids[0, -1:]
        self._checked = False

    def __call__(self, query: Vectors) -> Hits:
        """The top k of one row."""
        if not self._checked:
            checked_rows(query, self._engine, self._index.d, what="queries")
            self._checked = True
        began = perf_counter_ns()
        self._index.search(query, self._depth, D=self._scores, I=self._ids)
        self.engine_ns = perf_counter_ns() - began
        # Of all ways to ask numpy whether two neighbours are equal, the quickest for a hundred scores.
        np.equal(self._upper, self._lower, self._equal)
        if np.count_nonzero(self._equal) or self._last.item() < 0:
            return self._general(query)
        return self._best_ids.copy(), self._best_scores.copy()
