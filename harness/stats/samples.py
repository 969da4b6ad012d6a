"""Rows of timed queries as an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int32]"
WHOLE = "every process must have timed every query as often"


def table(process: Ints, query: Ints, seconds: Floats) -> Floats:
    """Rows of samples as processes x queries x repeats, in ascending order of the numbers.

    Raises:
        ValueError: Not every process timed every query as often.
    """
    return tables(process, query, seconds)[0]


def tables(process: Ints, query: Ints, *seconds: Floats) -> tuple[Floats, ...]:
    """`table` of several kinds of times of the same rows.

    Raises:
        ValueError: Not every process timed every query as often.
    """
    processes, queries = len(np.unique(process)), len(np.unique(query))
    if not len(process) or len(process) % (processes * queries):
        raise ValueError(WHOLE)
    order = _order(process, query)
    shape = (processes, queries, len(process) // (processes * queries))
    by_process, by_query = process[order].reshape(shape), query[order].reshape(shape)
    if (by_process != by_process[:, :1, :1]).any() or (by_query != by_query[:1, :, :1]).any():
        raise ValueError(WHOLE)
    return tuple(np.asarray(times, np.float64)[order].reshape(shape) for times in seconds)


def _order(process: Ints, query: Ints) -> NDArray[np.intp]:
    """By process, then by query, rows of equal numbers as they came."""
    wide = int(query.max()) + 1
    if min(process.min(), query.min()) < 0 or (int(process.max()) + 1) * wide > 1 << 16:
        return np.lexsort((query, process))
    return np.argsort((process * wide + query).astype(np.uint16), kind="stable")  # numpy counts 16 bits: no comparing
