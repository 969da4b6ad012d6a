"""Rows of timed queries as an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int32]"


def table(process: Ints, query: Ints, seconds: Floats) -> Floats:
    """Rows of samples as processes x queries x repeats, in ascending order of the numbers.

    Raises:
        ValueError: Not every process timed every query as often.
    """
    processes, queries = len(np.unique(process)), len(np.unique(query))
    counts = np.unique(np.stack([process, query]), axis=1, return_counts=True)[1]
    if not len(seconds) or len(counts) != processes * queries or len(set(counts.tolist())) != 1:
        raise ValueError("every process must have timed every query as often")
    order = np.lexsort((query, process))
    return np.asarray(seconds, np.float64)[order].reshape(processes, queries, -1)
