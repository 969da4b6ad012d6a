"""Names that are told apart by numbers."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def distinct(names: Sequence[str], sign: str = "-", *, number_first: bool = False) -> list[str]:
    """Each name once: of equal names, later ones get `sign` and the least number that makes none of the other names.

    Args:
        names: In order.
        sign: Between a name and its number.
        number_first: Whether the first of equal names gets a number too.

    >>> distinct(["a", "a", "a-2"])
    ['a', 'a-3', 'a-2']
    >>> distinct(["a", "a", "b"], " ", number_first=True)
    ['a 1', 'a 2', 'b']
    """
    taken = {name for name in names if not number_first or names.count(name) == 1}
    known: set[str] = set()
    made = []
    for name in names:
        numbers = count(1 if number_first else 2)
        if name in known or (number_first and names.count(name) > 1):
            new = next(text for text in (f"{name}{sign}{number}" for number in numbers) if text not in taken)
            taken.add(new)
        else:
            new = name
        known.add(name)
        made.append(new)
    return made
