"""Published numbers from a CSV file; tables show them below the measured ones."""

from __future__ import annotations

import csv
import io
import re
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
        UserError: The file cannot be read, a cell is no number, two columns or two rows have the same name, or no
            column is one of the collections.
    """
    try:
        # Not text mode: a line ends as the CSV says, and never within a cell.
        reader = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
        rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"cannot read the quoted numbers: {error}", file=path, key="--quoted", remedy="give a CSV file in UTF-8"
        ) from None
    columns = _columns(rows[0][1] if rows else [], collections, path)
    if not columns and needed:
        remedy = f"name columns after the run's collections: {', '.join(collections)}"
        raise UserError("no column is a collection of this run", file=path, key="--quoted", remedy=remedy)
    systems: dict[str, dict[str, float]] = {}
    for line, row in rows[1:]:
        values = {}
        for name, place in columns.items():
            text = row[place].strip() if place < len(row) else ""
            if text:
                values[name] = _number(text, path, line)
        if values and (name := row[0].strip()) in systems:
            raise UserError(f"{name!r} has two rows", file=path, line=line, remedy="remove one of the two")
        if values:
            systems[name] = values
    scale = 100.0 if any(value > 1 for values in systems.values() for value in values.values()) else 1.0
    return [(name, {key: value / scale for key, value in values.items()}) for name, values in systems.items()]


def _columns(heads: Sequence[str], collections: Sequence[str], path: Path) -> dict[str, int]:
    """The column of each collection that has one."""
    columns = {}
    for name in collections:
        places = [
            place for place, head in enumerate(heads) if place and (_plain(head) or head) == (_plain(name) or name)
        ]
        exact = [place for place in places if heads[place] == name]
        if len(chosen := exact or places) > 1:
            what = f"the columns {heads[chosen[0]]!r} and {heads[chosen[1]]!r} are both of the collection {name!r}"
            raise UserError(what, file=path, line=1, key="--quoted", remedy="remove one of the two")
        if chosen:
            columns[name] = chosen[0]
    return columns


def _number(text: str, path: Path, line: int) -> float:
    try:
        value = float(text) if re.fullmatch(r"[0-9.eE+-]+", text) else float("nan")  # Python takes 1_0 and ١ as well
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
