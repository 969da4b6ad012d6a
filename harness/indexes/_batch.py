"""Searches of a batch by several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def by_threads(part: Callable[[range], None], count: int, threads: int) -> None:
    """Search a batch, each thread every so many queries; with one thread or one query, here.

    Args:
        part: Searches the queries of these numbers; it must let other threads run meanwhile, as compiled kernels do.
        count: Queries of the batch.
        threads: How many work.
    """
    if threads <= 1 or count <= 1:
        part(range(count))
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, [range(first, count, threads) for first in range(threads)]))
