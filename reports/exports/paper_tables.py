"""Paper tables: LaTeX, Markdown, CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.errors import UserError, allowed
from harness.markdown import escaped, markdown_table
from harness.metrics import METRICS, metric
from reports.formatting import label
from reports.sections.ranking import ranked, superiors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runs.read import RunData
    from reports.exports.quoted import Quoted

Form: TypeAlias = Literal["latex", "markdown", "csv"]
FORMS: tuple[Form, ...] = ("latex", "markdown", "csv")
DEFAULT = ("ndcg@10", "recall@100", "index_bytes_per_document", "latency_total/p50")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One value with its place among the systems, and the letters of the systems that it beats significantly."""

    text: str
    place: int = 0
    beats: str = ""


Row: TypeAlias = "tuple[str, str, list[Cell]]"
"""Letter, system, cells."""
QUOTED = "Quoted, not measured here"


def table(
    run: RunData,
    metrics: Sequence[str] = DEFAULT,
    form: str = "markdown",
    decimals: int = 3,
    quoted: Sequence[Quoted] = (),
) -> str:
    """Systems as rows. One metric: collections as columns and their average; several: metrics of each collection.

    Best bold, second underlined (LaTeX) or italic (Markdown); letters name the systems that are beaten significantly
    (paired randomisation test, Holm's correction, 5 %). Seconds are given in milliseconds. `quoted` systems stand
    below, set apart and without marks: their numbers are others', and share no queries with the run.

    Raises:
        UserError: The form or a metric is unknown, or numbers are quoted beside anything but one share (nDCG, recall).
    """
    if form not in FORMS:
        raise UserError(f"there is no table form {form!r}", key="--format", remedy=allowed(form, FORMS))
    for name in metrics:
        if name.partition("/")[0] not in METRICS:
            raise UserError(f"there is no metric {name!r}", key="--metric", remedy=allowed(name, METRICS))
    if quoted and [metric(name).unit for name in metrics] != ["fraction"]:
        raise UserError("numbers are quoted beside one metric of quality", key="--quoted", remedy="--metric ndcg@10")
    columns = [(collection, name) for collection in run.collections() for name in metrics]
    systems = list(dict.fromkeys(system["name"] for system in run.systems))
    letters = {system: _letter(place) for place, system in enumerate(systems)}
    heads = ["System", *(_head(run, metrics, column) for column in columns)]
    body = {system: [_cell(run, system, column, letters, decimals) for column in columns] for system in systems}
    if len(metrics) == 1 and len(run.collections()) > 1:
        heads.append("Average")
        for system, cell in _averages(run, systems, metrics[0], decimals).items():
            body[system].append(cell)
    rows = [(letters[system], system, body[system]) for system in systems]
    apart = [("", name, _quoted(run, values, metrics[0], decimals, len(heads) - 1)) for name, values in quoted]
    return {"latex": _latex, "markdown": _markdown, "csv": _csv}[form](heads, rows, apart)


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else f"{_letter(place // 26 - 1)}{_letter(place % 26)}"


def _head(run: RunData, metrics: Sequence[str], column: tuple[str, str]) -> str:
    collection, name = column
    unit = " (ms)" if metric(name).unit == "seconds" else ""
    text = label(name) + unit
    if len(run.collections()) == 1:
        return text
    return collection if len(metrics) == 1 else f"{collection} {text}"


def _shown(value: float, name: str, decimals: int) -> str:
    unit = metric(name).unit
    return f"{value * 1e3:.{decimals}f}" if unit == "seconds" else f"{value:.{decimals if unit == 'fraction' else 0}f}"


def _cell(run: RunData, system: str, column: tuple[str, str], letters: dict[str, str], decimals: int) -> Cell:
    collection, name = column
    found = run.cells().get((collection, system, name))
    if found is None:
        return Cell("–")
    order = ranked(run, collection, name)
    values = [run.cells()[collection, other, name].value for other in order]
    beats = sorted(letters[other] for other in superiors(run, collection, name).get(system, ()))
    place = values.index(found.value) + 1 if system in order else 0  # equal values share a place
    return Cell(_shown(found.value, name, decimals), place, "".join(beats))


def _averages(run: RunData, systems: Sequence[str], name: str, decimals: int) -> dict[str, Cell]:
    """Means over the collections, for systems that have all of them; best and second marked, without a test."""
    cells, collections = run.cells(), run.collections()
    found = {}
    for system in systems:
        values = [cells[c, system, name].value for c in collections if (c, system, name) in cells]
        if len(values) == len(collections):
            found[system] = sum(values) / len(values)
    direction = metric(name).direction
    order = sorted(found.values(), reverse=direction == "higher")
    places = {value: order.index(value) + 1 if direction != "neither" else 0 for value in order}
    return {
        system: Cell(_shown(found[system], name, decimals), places[found[system]]) if system in found else Cell("–")
        for system in systems
    }


def _quoted(run: RunData, values: dict[str, float], name: str, decimals: int, columns: int) -> list[Cell]:
    """Cells of a quoted system; the average only where every collection has a value."""
    numbers = [values.get(collection) for collection in run.collections()]
    cells = [Cell("–" if number is None else _shown(number, name, decimals)) for number in numbers]
    if columns > len(cells):
        known = [number for number in numbers if number is not None]
        cells.append(Cell(_shown(sum(known) / len(known), name, decimals) if len(known) == len(numbers) else "–"))
    return cells


def _latex(heads: Sequence[str], rows: Sequence[Row], apart: Sequence[Row]) -> str:
    def mark(cell: Cell) -> str:
        plain = cell.text.replace("–", "--")
        text = {1: rf"\textbf{{{plain}}}", 2: rf"\underline{{{plain}}}"}.get(cell.place, plain)
        return f"{text}$^{{{cell.beats}}}$" if cell.beats else text

    lines = [rf"\begin{{tabular}}{{ll{'r' * (len(heads) - 1)}}}", r"\toprule"]
    lines += [" & ".join(["", *map(_escaped, heads)]) + r" \\", r"\midrule"]
    lines += [" & ".join([letter, _escaped(name), *map(mark, cells)]) + r" \\" for letter, name, cells in rows]
    if apart:
        lines += [r"\midrule", rf"\multicolumn{{{len(heads) + 1}}}{{l}}{{\emph{{{QUOTED}}}}} \\"]
        lines += [" & ".join(["", _escaped(name), *map(mark, cells)]) + r" \\" for _, name, cells in apart]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in " ".join(text.split())).replace("–", "--")


def _markdown(heads: Sequence[str], rows: Sequence[Row], apart: Sequence[Row]) -> str:
    def mark(cell: Cell) -> str:
        text = {1: f"**{cell.text}**", 2: f"*{cell.text}*"}.get(cell.place, cell.text)
        return f"{text} ^{cell.beats}^" if cell.beats else text

    body = [(letter, escaped(name), *map(mark, cells)) for letter, name, cells in rows]
    if apart:
        body.append(("", f"*{QUOTED}*", *[""] * (len(heads) - 1)))
        body += [("", escaped(name), *map(mark, cells)) for _, name, cells in apart]
    return "\n".join(markdown_table(("", *map(escaped, heads)), body, left=(0, 1))) + "\n"


def _csv(heads: Sequence[str], rows: Sequence[Row], apart: Sequence[Row]) -> str:
    def safe(text: str) -> str:
        return f"'{text}" if text[:1] in "=+-@\t\r" else text  # a spreadsheet must not run a name as a formula

    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["", *heads])
    for letter, name, cells in [*rows, *(("quoted", name, cells) for _, name, cells in apart)]:
        writer.writerow([letter, safe(name), *("" if cell.text == "–" else cell.text for cell in cells)])
    return file.getvalue()
