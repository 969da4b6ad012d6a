"""Tables of the commands: drawn on a terminal, plain aligned lines anywhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

import typer

from harness.terminal_text import clean, steady

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rich.table import Table

GAP = "  "
"""Between the columns of plain lines."""
STYLES: Mapping[str, str] = {
    **dict.fromkeys(("ok", "stored", "fits", "improved"), "green"),
    **dict.fromkeys(("warn", "inconclusive", "not comparable", "not measured"), "yellow"),
    **dict.fromkeys(("bad", "regressed"), "bold red"),
}
"""Colour of a word that is a verdict, on a terminal."""


def show(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Collection[int] = (),
    verdicts: Collection[int] = (),
    file: TextIO | None = None,
) -> None:
    """Print a table.

    A terminal gets a drawn table that wraps long cells, in colour unless NO_COLOR is set. A pipe or a file gets one
    line a row, as long as it needs to be, with a head and without colour.

    Args:
        head: A title for each column.
        rows: Cells as text. A line break in a cell becomes a space, and a control character becomes U+FFFD: a name in a
            spec must not steer the terminal.
        numbers: Columns that are aligned to the right.
        verdicts: Columns of words that `STYLES` gives a colour.
        file: Where to; standard output by default.

    Raises:
        ValueError: A row has more or fewer cells than the head.
    """
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"a row of {len(row)} cells in a table of {len(head)} columns: {list(row)}")
    cells = [[clean(cell) for cell in row] for row in rows]
    out = sys.stdout if file is None else file
    if out.isatty():
        from rich.console import Console

        Console(file=out, highlight=False).print(_drawn(head, cells, numbers, verdicts))
    else:
        out.write("".join(f"{line}\n" for line in aligned(head, cells, numbers)))


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> list[str]:
    """The lines of a table whose columns begin at the same place.

    Args:
        head: A title for each column.
        rows: Cells without line breaks.
        numbers: Columns that are aligned to the right.

    >>> aligned(["name", "size"], [["a", "10"], ["longer", "5"]], numbers=[1])
    ['name    size', 'a         10', 'longer     5']
    """
    from rich.cells import cell_len

    lines = [head, *rows]
    widths = [max(cell_len(line[place]) for line in lines) for place in range(len(head))]

    def padded(place: int, cell: str) -> str:
        space = " " * (widths[place] - cell_len(cell))
        return space + cell if place in numbers else cell + space

    return [GAP.join(padded(place, cell) for place, cell in enumerate(line)).rstrip(" ") for line in lines]


def say(text: object, *, nl: bool = True) -> None:
    """Print to standard output; on a terminal without characters that steer it.

    Names in a run folder or a history may come from somebody else. A pipe or a file gets every character.

    Args:
        text: What to print, as its `str`.
        nl: Whether the line ends after it.
    """
    typer.echo(steady(str(text)) if sys.stdout.isatty() else text, nl=nl)


def _drawn(
    head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int], verdicts: Collection[int]
) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, title in enumerate(head):
        table.add_column(Text(title), justify="right" if place in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(
            *(Text(cell, STYLES.get(cell, "") if place in verdicts else "") for place, cell in enumerate(row))
        )
    return table
