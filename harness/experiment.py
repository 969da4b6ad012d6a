"""Run an experiment, or open a finished one, from Python; the commands and the nightly run call the same functions."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from harness.errors import UserError
from harness.pipeline.executors.events import Callback
from harness.pipeline.stage_outcome import RETRIED
from harness.runs import frames
from harness.runs.read import RunData, load_run
from harness.spec.models import Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.claims.verdict import Verdict
    from harness.pipeline.executors.events import Event
    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done, Watcher
    from harness.spec.write_toml import Writable

SpecSource: TypeAlias = "Path | str | Mapping[str, Writable] | Spec"
"""A TOML file or the name of a shipped spec, the same content as nested tables, or a spec that was checked before."""
DEFAULT_STORE = Path(".laconic-bench")
RETRIES: dict[str | None, tuple[str, ...]] = {
    None: (),
    "failed": RETRIED,
    "disturbed": ("disturbed",),
    "not-in-turns": ("not-in-turns",),
}
"""What is done again, by the word that a user gives."""
SUMMARY = ("ndcg@10", "latency_total/p50", "index_bytes")
"""Metrics of the table that a notebook shows; those that the run has."""


@dataclass(frozen=True)
class Run:
    """A finished run. The columns of its tables are described in docs/python.md and `harness.runs.frames.COLUMNS`.

    Attributes:
        data: What the run folder holds.
        outcomes: How each stage ended, by key; empty where the run was opened and not made here.
    """

    data: RunData
    outcomes: Mapping[str, Done] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.data.folder

    @property
    def name(self) -> str:
        """Short name of the experiment."""
        return str(self.data.facts["name"])

    @property
    def ok(self) -> bool:
        """Whether every system was measured, and every stage that was made here ended well."""
        return all(system["status"] == "ok" for system in self.data.systems) and not self.failed

    @property
    def failed(self) -> list[tuple[str, str]]:
        """Stages that did not end well when the run was made here: (stage, reason)."""
        return [
            (done.stage.label, f"{done.status}: {done.reason}")
            for done in self.outcomes.values()
            if done.status != "ok"
        ]

    @cached_property
    def records(self) -> pd.DataFrame:
        """Every number, a row each."""
        return frames.records(self.data)

    @cached_property
    def per_query(self) -> pd.DataFrame:
        """Quality of every query."""
        return frames.per_query(self.data)

    @cached_property
    def suites(self) -> pd.DataFrame:
        """Values over whole suites, and what of them is missing."""
        return frames.suites(self.data)

    @cached_property
    def latencies(self) -> pd.DataFrame:
        """Every timed query, in seconds."""
        return frames.latencies(self.data)

    @cached_property
    def conditions(self) -> pd.DataFrame:
        """What every timed process met."""
        return frames.conditions(self.data)

    def verdicts(self, baseline: Run | None = None) -> list[Verdict]:
        """Every claim of the spec, judged; with the baselines of another run where one is given."""
        from harness.claims.judge_run import verdicts

        return verdicts(self.data, None if baseline is None else baseline.data)

    def report(self, out: Path | str | None = None) -> Path:
        """Write the page of the run and return its path; by default ``report.html`` in the run folder."""
        from reports.pages.run_page import write_report

        return write_report(self.folder, None if out is None else Path(out))

    def figure(
        self,
        kind: str,
        *,
        collection: str | None = None,
        metric: str = "",
        ax: Axes | None = None,
        width: float | str = "column",
        style: str | None = None,
    ) -> Figure:
        """Draw one figure with matplotlib.

        Args:
            kind: One of `laconic-bench list figures`, such as ``trade-off``.
            collection: The first of the run by default.
            metric: Which one of its kind, such as the cost of a trade-off; the first by default.
            ax: Axes to draw into, in the style that they have; by default those of a new figure in the project's style.
            width: Of a new figure: ``column`` (3.3 inches), ``text`` (6.9 inches) or inches.
            style: A file of matplotlib's settings that is laid over the project's style.

        Returns:
            The figure. Its `savefig` writes it.

        Raises:
            UserError: An argument is wrong, or the run has not the numbers.
        """
        from reports.figures.base import panel_of
        from reports.figures.canvas import panel_figure

        return panel_figure(panel_of(self.data, kind, collection, metric), ax, width=width, style=style)

    def figures(
        self,
        out: Path | str,
        form: str = "pdf",
        width: float | str = "column",
        *,
        only: Sequence[str] = (),
        style: str | None = None,
    ) -> list[Path]:
        """Write every figure to a file; see `reports.exports.figure_files.write_figures`."""
        from reports.exports.figure_files import write_figures

        return write_figures(self.data, Path(out), form, width, only=only, style=style)

    def summary(self) -> pd.DataFrame:
        """A row a system on a collection: status, and the metrics of `SUMMARY` that the run has."""
        import pandas as pd

        cells = self.data.cells()
        metrics = [name for name in SUMMARY if any(key[2] == name for key in cells)]
        rows = []
        for system in self.data.systems:
            row = {"collection": system["collection"], "system": system["name"], "status": system["status"]}
            known = {name: cells.get((system["collection"], system["name"], name)) for name in metrics}
            rows.append({**row, **{name: None if record is None else record.value for name, record in known.items()}})
        return pd.DataFrame(rows, columns=["collection", "system", "status", *metrics])

    def __repr__(self) -> str:
        systems = self.data.systems
        good = sum(system["status"] == "ok" for system in systems)
        return f"<Run {self.name}: {good} of {len(systems)} systems ok, {len(self.data.records)} records>"

    def _repr_html_(self) -> str:
        from html import escape

        table: str = self.summary().to_html(index=False, na_rep="", border=0)
        return f"<p>{escape(repr(self))}</p>\n{table}"


def open_run(folder: Path | str) -> Run:
    """Open a finished run.

    Raises:
        UserError: The folder holds no finished run, or one of a later layout.
    """
    return Run(load_run(Path(folder)))


def run_experiment(
    spec: SpecSource,
    *,
    overrides: Sequence[str] = (),
    store: Path | str = DEFAULT_STORE,
    out: Path | str | None = None,
    only: Sequence[str] = (),
    retry: str | None = None,
    fresh: bool = False,
    null: bool = False,
    again: Callable[[Stage], bool] | None = None,
    executor: str = "local",
    address: str | None = None,
    artefacts: str | None = None,
    jobs: int | None = None,
    progress: Callable[[Event], object] | Watcher | None = None,
) -> Run:
    """Run an experiment and write its run folder; what the store has is reused. The page is written by `Run.report`.

    A stage that fails does not stop the others: see `Run.ok` and `Run.failed`.

    Args:
        spec: A TOML file, the same content as nested tables, or a checked spec.
        overrides: ``key=value`` texts that change the spec; not together with a checked one.
        store: Folder where artefacts are kept.
        out: The run folder; ``runs/NAME`` by default, ``runs/NAME-null`` with `null`.
        only: Names of the systems to run, all by default; a fusion brings the systems that it needs.
        retry: ``failed``, ``disturbed`` or ``not-in-turns``: do those stages again.
        fresh: Make everything anew.
        null: Time each system (with `only`: those) twice, under two names.
        again: Says of a stage whether it is made anew although it is stored.
        executor: ``local`` or ``ray``.
        address: Of a Ray cluster.
        artefacts: URL (fsspec) of the store that all nodes of a cluster reach.
        jobs: Stages that run beside each other on this machine, where they measure no time; by default as many as its
            processors and its memory allow.
        progress: Is called with each `Event`; or a watcher. None is silent.

    Raises:
        UserError: The spec is wrong, or an argument names something that does not exist.
    """
    from harness.pipeline.executors.choose import place
    from harness.pipeline.results.gather import write_run
    from harness.pipeline.store.local import Store

    retry = "not-in-turns" if retry == "apart" else retry  # its name in versions before
    if retry not in RETRIES:
        words = [word for word in RETRIES if word]
        raise UserError(f"--retry {retry!r} is unknown", remedy=f"allowed: {', '.join(words)}")
    # A system and its twin say nothing of the machine unless they were timed in turns.
    statuses = (*RETRIES[retry], *(("not-in-turns",) if null else ()))
    artefact_store = Store(Path(store))
    where = place(executor, artefact_store, address=address, artefacts=artefacts, jobs=jobs)
    checked, systems, stages = plan_experiment(spec, overrides=overrides, only=only, null=null, machine=where.machine)
    folder = Path(out) if out is not None else Path("runs") / (f"{checked.name}-null" if null else checked.name)
    if folder.exists() and not folder.is_dir():
        raise UserError("the run cannot be written: not a folder", file=folder, remedy="give another folder with --out")
    limits, watcher = checked.head.measure, _watcher(progress)
    runner = where.make(artefact_store, limits, watcher, fresh=fresh, retry=statuses, again=again)
    outcomes = runner.run(stages)
    write_run(folder, checked, systems, stages, outcomes, only=only, null=null)
    return Run(load_run(folder), outcomes)


def plan_experiment(
    spec: SpecSource,
    *,
    overrides: Sequence[str] = (),
    only: Sequence[str] = (),
    null: bool = False,
    machine: str | None = None,
) -> tuple[Spec, list[SystemStages], list[Stage]]:
    """A checked spec, the stages of each system, and all stages in the order in which they run.

    Args:
        spec: As for `run_experiment`.
        overrides: As for `run_experiment`.
        only: As for `run_experiment`.
        null: As for `run_experiment`.
        machine: Fingerprint that times are kept under; this machine's by default.

    Raises:
        UserError: The spec is wrong, or `only` names a system that it does not have.
    """
    from harness.measure.machine.environment import machine_fingerprint
    from harness.pipeline.plan.fusion_stages import fusion_stages
    from harness.pipeline.plan.order import in_order
    from harness.pipeline.plan.systems import system_stages

    checked = checked_spec(spec, overrides)
    chosen = checked.only(only)
    wanted = [system.name for system in chosen.systems] if only else []
    # All systems stay in the spec: whether it sweeps a search decides what the others are measured by.
    checked = replace(checked, fusions=chosen.fusions)
    if null:
        from harness.measure.null_control import doubled, twin_of

        if "latency" not in checked.head.measure.groups:
            raise UserError(
                "--null times each system twice, and measure.only leaves out latency",
                file=checked.file,
                key="measure.only",
                remedy="add 'latency' to it, or run without --null",
            )
        checked = doubled(checked, wanted)
        wanted += [twin_of(name) for name in wanted]
    systems = system_stages(checked, machine or machine_fingerprint(), wanted)
    return checked, systems, in_order(systems, checked.head.seed, fusion_stages(checked, systems))


def checked_spec(spec: SpecSource, overrides: Sequence[str] = ()) -> Spec:
    """A spec from a file or from nested tables, checked and expanded.

    Raises:
        UserError: It is wrong, or overrides were given with a spec that was checked before.
    """
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.spec.load import load_spec, spec_of
    from harness.spec.shipped import spec_path
    from harness.spec.write_toml import to_toml

    if isinstance(spec, Spec):
        if overrides:
            raise UserError("overrides change a file or a table, not a checked spec", remedy="give them to the spec")
        return spec
    if isinstance(spec, Mapping):
        text = to_toml(spec)
        return spec_of(text, tomllib.loads(text), REGISTRIES, overrides, file=Path(f"{spec.get('name', 'spec')}.toml"))
    return load_spec(spec_path(Path(spec)), REGISTRIES, overrides)


def _watcher(progress: Callable[[Event], object] | Watcher | None) -> Watcher:
    if progress is None:
        return Callback(lambda event: None)
    return Callback(progress) if callable(progress) else progress
