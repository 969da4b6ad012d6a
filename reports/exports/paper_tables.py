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
from harness.runs import frames
from harness.runs.metrics import is_foreign
from reports.exports.spreadsheet import plain
from reports.formatting import label
from reports.sections.ranking import superiors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from harness.metrics import Metric
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
    (Student's t, Holm's correction for all pairs, 5 %). Seconds are given in milliseconds. `quoted` systems stand
    below, set apart and without marks: their numbers come from elsewhere and share no queries with the run.

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
    columns = [(collection, name) for collection in run.collections() for name in metrics]
    values, theirs = _values(run, systems, columns), _quoted_values(run, quoted)
    heads, kinds = [_head(run, metrics, column) for column in columns], [run.metric(name) for _, name in columns]
    beats = [_beats(run, column, systems, letters) for column in columns]
    if len(metrics) == 1 and len(columns) > 1:  # the average is marked without a test
        heads, kinds, beats = [*heads, "Average"], [*kinds, kinds[0]], [*beats, [""] * len(systems)]
        values, theirs = _averaged(values), _averaged(theirs)
    cells = [
        list(map(Cell, _texts(values[column], kind.unit, decimals), _places(values[column], kind), beaten))
        for column, (kind, beaten) in enumerate(zip(kinds, beats, strict=True))
    ]
    quotes = [list(map(Cell, _texts(theirs[column], kinds[0].unit, decimals))) for column in theirs]
    rows = [(letters[system], system, [column[line] for column in cells]) for line, system in enumerate(systems)]
    apart = [("", name, [column[line] for column in quotes]) for line, (name, _) in enumerate(quoted)]
    return {"latex": _latex, "markdown": _markdown, "csv": _csv}[form](["System", *heads], rows, apart)


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else f"{_letter(place // 26 - 1)}{_letter(place % 26)}"


def _head(run: RunData, metrics: Sequence[str], column: tuple[str, str]) -> str:
    collection, name = column
    unit = " (ms)" if run.metric(name).unit == "seconds" else ""
    text = label(name) + unit
    if len(run.collections()) == 1:
        return text
    return collection if len(metrics) == 1 else f"{collection} {text}"


def _values(run: RunData, systems: list[str], columns: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Measured values, systems x columns; a column is (collection, metric) and is named by its place."""
    import pandas as pd

    records = frames.records(run).drop_duplicates(["collection", "system", "metric"], keep="last")
    table = records.pivot(index="system", columns=["collection", "metric"], values="value")
    table = table.reindex(index=systems, columns=pd.MultiIndex.from_tuples(columns)).astype(float)
    return table.set_axis(range(len(columns)), axis="columns")


def _quoted_values(run: RunData, quoted: Sequence[Quoted]) -> pd.DataFrame:
    """Quoted values, systems x collections; a column is named by its place."""
    import pandas as pd

    table = pd.DataFrame([values for _, values in quoted], columns=run.collections(), dtype=float)
    return table.set_axis(range(len(table.columns)), axis="columns")


def _averaged(values: pd.DataFrame) -> pd.DataFrame:
    """The values with a last column: the mean of systems that have a value in every column."""
    means = values.mean(axis=1, skipna=False)
    return values.assign(mean=means).set_axis(range(len(values.columns) + 1), axis="columns")


def _texts(column: pd.Series[float], unit: str, decimals: int) -> list[str]:
    """Values as the table shows them: seconds as milliseconds, shares and seconds with decimals."""
    factor = 1e3 if unit == "seconds" else 1.0
    digits = decimals if unit in ("fraction", "seconds") else 0
    return ["–" if isnan(value) else f"{value * factor:.{digits}f}" for value in column]


def _places(column: pd.Series[float], kind: Metric) -> list[int]:
    """Place of each system, 1 for the best; equal values share a place; 0 without a value or a better direction."""
    if kind.direction == "neither":
        return [0] * len(column)
    return column.rank(method="min", ascending=kind.direction == "lower").fillna(0).astype(int).tolist()


def _beats(run: RunData, column: tuple[str, str], systems: Sequence[str], letters: Mapping[str, str]) -> list[str]:
    """For each system the letters of those that it beats significantly."""
    better = superiors(run, *column)
    return ["".join(sorted(letters[other] for other in better.get(system, ()))) for system in systems]


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
    import pandas as pd

    body = [
        [letter, plain(name), *("" if cell.text == "–" else cell.text for cell in cells)]
        for letter, name, cells in [*rows, *(("quoted", name, cells) for _, name, cells in apart)]
    ]
    table = pd.DataFrame(body, columns=range(len(heads) + 1))
    return table.to_csv(header=["", *heads], index=False, lineterminator="\n")
