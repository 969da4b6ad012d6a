"""Paper tables: LaTeX, Markdown, CSV.

pandas computes the table. LaTeX is written here, because its Styler sets no rule and no heading between rows, as quoted
numbers need them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.errors import UserError, allowed
from harness.markdown import escaped, markdown_table
from harness.metrics import METRICS
from harness.runs.metrics import is_foreign
from reports.exports.spreadsheet import plain
from reports.exports.table_columns import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from harness.metrics import Metric
    from harness.runs.read import RunData
    from reports.exports.quoted import Quoted
    from reports.exports.table_columns import Column

Form: TypeAlias = Literal["latex", "markdown", "csv"]
FORMS: tuple[Form, ...] = ("latex", "markdown", "csv")
DEFAULT = ("ndcg@10", "recall@100", "index_bytes_per_document", "latency_total/p50")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One value with its place among the systems, and the letters of the systems that it beats significantly.

    `about` is "≈" for an estimate, else empty.
    """

    text: str
    place: int = 0
    beats: str = ""
    about: str = ""


Row: TypeAlias = "tuple[str, str, list[Cell]]"
"""Letter, system, cells."""
QUOTED = "Quoted, not measured here"


def table(
    run: RunData,
    metrics: Sequence[str] = DEFAULT,
    form: str = "markdown",
    decimals: int = 3,
    quoted: Sequence[Quoted] = (),
    *,
    parts: bool = False,
) -> str:
    """Systems as rows. One metric: collections as columns and their average; several: metrics of each collection.

    Of a suite the columns are its tasks and its own mean; several metrics are given of the suite alone. `parts` gives
    the parts of a task a column each.

    Best bold, second underlined (LaTeX) or italic (Markdown); letters name the systems that are beaten significantly
    (Student's t, Holm's correction for all pairs, 5 %). "≈" marks an estimate, but not in CSV. Seconds are given in
    milliseconds. `quoted` systems stand below, set apart and without marks: their numbers come from elsewhere and share
    no queries with the run.

    Raises:
        UserError: The form or a metric is unknown, or numbers are quoted beside anything but one share (nDCG, recall).
    """
    if form not in FORMS:
        raise UserError(f"there is no table form {form!r}", key="--format", remedy=allowed(form, FORMS))
    for name in metrics:
        if is_foreign(name) and name.partition("/")[0] not in run.foreign:
            raise UserError(f"there is no metric {name!r}", key="--metric", remedy=allowed(name, METRICS))
    if quoted and [run.metric(name).unit for name in metrics] != ["fraction"]:
        raise UserError(
            "quoted numbers need exactly one metric of quality", key="--quoted", remedy="for example --metric ndcg@10"
        )
    systems = list(dict.fromkeys(system["name"] for system in run.systems))
    letters = {system: _letter(place) for place, system in enumerate(systems)}
    shown = columns(run, metrics, parts=parts)
    cells = [_measured(run, column, systems, letters, decimals) for column in shown]
    quotes = [_quoted(run, column, quoted, decimals) for column in shown]
    rows = [(letters[system], system, [column[line] for column in cells]) for line, system in enumerate(systems)]
    apart = [("", name, [column[line] for column in quotes]) for line, (name, _) in enumerate(quoted)]
    heads = ["System", *(column.head for column in shown)]
    return {"latex": _latex, "markdown": _markdown, "csv": _csv}[form](heads, rows, apart)


def _measured(
    run: RunData, column: Column, systems: Sequence[str], letters: Mapping[str, str], decimals: int
) -> list[Cell]:
    """A cell a system: value, place, and the letters of those that it beats significantly."""
    import pandas as pd

    kind = run.metric(column.metric)
    values = pd.Series([column.values.get(system, float("nan")) for system in systems], dtype=float)
    beats = ["".join(sorted(letters[other] for other in column.beats.get(system, ()))) for system in systems]
    about = ["≈" if system in column.estimated and system in column.values else "" for system in systems]
    return list(map(Cell, _texts(values, kind.unit, decimals), _places(values, kind), beats, about))


def _quoted(run: RunData, column: Column, quoted: Sequence[Quoted], decimals: int) -> list[Cell]:
    values = [column.quoted(values) for _, values in quoted]
    return list(map(Cell, _texts(values, run.metric(column.metric).unit, decimals)))


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else f"{_letter(place // 26 - 1)}{_letter(place % 26)}"


def _texts(column: Iterable[float], unit: str, decimals: int) -> list[str]:
    """Values as the table shows them: seconds as milliseconds, shares and seconds with decimals."""
    factor = 1e3 if unit == "seconds" else 1.0
    digits = decimals if unit in ("fraction", "seconds") else 0
    return ["–" if isnan(value) else f"{value * factor:.{digits}f}" for value in column]


def _places(column: pd.Series[float], kind: Metric) -> list[int]:
    """Place of each system, 1 for the best; equal values share a place; 0 without a value or a better direction."""
    if kind.direction == "neither":
        return [0] * len(column)
    return column.rank(method="min", ascending=kind.direction == "lower").fillna(0).astype(int).tolist()


def _latex(heads: Sequence[str], rows: Sequence[Row], apart: Sequence[Row]) -> str:
    def mark(cell: Cell) -> str:
        plain = r"$\approx$" * bool(cell.about) + cell.text.replace("–", "--")
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
    printable = "".join(char if char.isprintable() else " " for char in text)  # LaTeX ends at a control character
    return "".join(_LATEX.get(char, char) for char in " ".join(printable.split())).replace("–", "--")


def _markdown(heads: Sequence[str], rows: Sequence[Row], apart: Sequence[Row]) -> str:
    def mark(cell: Cell) -> str:
        plain = cell.about + cell.text
        text = {1: f"**{plain}**", 2: f"*{plain}*"}.get(cell.place, plain)
        return f"{text} ^{cell.beats}^" if cell.beats else text

    body = [(letter, escaped(name), *map(mark, cells)) for letter, name, cells in rows]
    if apart:
        body.append(("", f"*{QUOTED}*", *[""] * (len(heads) - 1)))
        body += [("", escaped(name), *map(mark, cells)) for _, name, cells in apart]
    return "\n".join(markdown_table(("", *map(escaped, heads)), body, left=(0, 1))) + "\n"


def _csv(heads: Sequence[str], rows: Sequence[Row], apart: Sequence[Row]) -> str:
    import pandas as pd

    body = [
        [letter, plain(name), *("" if cell.text == "–" else cell.text for cell in cells)]
        for letter, name, cells in [*rows, *(("quoted", name, cells) for _, name, cells in apart)]
    ]
    table = pd.DataFrame(body, columns=range(len(heads) + 1))
    return table.to_csv(header=["", *map(plain, heads)], index=False, lineterminator="\n")
