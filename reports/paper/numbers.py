"""The file of macros: written, read again, and compared with runs."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from harness.errors import UserError
from reports.latex import Tex, render
from reports.paper.macros import RULE
from reports.paper.names import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from reports.paper.macros import Macro

NUMBERS = "numbers.tex"
VARIES = "varies: "
"""Begins the comment of a number that a repetition may give otherwise."""
_LINE = re.compile(rf"\\newcommand\{{\\({PREFIX}[A-Z][A-Za-z]*)\}}\{{(.*?)\}}% ({VARIES})?")
"""A text has no bare per cent sign, so the first one behind a brace ends it."""
_USED = re.compile(rf"\\({PREFIX}[A-Z][A-Za-z]*)")
_COMMENT = re.compile(r"(?<!\\)%.*")


def numbers_file(macros: Sequence[Macro]) -> str:
    """The file: a macro a line, the number as it was measured in a comment, and a heading for each system and claim."""
    rows, last = [], ""
    for row in macros:
        subject = _one_line(" on ".join(row.key[2:4]))
        heading = subject if len(row.key) > 3 and subject != last else ""
        last = subject
        note = ("" if row.repeats else VARIES) + _one_line(row.note)
        rows.append((Tex(heading), Tex(row.name), row.text, Tex(note)))
    return render("numbers.tex", rule=RULE, varies=Tex(VARIES.strip()), rows=rows)


def read_numbers(file: Path, *, repeatable: bool = False) -> dict[str, str]:
    """The text of each macro of a paper.

    Args:
        file: As `numbers_file` wrote it.
        repeatable: Leave out what a repetition may give otherwise.

    Raises:
        UserError: The file cannot be read.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        remedy = "give the folder of a paper with --out, or write one without --check"
        raise UserError("there is no file of macros", file=file, remedy=remedy) from None
    macros = [match for line in lines if (match := _LINE.match(line))]
    return {match[1]: match[2] for match in macros if not (repeatable and match[3])}


def differences(paper: Mapping[str, str], macros: Sequence[Macro], used: Mapping[str, str]) -> list[str]:
    """A sentence for each macro of which paper and runs do not agree, and for each that a text uses and neither has.

    Those that a text uses come first.

    Args:
        paper: The text of each macro, by name.
        macros: Those of the runs that are compared.
        used: Where texts use a macro, by name.
    """
    return list(_differences(paper, {row.name: str(row.text) for row in macros}, used))


def _differences(paper: Mapping[str, str], runs: Mapping[str, str], used: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*used, *paper, *runs]):
        place = f" ({used[name]})" if name in used else ""
        if name not in paper and name not in runs:
            near = get_close_matches(name, runs, 1)
            hint = f"; did you mean \\{near[0]}?" if near else ""
            yield f"\\{name}{place}: the text uses it, and no run has it{hint}"
        elif name not in runs:
            yield f"\\{name}{place}: the paper has {paper[name]}, the run no longer has this number"
        elif name not in paper:
            yield f"\\{name}{place}: the run has {runs[name]}, the paper does not have this number"
        elif paper[name] != runs[name]:
            yield f"\\{name}{place}: the paper has {paper[name]}, the run has {runs[name]}"


def used_macros(folder: Path) -> dict[str, str]:
    """Where the texts of a paper use a macro first, as ``FILE:LINE`` by name; `NUMBERS` itself is left out."""
    places: dict[str, str] = {}
    for file in sorted(folder.rglob("*.tex")):
        if file.name == NUMBERS:
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").split("\n"), start=1):
            for name in _USED.findall(_COMMENT.sub("", line)):
                places.setdefault(name, f"{file.relative_to(folder)}:{number}")
    return places


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
