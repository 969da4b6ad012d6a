"""Published numbers from a CSV file; tables show them below the measured ones."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Quoted = tuple[str, dict[str, float]]
"""A system's name, and its values by collection."""


def read_quoted(path: Path, collections: Sequence[str], *, needed: bool = True) -> list[Quoted]:
    """Rows of a file that has a column of names and then a column of values for each collection.

    Case and punctuation of a collection's name do not matter; columns of other collections are ignored. One value above
    1 makes all values per cent. Systems without a value for any of the collections are left out. With `needed` at least
    one column must be one of the collections.

    Raises:
        UserError: The file cannot be read, a cell is no number, or no column is one of the collections.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the quoted numbers: {error}", file=path, key="--quoted") from None
    heads = {_plain(head): place for place, head in enumerate(rows[0]) if place} if rows else {}
    columns = {name: heads[_plain(name)] for name in collections if _plain(name) in heads}
    if not columns and needed:
        remedy = f"name columns after the run's collections: {', '.join(collections)}"
        raise UserError("no column is a collection of this run", file=path, key="--quoted", remedy=remedy)
    systems = []
    for line, row in enumerate(rows[1:], start=2):
        values = {}
        for name, place in columns.items():
            text = row[place].strip() if place < len(row) else ""
            if text:
                values[name] = _number(text, path, line)
        if values:
            systems.append((row[0].strip(), values))
    scale = 100.0 if any(value > 1 for _, values in systems for value in values.values()) else 1.0
    return [(name, {key: value / scale for key, value in values.items()}) for name, values in systems]


def _number(text: str, path: Path, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 100:
        raise UserError(
            f"{text!r} is not a score",
            file=path,
            line=line,
            remedy="give a share (0 to 1), per cent or nothing",
        )
    return value


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())
