"""What every engine refuses alike."""

from __future__ import annotations

from typing import TypeVar

from harness.errors import UserError

T = TypeVar("T")


def built(index: T | None) -> T:
    """The index of an engine, once there is one.

    Raises:
        UserError: Nothing was built or loaded yet.
    """
    if index is None:
        raise UserError("this index is empty", remedy="call build or load before anything else")
    return index


def check_k(k: int) -> None:
    """Refuse to search for no documents.

    Raises:
        UserError: `k` is below 1.
    """
    if k < 1:
        raise UserError(f"k is {k}; it must be at least 1")
