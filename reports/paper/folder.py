"""The folder of a paper: what is written again from the runs each time, and the text, which is written once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.claims.judge_run import verdicts
from harness.errors import UserError
from harness.files import write_whole
from harness.runs.names import distinct
from harness.runs.read import load_run
from reports.exports.figure_files import write_figures
from reports.exports.latex_table import Float
from reports.exports.paper_tables import DEFAULT, table
from reports.figures.base import sheets_of
from reports.latex import Tex, escaped, render
from reports.paper.macros import macros
from reports.paper.numbers import NUMBERS, differences, numbers_file, read_numbers, used_macros
from reports.paper.opening import opening
from reports.paper.references import Citations, bibliography
from reports.paper.reproduce import SCRIPT, constraints, repeated, script
from reports.paper.setup import setup_text, system_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.runs.read import RunData
    from reports.figures.base import Sheet

TEXT = "main.tex"
SHOWN = ("trade-off", "memory-claim", "recall-speed")
"""Kinds of figures that `main.tex` shows; the others are in the folder."""
NOTES = 10
"""Notes of a run that the appendix prints."""
MARK = "Written by laconic-bench"
"""In the first lines of every file that is written again."""


@dataclass(frozen=True)
class Written:
    """Every file that was written, and the text that was there already and stays as it is."""

    files: Sequence[Path]
    untouched: Sequence[Path]


def write_paper(folders: Sequence[Path], out: Path, width: str = "text", *, figures: bool = True) -> Written:
    """Write a paper's folder; `main.tex` only where there is none, all else again.

    Args:
        folders: Of finished runs.
        out: Of the paper.
        width: Of the place that a table gets, ``column`` or ``text``.
        figures: Whether to draw figures, for a column of 3.3 inches.

    Raises:
        UserError: There is no such width, a folder holds no finished run, or a file in `out` is not of this program and
            has the name of one. Nothing was written then.
    """
    Float(width=width)  # refuses a wrong one before the runs are read
    runs = named_runs(folders)
    sheets = {name: _sheets(name, run) if figures else {} for name, run in runs}
    again, once = _files(runs, width, sheets)
    for name in again:
        _check(out / name)
    drawn = [path for name, run in runs if sheets[name] for path in write_figures(run, out / "figures" / name)]
    for name, text in again.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(out / name, text, errors="replace")
    (out / SCRIPT).chmod(0o755)
    untouched = [out / name for name in once if (out / name).exists()]
    for name, text in once.items():
        if out / name not in untouched:
            write_whole(out / name, text, errors="replace")
    texts = [out / name for name in (*again, *once) if out / name not in untouched]
    return Written([*texts, *drawn], untouched)


def check_paper(folders: Sequence[Path], out: Path, *, repeatable: bool = False) -> list[str]:
    """A sentence for each macro of the paper in `out` that differs from the runs.

    Args:
        folders: Of finished runs, in the order in which the paper was written.
        out: Of the paper.
        repeatable: Compare only what a repetition must give again: no times and no facts of the machine.

    Raises:
        UserError: A folder holds no finished run, or `out` no paper.
    """
    paper = read_numbers(out / NUMBERS, repeatable=repeatable)
    rows, used = macros(named_runs(folders)), used_macros(out)
    if repeatable:
        moving = {row.name for row in rows if not row.repeats} | (read_numbers(out / NUMBERS).keys() - paper.keys())
        rows = [row for row in rows if row.name not in moving]
        paper = {name: text for name, text in paper.items() if name not in moving}
        used = {name: place for name, place in used.items() if name not in moving}
    return differences(paper, rows, used)


def named_runs(folders: Sequence[Path]) -> list[tuple[str, RunData]]:
    """The runs with a name each, of letters, digits and hyphens; equal names get a number."""
    runs = [load_run(folder) for folder in folders]
    names = [re.sub(r"[^A-Za-z0-9]+", "-", str(run.facts["name"])).strip("-") or "run" for run in runs]
    return list(zip(distinct(names), runs, strict=True))


def _sheets(name: str, run: RunData) -> dict[str, Sheet]:
    """A run's figures by their file, without its ending."""
    return {f"figures/{name}/{sheet.name}": sheet for sheet in sheets_of(run)}


def _files(
    runs: Sequence[tuple[str, RunData]], width: str, sheets: Mapping[str, Mapping[str, Sheet]]
) -> tuple[dict[str, str], dict[str, str]]:
    """The files that are written again, and those that are written once."""
    cite = Citations({})
    rows = macros(runs)
    again: dict[str, str] = {NUMBERS: numbers_file(rows)}
    tables: list[str] = []
    for name, run in runs:
        again[f"specs/{name}.toml"] = f"# {MARK}: the spec of the run {name}.\n{run.facts['spec_text']}"
        for kind, text in _tables(name, run, width).items():
            tables.append(f"tables/{name}-{kind}")
            again[f"{tables[-1]}.tex"] = f"% {MARK}. Changes are lost when it is written again.\n{text}"
        for file, sheet in sheets[name].items():
            again[f"{file}.tex"] = render(
                "figure.tex", file=Tex(file), caption=sheet.caption, label=Tex(f"fig:{name}-{sheet.name}")
            )
        again[f"setup-{name}.tex"] = setup_text(run, cite, None if run is runs[0][1] else runs[0][1])
        again[f"appendix-{name}.tex"] = _appendix(name, run, cite)
    again["references.bib"] = bibliography(cite.keys)
    again["constraints.txt"] = f"# {MARK}.\n{constraints([run for _, run in runs])}"
    again[SCRIPT] = script([repeated(name, run) for name, run in runs])
    return again, {TEXT: opening(runs, rows, tables, {name: _shown(own) for name, own in sheets.items()})}


def _tables(name: str, run: RunData, width: str) -> dict[str, str]:
    """A table of the metrics that matter, and one of nDCG@10 by collection where there are several."""
    present = {row.metric for row in run.records}
    metrics = [metric for metric in DEFAULT if metric in present]
    legend = (
        "Bold is best, underlined second. Letters name the systems that are significantly worse (Student's $t$, Holm's "
        "correction for all pairs, 5\\,\\%)."
    )
    tables = {}
    if metrics:
        caption = f"{escaped(run.facts['title'])}. {legend}"
        tables["systems"] = table(run, metrics, "latex", around=Float(caption, f"tab:{name}-systems", width))
    if "ndcg@10" in present and len(run.collections()) > 1:
        caption = f"nDCG@10 by collection. {legend}"
        tables["ndcg"] = table(run, ["ndcg@10"], "latex", around=Float(caption, f"tab:{name}-ndcg", width))
    return tables


def _shown(sheets: Mapping[str, Sheet]) -> list[str]:
    """The figures that the text shows: the first of each of these kinds."""
    first: dict[str, str] = {}
    for file, sheet in sheets.items():
        first.setdefault(sheet.kind, file)
    return [first[kind] for kind in SHOWN if kind in first]


def _appendix(name: str, run: RunData, cite: Citations) -> str:
    return render(
        "appendix.tex", run=run.facts, name=name, title=run.facts["title"], verdicts=verdicts(run),
        families=system_lines(run, cite), notes=run.facts["notes"][:NOTES], more=len(run.facts["notes"][NOTES:]),
        environment={title: group for title, group in run.facts["environment"].items() if group},
    )  # fmt: skip


def _check(file: Path) -> None:
    """Refuse to write over a file that somebody else wrote."""
    if not file.exists():
        return
    with file.open(encoding="utf-8", errors="replace") as lines:
        if not any(MARK in line for line, _ in zip(lines, range(3), strict=False)):
            raise UserError("this file is not of laconic-bench", file=file, remedy="move it, or give another --out")
