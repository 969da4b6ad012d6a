"""Compile loops with numba, and store what is compiled where numba finds a place for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable


def compiled(function: Callable[..., Any]) -> Any:
    """The function compiled at its first call, without the interpreter's lock.

    Later processes find the result on disk. In an installation that nobody may write to, for a user without a folder
    for caches, each process compiles again.
    """
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no place for its files
        return njit(nogil=True)(function)
