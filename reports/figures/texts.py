"""Names cut to what a drawing has room for; the table beside it has all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unicodedata import category

if TYPE_CHECKING:
    from collections.abc import Sequence

_BRACKETS = re.compile(r"\[(.*)\]")
NAME = 26
"""Characters of a system's name in a drawing."""


def clean(text: str) -> str:
    """One line that XML and fonts can hold: control characters and half surrogate pairs become U+FFFD."""
    line = " ".join(text.split())
    if line.isprintable():  # what nearly every text is, at a fraction of the time
        return line
    return "".join("\ufffd" if category(sign) in ("Cc", "Cs") else sign for sign in line)


def shortened(text: str, length: int = 48) -> str:
    """One line of at most this many characters."""
    line = clean(text)
    return line if len(line) <= length else line[: length - 1] + "…"


def briefly(names: Sequence[str]) -> list[str]:
    """Short names for a drawing: "sparse[terms=64, weights=u8]" is "sparse 64, u8"; as they are where these clash.

    >>> briefly(["sparse[terms=64, weights=u8]", "dense"])
    ['sparse 64, u8', 'dense']
    """
    shorter = [
        _BRACKETS.sub(lambda m: " " + re.sub(r"[^=,]+=", " ", m[1]).strip().replace("  ", " "), n) for n in names
    ]
    short = [shortened(name.replace(",  ", ", "), NAME) for name in shorter]
    return short if len(set(short)) == len(names) else [shortened(name, NAME) for name in names]
