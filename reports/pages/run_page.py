"""One self-contained HTML file from a run folder."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.metrics import METRICS
from harness.metrics.benchmarks import BENCHMARKS
from harness.runs import layout
from harness.runs.read import RunData, load_run
from harness.runs.sources import sources
from reports.answers.answers import answers
from reports.exports.standings import standings
from reports.figures.base import of_run
from reports.formatting import number
from reports.pages.template import render, without_garbage_collection, write_page
from reports.sections import all_collections, collection, conditions, memory_grid, scaling, stages
from reports.sections.explorer import explorer
from reports.sections.left_out import left_out

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.sections.collection import CollectionPart


def write_report(folder: Path, out: Path | None = None, published: Path | None = None) -> Path:
    """Write ``report.html`` beside the run's records (or to `out`) and return its path.

    `published` is a CSV of published scores, see `reports.exports.standings`.

    Raises:
        UserError: The folder holds no finished run.
    """
    with without_garbage_collection():
        text = page(load_run(folder), published, drawings=folder / layout.DRAWINGS)
        return write_page(text, out or folder / layout.REPORT)


def write_several(folders: Sequence[Path], out: Path, published: Path | None = None) -> Path:
    """Write one page of several runs side by side, see `harness.runs.merge.load_runs`.

    Raises:
        UserError: A folder holds no finished run, or nothing is comparable.
    """
    from harness.runs.merge import merged, names_of

    with without_garbage_collection():
        runs = [load_run(folder) for folder in folders]
        beside = list(zip(names_of(runs), runs, strict=True))
        return write_page(page(merged(runs), published, beside), out)


def page(
    run: RunData,
    published: Path | None = None,
    beside: Sequence[tuple[str, RunData]] = (),
    drawings: Path | None = None,
) -> str:
    """The whole page; script and style are inside, and nothing is fetched.

    Args:
        run: What is shown.
        published: As `write_report` has it.
        beside: Name of each run and the run itself, where `run` is several runs merged.
        drawings: File where drawings are stored from one time to the next.
    """
    claims = [claim for name, single in beside for claim in answers(single, name)] if beside else answers(run)
    explored = explorer(run)
    parts = [collection.part(run, name, place) for place, name in enumerate(_in_tasks(run))]
    overviews = all_collections.overviews(run)
    return render(
        "report.html",
        drawings=drawings,
        run=run.facts,
        claims=claims,
        explorer=None if explored is None else asdict(explored),
        collections=parts,
        contents=contents(run, parts),
        overviews=overviews,
        left_out=left_out(run),
        sources=sources(run),
        standings=[] if published is None else standings(run, published),
        front=(
            [figure for overview in overviews for figure in overview.figures]
            if overviews
            else [figure for part in parts for figure in part.figures["Summary"]]
        ),
        takeaways=_takeaways(overviews) if overviews else [pair for part in parts for pair in part.takeaways],
        grid=memory_grid.section(run),
        scaling=scaling.section(run),
        training=of_run(run, "training"),
        conditions={"columns": conditions.COLUMNS, "rows": conditions.table(run.conditions)},
        stages=stages.section(run.facts["stages"]),
        metrics=[
            *(kind for name, kind in METRICS.items() if name not in BENCHMARKS),
            *(run.metric(name) for name in run.beside_table),
        ],
        number=number,
    )


def contents(run: RunData, parts: Sequence[CollectionPart]) -> list[tuple[str, list[CollectionPart]]]:
    """The parts of the page on collections, those of one task together under its name; "" for a collection alone."""
    task_of = _tasks(run)
    groups: list[tuple[str, list[CollectionPart]]] = []
    for part in parts:
        task = task_of.get(part.name, "")
        if task and groups and groups[-1][0] == task:
            groups[-1][1].append(part)
        else:
            groups.append((task, [part]))
    return groups


def _tasks(run: RunData) -> dict[str, str]:
    """The task of each collection that is one part of several."""
    return {
        part: task for suite in run.suites for task, parts in suite.tasks.items() if len(parts) > 1 for part in parts
    }


def _in_tasks(run: RunData) -> list[str]:
    """The collections in order, the parts of a task beside each other."""
    names, task_of = run.collections(), _tasks(run)
    groups = [task_of.get(name, name) for name in names]
    order = sorted(range(len(names)), key=lambda place: groups.index(groups[place]))
    return [names[place] for place in order]


def _takeaways(overviews: Sequence[all_collections.Overview]) -> list[tuple[str, str]]:
    """Headings and sentences; of several suites each heading names its own."""
    several = len(overviews) > 1
    return [
        (f"{heading}, {overview.title}" if several else heading, text)
        for overview in overviews
        for heading, text in overview.takeaways
    ]
