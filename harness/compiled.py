"""Compile loops with numba, and store what is compiled where numba finds a place for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable


P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function compiled at its first call, without the interpreter's lock.

    Later processes find the result on disk. In an installation that nobody may write to, for a user without a folder
    for caches, each process compiles again.
    """
    kernel: Callable[P, R]
    try:
        kernel = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no place for its files
        kernel = njit(nogil=True)(function)
    return kernel
