"""One self-contained HTML file from a run directory."""

from __future__ import annotations

import base64
import gc
import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.claims.judge_run import verdicts
from harness.files import write_whole
from harness.metrics import METRICS
from harness.runs.read import RunData, load_run
from reports.figures.svg import signs
from reports.formatting import number
from reports.sections import all_collections as across
from reports.sections import collection, conditions, scaling, stages, training
from reports.sections import memory_grid as grid
from reports.sections import takeaways as glance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write ``report.html`` beside the run's records (or to `out`) and return its path.

    Raises:
        UserError: The folder holds no finished run.
    """
    with _uncollected():
        return _write(page(load_run(folder)), out or folder / "report.html")


def write_several(folders: Sequence[Path], out: Path) -> Path:
    """Write one page of several runs side by side, see `harness.runs.merge.load_runs`.

    Raises:
        UserError: A folder holds no finished run, or nothing is comparable.
    """
    from harness.runs.merge import load_runs

    with _uncollected():
        return _write(page(load_runs(folders)), out)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage meanwhile: all that is made lives to the end, and looking through it takes a tenth."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _write(text: str, path: Path) -> Path:
    write_whole(path, text, errors="replace")
    return path.resolve()


def page(run: RunData) -> str:
    """The whole page; script and style are inside, and nothing is fetched."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    loader = PackageLoader("reports")
    environment = Environment(
        loader=loader,
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script, style = (loader.get_source(environment, name)[0] for name in ("page.js", "page.css"))
    shown = [collection.shown(run, name, place) for place, name in enumerate(run.collections())]
    overview = across.overview(run)
    return environment.get_template("report.html").render(
        run=run.facts,
        claims=glance.by_claim(verdicts(run)),
        collections=shown,
        overview=overview,
        front=overview["figures"] if overview else [figure for one in shown for figure in one["figures"]["Summary"]],
        takeaways=overview["takeaways"] if overview else [pair for one in shown for pair in one["takeaways"]],
        grid=grid.section(run),
        scaling=scaling.section(run),
        training=training.curves(run),
        conditions={"columns": conditions.COLUMNS, "rows": conditions.table(run.conditions)},
        stages=stages.section(run.facts["stages"]),
        metrics=METRICS.values(),
        number=number,
        style=style,
        signs=signs(),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
