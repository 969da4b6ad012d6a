"""A paper table as LaTeX, for booktabs and siunitx: groups of systems, and blocks of columns that a page can hold."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from harness.errors import UserError, allowed
from reports.latex import Tex, breakable, escaped, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Width: TypeAlias = Literal["column", "text"]
ROOM: dict[Width, int] = {"column": 52, "text": 110}
"""Characters that fit side by side in 3.3 and 6.9 inches at the size of `table.tex`, the spaces of columns included."""
HEAD = 13
"""Longest line of a head, in characters."""
NAME: dict[Width, int] = {"column": 22, "text": 36}
"""Longest name of a system that stays in one line, in characters."""
EM = 0.46
"""Width of a character of a name, of the font's size."""
HEADS, PAGE = 4, 56
"""Lines that the heads and rules of a block take, and those of a page with a caption."""
GAP = 2
"""Characters that the space between two columns takes."""
_TIMES = {char: size for size, chars in ((250, ","), (278, "ijlt"), (333, "fr"), (389, "s"), (444, "acez"), (722, "w"),
                                          (778, "m")) for char in chars}  # fmt: skip
"""Widths of letters in thousandths of the font's size, those of Times; others have 500."""
_LABEL = re.compile(r"[A-Za-z0-9:._-]+")


@dataclass(frozen=True)
class Cell:
    """One value with its place among the systems, and the letters of the systems that it beats significantly.

    `about` is "≈" for an estimate, else empty.
    """

    text: str
    place: int = 0
    beats: str = ""
    about: str = ""


@dataclass(frozen=True)
class Row:
    """One system: its letter, which is empty where it is quoted, its name, and a cell a column."""

    letter: str
    system: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Group:
    """Systems under one title, which is empty where a table has one group; quoted ones are not measured."""

    title: str
    rows: Sequence[Row]
    measured: bool = True


@dataclass(frozen=True)
class Shown:
    """A whole table. Each head has two parts: one above it and its neighbours, empty without, and one of its own."""

    heads: Sequence[tuple[str, str]]
    groups: Sequence[Group]


@dataclass(frozen=True)
class Float:
    """What surrounds a table.

    Attributes:
        caption: As LaTeX; empty for none. With a caption or a label the table floats.
        label: Of letters, digits and ``: . _ -``; empty for none.
        width: Of the place it gets: a column of 3.3 inches, or both columns of a page, 6.9 inches.
    """

    caption: str = ""
    label: str = ""
    width: str = "text"

    def __post_init__(self) -> None:
        if self.label and not _LABEL.fullmatch(self.label):
            remedy = "use letters, digits, colons, dots and hyphens"
            raise UserError(f"{self.label!r} is no label", key="--label", remedy=remedy)
        if self.width not in ROOM:
            raise UserError(f"there is no width {self.width!r}", key="--width",
                            remedy=allowed(self.width, get_args(Width)))  # fmt: skip


FLOAT = Float()


@dataclass(frozen=True)
class Block:
    """Columns that stand side by side: the format of tabular, two lines of heads, and the cells of each row."""

    columns: Tex
    overs: Sequence[Tex]
    rules: Tex
    heads: Sequence[Tex]
    groups: Sequence[tuple[Tex, Sequence[tuple[Tex, Tex, Sequence[Tex]]]]]
    count: int


def latex_table(shown: Shown, around: Float = FLOAT) -> str:
    """The table. Columns that would not fit side by side stand in another block below, with the systems again.

    Blocks that would not fit on one page stand in a second floating table.
    """
    longest = max((len(row.system) for group in shown.groups for row in group.rows), default=0)
    letters = max((len(row.letter) for group in shown.groups for row in group.rows), default=0)
    width: Width = "column" if around.width == "column" else "text"
    broken = NAME[width] if longest > NAME[width] else 0
    room = ROOM[width] - (broken or longest) - letters - 2 * GAP
    blocks = [_block(shown, places, broken) for places in _side_by_side(shown, room)]
    lines = HEADS + sum(1 + sum(1 + (0 < broken < len(row.system)) for row in group.rows) for group in shown.groups)
    floats = bool(around.caption or around.label)
    high = max(PAGE // lines, 1) if floats else len(blocks)
    return render(
        "table.tex", sheets=[blocks[start : start + high] for start in range(0, len(blocks), high)], floats=floats,
        star="*" * (around.width == "text"), caption=Tex(around.caption), label=Tex(around.label),
    )  # fmt: skip


def _side_by_side(shown: Shown, room: int) -> list[list[int]]:
    """The places of the columns of each block; a block has one column at least.

    Columns under one head stay together where all of them fit. Where all columns have one head, or none, each block has
    about as many.
    """
    blocks = list(_filled(shown, room))
    if len({over for over, _ in shown.heads}) == 1:
        size = ceil(len(shown.heads) / len(blocks))
        even = [list(range(len(shown.heads)))[start : start + size] for start in range(0, len(shown.heads), size)]
        if all(_together(shown, places) <= room for places in even):
            return even
    return blocks


def _filled(shown: Shown, room: int) -> Iterator[list[int]]:
    """Blocks of as many columns as fit."""
    places: list[int] = []
    for _, group in groupby(range(len(shown.heads)), key=lambda place: shown.heads[place][0] or place):
        own = list(group)
        if places and _together(shown, own) <= room < _together(shown, [*places, *own]):
            yield places
            places = []
        for place in own:
            if places and _together(shown, [*places, place]) > room:
                yield places
                places = []
            places.append(place)
    if places:
        yield places


def _together(shown: Shown, places: Sequence[int]) -> int:
    return sum(_width(shown, place) + GAP for place in places)


def _width(shown: Shown, place: int) -> int:
    heads = max(map(len, _lines(shown.heads[place][1])), default=0)
    cells = (len(cell.about) * 2 + len(_grouped(cell.text)) + len(cell.beats) // 2 for cell in _down(shown, place))
    return max(heads, max(cells, default=0))


def _down(shown: Shown, place: int) -> list[Cell]:
    return [row.cells[place] for group in shown.groups for row in group.rows]


def _lines(head: str) -> list[str]:
    return textwrap.wrap(head, HEAD, break_long_words=False) or [""]


def _block(shown: Shown, places: Sequence[int], broken: int) -> Block:
    """The columns at these places; names are broken after this number of characters, never where it is 0."""
    name = rf">{{\raggedright\arraybackslash\hangindent=1em}}p{{{broken * EM:.1f}em}}" if broken else "l"
    formats = [_format(_down(shown, place)) for place in places]
    overs, rules, first = [], [], 3
    for over, own in groupby(places, key=lambda place: shown.heads[place][0]):
        span = len(list(own))
        overs.append(Tex(rf"\multicolumn{{{span}}}{{c}}{{{escaped(over)}}}"))
        if over:
            rules.append(rf"\cmidrule(lr){{{first}-{first + span - 1}}}")
        first += span
    heads = [_stacked(shown.heads[place][1]) for place in places]
    groups = [
        (
            escaped(group.title),
            [
                (Tex(row.letter), breakable(row.system) if broken else escaped(row.system),
                 [_marked(row.cells[place]) for place in places])
                for row in group.rows
            ],
        )
        for group in shown.groups
    ]  # fmt: skip
    return Block(Tex(f"l{name}{''.join(formats)}"), overs if rules else [], Tex("".join(rules)), heads, groups,
                 len(places) + 2)  # fmt: skip


def _stacked(head: str) -> Tex:
    lines = [escaped(line) for line in _lines(head)]
    text = r"\\".join(lines)
    return Tex(rf"{{\shortstack{{{text}}}}}" if len(lines) > 1 else f"{{{text}}}")


def _format(cells: Sequence[Cell]) -> str:
    """An S column with room for the widest number, its letters, and the sign of an estimate."""
    numbers = [cell.text for cell in cells if cell.text != "–"] or ["0"]
    whole = max(len(number.lstrip("-").partition(".")[0]) for number in numbers)
    decimals = max(len(number.partition(".")[2]) for number in numbers)
    sign = "-" * any(number.startswith("-") for number in numbers)
    beats = max((cell.beats for cell in cells), key=_printed, default="")
    options = [f"table-format={sign}{whole}.{decimals}"]
    if beats:
        options.append(f"table-space-text-post={{{_superscript(beats)}}}")
    if any(cell.about for cell in cells):
        options.append(r"table-space-text-pre={$\approx$}")
    return f"S[{','.join(options)}]"


def _marked(cell: Cell) -> Tex:
    if cell.text == "–":
        return Tex("{--}")
    about = r"{$\approx$}" * bool(cell.about)
    best = r"\bfseries " * (cell.place == 1)
    line = rf"\lbsecond{{{_grouped(cell.text)}}}" * (cell.place == 2)
    after = line + _superscript(cell.beats)
    return Tex(f"{best}{about}{cell.text}" + f" {{{after}}}" * bool(after))


def _printed(letters: str) -> int:
    return sum(_TIMES.get(char, 500) for char in letters)


def _superscript(beats: str) -> str:
    return rf"\textsuperscript{{\mdseries {escaped(beats)}}}" if beats else ""


def _grouped(number: str) -> str:
    """As `table.tex` lets siunitx print it: commas in numbers of five digits and more."""
    whole, point, decimals = number.partition(".")
    return f"{int(whole):,}{point}{decimals}" if whole.lstrip("-").isdigit() and len(whole.lstrip("-")) > 4 else number
