"""Columns of a paper table: collections, tasks of suites, and means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from harness.runs.suites import over, suites_and_others
from harness.spec.suite import Suite
from reports.formatting import label
from reports.ranking import superiors, superiors_over

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from harness.records import Record
    from harness.runs.read import RunData


@dataclass(frozen=True)
class Column:
    """One metric of all systems on a collection, a task or a suite, or its mean over columns before it.

    Attributes:
        over: What stands above it and its neighbours: the collection or suite of several metrics; empty for one metric.
        head: What stands above it alone.
        metric: Its name.
        values: By system; those without a value are left out.
        beats: By system, those that it beats significantly.
        names: The columns of a file of quoted numbers whose mean belongs here.
        estimated: Systems whose value is an estimate.
    """

    over: str
    head: str
    metric: str
    values: Mapping[str, float]
    beats: Mapping[str, Sequence[str]]
    names: Sequence[str]
    estimated: Collection[str] = ()

    @property
    def title(self) -> str:
        """Both heads in one line."""
        return f"{self.over} {self.head}".strip()

    def quoted(self, values: Mapping[str, float]) -> float:
        """The value of a quoted system, of its values by name; NaN where one is missing."""
        known = [values[name] for name in self.names if name in values]
        return fmean(known) if known and len(known) == len(self.names) else float("nan")


def names(run: RunData) -> list[str]:
    """The columns that a file of quoted numbers may have: tasks of suites, collections, and their parts."""
    tasks = [task for suite in run.suites for task in suite.tasks]
    return list(dict.fromkeys([*tasks, *run.collections()]))


def columns(run: RunData, metrics: Sequence[str], *, parts: bool = False) -> list[Column]:
    """One metric: a column a task or collection, and means. Several: of each suite and other collection every metric.

    Args:
        run: With its suites.
        metrics: Names.
        parts: Whether the parts of a task have a column each, in place of one for the task.
    """
    suites, others = suites_and_others(run)
    if len(metrics) > 1:
        alone = len(suites) + len(others) == 1
        return [
            *(_of_suite(run, suite, name, "" if alone else suite.name) for suite in suites for name in metrics),
            *(
                _of_collection(run, collection, name, "" if alone else collection)
                for collection in others
                for name in metrics
            ),
        ]
    present = run.collections()
    if len(present) == 1:
        return [_of_collection(run, present[0], metrics[0], "")]
    shown: list[Column] = []
    for suite in suites:
        for task, own in suite.tasks.items():
            shown += _of_task(run, task, own, metrics[0], parts=parts)
        title = "Average" if len(suites) == 1 and not others else f"Average of {suite.name}"
        shown.append(_of_suite(run, suite, metrics[0], title, named=False))
    single = [_of_collection(run, collection, metrics[0], collection, named=False) for collection in others]
    return [*shown, *single, *([_average(single, metrics[0])] if len(single) > 1 and not suites else [])]


def _heads(run: RunData, name: str, title: str, *, named: bool) -> tuple[str, str]:
    """Title and metric; the title alone where all columns share a metric."""
    text = label(name) + (" (ms)" if run.metric(name).unit == "seconds" else "")
    return ("", title) if title and not named else (title, text)


def _of_collection(run: RunData, collection: str, name: str, title: str, *, named: bool = True) -> Column:
    cells = run.cells()
    systems = dict.fromkeys(system["name"] for system in run.systems)
    rows = {system: cells[collection, system, name] for system in systems if (collection, system, name) in cells}
    heads, beats = _heads(run, name, title, named=named), superiors(run, collection, name)
    return _column(heads, name, rows, beats, [collection])


def _of_task(run: RunData, task: str, own: Sequence[str], name: str, *, parts: bool) -> list[Column]:
    if len(own) == 1:
        column = _of_collection(run, own[0], name, task, named=False)
        return [replace(column, names=[task])]
    if parts:
        return [_of_collection(run, part, name, part, named=False) for part in own]
    column = _of_suite(run, Suite(task, {part: (part,) for part in own}), name, task, named=False)
    return [replace(column, names=[task])]


def _of_suite(run: RunData, suite: Suite, name: str, title: str, *, named: bool = True) -> Column:
    systems = dict.fromkeys(system["name"] for system in run.systems)
    rows = {system: row for system in systems if (row := over(run, suite, system, name)) is not None}
    beats = superiors_over(run, suite.weights(), name)
    return _column(_heads(run, name, title, named=named), name, rows, beats, list(suite.tasks))


def _column(
    heads: tuple[str, str],
    name: str,
    rows: Mapping[str, Record],
    beats: Mapping[str, Sequence[str]],
    names: Sequence[str],
) -> Column:
    values = {system: row.value for system, row in rows.items()}
    return Column(
        *heads, name, values, beats, names, {system for system, row in rows.items() if row.source == "estimated"}
    )


def _average(single: Sequence[Column], name: str) -> Column:
    """The mean of collections that are no suite; it is marked without a test."""
    systems = [system for system in single[0].values if all(system in column.values for column in single)]
    values = {system: fmean(column.values[system] for column in single) for system in systems}
    estimated = {system for column in single for system in column.estimated}
    return Column("", "Average", name, values, {}, [name for column in single for name in column.names], estimated)
