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
    processes, queries = len(np.unique(process)), len(np.unique(query))
    order = np.lexsort((query, process))
    if not len(seconds) or len(seconds) % (processes * queries):
        raise ValueError(WHOLE)
    shape = (processes, queries, len(seconds) // (processes * queries))
    by_process, by_query = process[order].reshape(shape), query[order].reshape(shape)
    if (by_process != by_process[:, :1, :1]).any() or (by_query != by_query[:1, :, :1]).any():
        raise ValueError(WHOLE)
    return np.asarray(seconds, np.float64)[order].reshape(shape)
