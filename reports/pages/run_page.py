"""One self-contained HTML file from a run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.claims.judge_run import verdicts
from harness.metrics import METRICS
from harness.runs import layout
from harness.runs.read import RunData, load_run
from reports.formatting import number
from reports.pages.template import render, without_garbage_collection, write_page
from reports.sections import all_collections, collection, conditions, memory_grid, scaling, stages, takeaways, training

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write ``report.html`` beside the run's records (or to `out`) and return its path.

    Raises:
        UserError: The folder holds no finished run.
    """
    with without_garbage_collection():
        return write_page(page(load_run(folder)), out or folder / layout.REPORT)


def write_several(folders: Sequence[Path], out: Path) -> Path:
    """Write one page of several runs side by side, see `harness.runs.merge.load_runs`.

    Raises:
        UserError: A folder holds no finished run, or nothing is comparable.
    """
    from harness.runs.merge import load_runs

    with without_garbage_collection():
        return write_page(page(load_runs(folders)), out)


def page(run: RunData) -> str:
    """The whole page; script and style are inside, and nothing is fetched."""
    parts = [collection.part(run, name, place) for place, name in enumerate(run.collections())]
    overview = all_collections.overview(run)
    return render(
        "report.html",
        run=run.facts,
        claims=takeaways.by_claim(verdicts(run)),
        collections=parts,
        overview=overview,
        front=overview.figures if overview else [figure for part in parts for figure in part.figures["Summary"]],
        takeaways=overview.takeaways if overview else [pair for part in parts for pair in part.takeaways],
        grid=memory_grid.section(run),
        scaling=scaling.section(run),
        training=training.curves(run),
        conditions={"columns": conditions.COLUMNS, "rows": conditions.table(run.conditions)},
        stages=stages.section(run.facts["stages"]),
        metrics=[*METRICS.values(), *(run.metric(name) for name in run.beside_table)],
        number=number,
    )
