"""Tables in Markdown: the one place that knows their syntax."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: Sequence[int] = (0,)) -> list[str]:
    r"""The lines of a table: head, rule, rows.

    Args:
        head: A heading for each column, in Markdown.
        rows: Cells, in Markdown (see `escaped` for plain text); a cell's line breaks become spaces.
        left: Columns that are aligned to the left; the others hold numbers, aligned to the right.

    Raises:
        ValueError: A row has more or fewer cells than the head.

    >>> print("\n".join(markdown_table(["name", "score"], [["a", "0.5"], ["b", ""]])))
    | name | score |
    |---|---:|
    | a | 0.5 |
    | b | |
    """
    lines = [_line(head), "|" + "".join("---|" if place in left else "---:|" for place in range(len(head)))]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"a row of {len(row)} cells in a table of {len(head)} columns: {list(row)}")
        lines.append(_line(row))
    return lines


def escaped(text: str) -> str:
    r"""Plain text as Markdown shows it: no sign of it starts markup, HTML or a cell.

    >>> print(escaped("a|b <i> *c*"))
    a\|b \<i\> \*c\*
    """
    return "".join("\\" + sign if sign in "\\|*_`<>[]" else sign for sign in " ".join(text.split()))


def _line(cells: Sequence[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in (" ".join(cell.split()) for cell in cells))
