"""Paper tables: LaTeX, Markdown, CSV."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.errors import UserError, allowed
from harness.markdown import escaped, markdown_table
from harness.metrics import METRICS
from harness.runs.metrics import is_foreign
from reports.exports.latex_table import FLOAT, Cell, Float, Group, Row, Shown, latex_table
from reports.exports.spreadsheet import plain
from reports.exports.table_columns import columns
from reports.families import by_family

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import pandas as pd

    from harness.metrics import Metric
    from harness.runs.read import RunData
    from reports.exports.quoted import Quoted
    from reports.exports.table_columns import Column

Form: TypeAlias = Literal["latex", "markdown", "csv"]
FORMS: tuple[Form, ...] = ("latex", "markdown", "csv")
DEFAULT = ("ndcg@10", "recall@100", "index_bytes_per_document", "latency_total/p50")
QUOTED = "Quoted, not measured here"


def table(
    run: RunData,
    metrics: Sequence[str] = DEFAULT,
    form: str = "markdown",
    decimals: int = 3,
    quoted: Sequence[Quoted] = (),
    *,
    parts: bool = False,
    around: Float = FLOAT,
) -> str:
    """Systems as rows. One metric: collections as columns and their average; several: metrics of each collection.

    Of a suite the columns are its tasks and its own mean; several metrics are given of the suite alone. `parts` gives
    the parts of a task a column each. Systems stand in groups: lexical, learned sparse, dense, fusions.

    Best bold, second underlined (LaTeX) or italic (Markdown); letters name the systems that are beaten significantly
    (Student's t, Holm's correction for all pairs, 5 %). "≈" marks an estimate, but not in CSV. Seconds are given in
    milliseconds. `quoted` systems stand below, set apart and without marks: their numbers come from elsewhere and share
    no queries with the run. `around` is what surrounds a table in LaTeX.

    Raises:
        UserError: The form or a metric is unknown, numbers are quoted beside anything but one share (nDCG, recall), or
            a table that is not LaTeX is to have a caption or a label.
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
    if form != "latex" and (around.caption or around.label):
        what = "--caption" if around.caption else "--label"
        raise UserError("only a table in LaTeX has a caption or a label", key=what, remedy="add --format latex")
    families = by_family(run)
    systems = [name for own in families.values() for name in own]
    letters = {system: _letter(place) for place, system in enumerate(systems)}
    shown = columns(run, metrics, parts=parts)
    cells = [_measured(run, column, systems, letters, decimals) for column in shown]
    rows = {system: Row(letters[system], system, [column[line] for column in cells])
            for line, system in enumerate(systems)}  # fmt: skip
    groups = [Group(title if len(families) > 1 else "", [rows[name] for name in own])
              for title, own in families.items()]  # fmt: skip
    if quoted:
        quotes = [_quoted(run, column, quoted, decimals) for column in shown]
        own_rows = [Row("", name, [column[line] for column in quotes]) for line, (name, _) in enumerate(quoted)]
        groups.append(Group(QUOTED, own_rows, measured=False))
    whole = Shown([(column.over, column.head) for column in shown], groups)
    if form == "latex":
        return latex_table(whole, around)
    return (_markdown if form == "markdown" else _csv)(["System", *(column.title for column in shown)], groups)


def _measured(
    run: RunData, column: Column, systems: Sequence[str], letters: Mapping[str, str], decimals: int
) -> list[Cell]:
    """A cell a system: value, place, and the letters of those that it beats significantly."""
    import pandas as pd

    kind = run.metric(column.metric)
    values = pd.Series([column.values.get(system, float("nan")) for system in systems], dtype=float)
    order = list(letters.values())
    beats = [_joined(order, {letters[other] for other in column.beats.get(system, ())}) for system in systems]
    about = ["≈" if system in column.estimated and system in column.values else "" for system in systems]
    return list(map(Cell, _texts(values, kind.unit, decimals), _places(values, kind), beats, about))


def _quoted(run: RunData, column: Column, quoted: Sequence[Quoted], decimals: int) -> list[Cell]:
    values = [column.quoted(values) for _, values in quoted]
    return list(map(Cell, _texts(values, run.metric(column.metric).unit, decimals)))


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else f"{_letter(place // 26 - 1)}{_letter(place % 26)}"


def _joined(order: Sequence[str], beaten: Collection[str]) -> str:
    """Letters of systems in order: "bc", or with ranges of three and more "a,c–f"."""
    runs: list[list[str]] = []
    for before, letter in zip(["", *order], order, strict=False):
        if letter in beaten:
            if not (before in beaten and runs):
                runs.append([])
            runs[-1].append(letter)
    if all(len(own) < 3 for own in runs) and len(order) <= 26:
        return "".join(letter for own in runs for letter in own)
    return ",".join(f"{own[0]}–{own[-1]}" if len(own) > 2 else ",".join(own) for own in runs)


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


def _markdown(heads: Sequence[str], groups: Sequence[Group]) -> str:
    def mark(cell: Cell) -> str:
        plain = cell.about + cell.text
        text = {1: f"**{plain}**", 2: f"*{plain}*"}.get(cell.place, plain)
        return f"{text} ^{cell.beats}^" if cell.beats else text

    body: list[Sequence[str]] = []
    for group in groups:
        if group.title:
            body.append(("", f"*{group.title}*", *[""] * (len(heads) - 1)))
        body += [(row.letter, escaped(row.system), *map(mark, row.cells)) for row in group.rows]
    return "\n".join(markdown_table(("", *map(escaped, heads)), body, left=(0, 1))) + "\n"


def _csv(heads: Sequence[str], groups: Sequence[Group]) -> str:
    import pandas as pd

    body = [
        [row.letter if group.measured else "quoted", plain(row.system),
         *("" if cell.text == "–" else cell.text for cell in row.cells)]
        for group in groups
        for row in group.rows
    ]  # fmt: skip
    table = pd.DataFrame(body, columns=range(len(heads) + 1))
    return table.to_csv(header=["", *map(plain, heads)], index=False, lineterminator="\n")
