"""Tables as CSV that a spreadsheet can open."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that begins with one of these for a formula."""


def to_csv(table: pd.DataFrame) -> str:
    """A table as CSV with all digits of its numbers, without its index; missing values are empty.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    text = table.select_dtypes(exclude="number").columns
    safe = table.assign(**{name: table[name].map(plain, na_action="ignore") for name in text})
    return safe.to_csv(index=False, lineterminator="\n")


def plain(text: str) -> str:
    """Text that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
