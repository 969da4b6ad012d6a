"""Searches of a batch by several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 32
"""Queries that a kernel answers in one call, at most: enough that the interpreter between calls costs nothing."""
SHARES = 4
"""Blocks that a thread takes, at least, where there are queries for them: the faster thread takes more."""


def by_threads(part: Callable[[int, int], None], count: int, threads: int) -> None:
    """Search a batch in blocks, each by the next thread that is free; with one thread or one block, here.

    Args:
        part: Searches the queries from a number to before another; it must let other threads run meanwhile, as compiled
            kernels do.
        count: Queries of the batch.
        threads: How many work.
    """
    size = max(1, min(BLOCK, count if threads <= 1 else count // (SHARES * threads)))
    blocks = [(begin, min(begin + size, count)) for begin in range(0, count, size)]
    if threads <= 1 or len(blocks) <= 1:
        for begin, end in blocks:
            part(begin, end)
        return
    with ThreadPoolExecutor(min(threads, len(blocks))) as pool:
        list(pool.map(part, *zip(*blocks, strict=True)))
