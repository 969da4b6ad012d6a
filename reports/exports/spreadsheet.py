"""Tables as CSV that a spreadsheet can open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that begins with one of these for a formula."""
_RUNS = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20].*[(|!]", re.DOTALL)
"""A formula that calls a function, starts a program or reads another file; any other one is arithmetic."""


def to_csv(table: pd.DataFrame, identifiers: Collection[str] = ()) -> str:
    """A table as CSV with all digits of its numbers, without its index; missing values are empty.

    Text that a spreadsheet would take for a formula gets an apostrophe in front. An identifier gets one only where the
    formula could do harm: programs look identifiers up, and ``-1`` or ``=4`` must stay what they are.

    Args:
        table: The table.
        identifiers: Columns of identifiers.
    """
    text = table.select_dtypes(exclude="number").columns
    safe = {name: table[name].map(harmless if name in identifiers else plain, na_action="ignore") for name in text}
    return table.assign(**safe).to_csv(index=False, lineterminator="\n")


def plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def harmless(text: str) -> str:
    """Text that no spreadsheet runs: a formula that could do more than arithmetic gets an apostrophe in front."""
    return f"'{text}" if _RUNS.match(text) else text
