"""Several collections of a run in one table and one figure: means over the tasks of a suite, or over collections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.metrics import metric
from harness.runs.suites import incomplete, systems_of
from harness.spec.suite import Suite
from reports.figures.base import sheets_of
from reports.formatting import label, number
from reports.ranking import best, pairs_over, settled
from reports.sections import looked_up, takeaways
from reports.sections.collection import SUMMARY, SystemRow, Table, cell
from reports.spans import ALL, Span, spans
from reports.spans import means as means_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Record
    from harness.runs.facts import SystemFacts
    from harness.runs.read import RunData
    from reports.figures.base import Panel

QUALITY = "ndcg@10"


@dataclass(frozen=True)
class ByCollection:
    """One metric of each system on each collection or task, and its mean; a cell is (text, value for sorting, best)."""

    title: str
    heads: Sequence[str]
    metric: str
    rows: Sequence[tuple[str, Sequence[tuple[str, str, bool]]]]


@dataclass(frozen=True)
class Overview:
    """What the page shows of several collections together.

    Attributes:
        title: Name of the suite; empty where these are all collections and no suite.
        what: What the means are over, such as "15 tasks".
        means: Of the systems that have all.
        count: Tasks of the suite, or collections.
        takeaways: Headings and sentences.
        by_collection: nDCG@10 of each task; None where it was not measured.
        parts: The same of the parts of each task that has several.
        notes: What is missing of the suite, a sentence a system.
        figures: Of the means.
    """

    title: str
    what: str
    means: Table
    count: int
    takeaways: Sequence[tuple[str, str]]
    by_collection: ByCollection | None
    parts: Sequence[ByCollection]
    notes: Sequence[str]
    figures: Sequence[Panel]


def overviews(run: RunData) -> list[Overview]:
    """Means of the summary's metrics, nDCG@10 by task, and a Pareto figure, of each suite or of all collections."""
    return [_overview(run, span) for span in spans(run)]


def overview(run: RunData) -> Overview | None:
    """The first of `overviews`; None for one collection."""
    return next(iter(overviews(run)), None)


def _overview(run: RunData, span: Span) -> Overview:
    systems = systems_of(run, span.suite)
    means = {name: rows for name in SUMMARY if (rows := means_of(run, span, systems, name))}
    if "latency_total/p99" in means:
        means.pop("latency_total/p95", None)
    marked = {name: _best(run, span, name, rows) for name, rows in means.items()}
    table = [
        SystemRow(
            _status(run, span, system),
            [cell(rows.get(system), best=marked[name] == system) for name, rows in means.items()],
        )
        for system in systems
    ]
    columns = [
        (
            name.partition("/")[0],
            label(name),
            next(iter(rows.values())).method if span.official else f"mean over {span.what}",
        )
        for name, rows in means.items()
    ]
    figures = [panel for sheet in sheets_of(run, ["trade-off"])
               if not sheet.collection and sheet.part == span.suite.name for panel in sheet.panels]  # fmt: skip
    return Overview(
        title=span.suite.name if span.suite.name != ALL else "",
        what=span.what,
        means=Table(columns, table),
        count=len(span.suite.tasks),
        takeaways=[
            *takeaways.takeaways(
                {(system, name): row for name, rows in means.items() for system, row in rows.items()}, marked
            ),
            *looked_up.on_all(run, span.suite.collections),
        ],
        by_collection=_by_task(run, span, systems),
        parts=_parts(run, span, systems),
        notes=_notes(run, span, systems),
        figures=figures,
    )


def _notes(run: RunData, span: Span, systems: Sequence[str]) -> list[str]:
    if not span.official or not any(row.metric == QUALITY for row in run.records):
        return []
    return [text for system in systems if (text := incomplete(run, span.suite, system, QUALITY))]


def _best(run: RunData, span: Span, name: str, rows: Mapping[str, Record]) -> str | None:
    """As `reports.ranking.best`, of the means."""
    kind, collections = metric(name), span.suite.collections
    order = sorted(rows, key=lambda system: rows[system].value, reverse=kind.direction == "higher")
    if len(order) < 2 or kind.direction == "neither":
        return None
    first, second = rows[order[0]], rows[order[1]]
    if any(key[2] == name for key in run.quality):
        compared = pairs_over(run, span.weights, name)
        beaten = compared is not None and {*order} <= {*compared.systems} and compared.beats_all(order[0])
        return order[0] if beaten else None
    if kind.exact:
        return order[0] if first.value != second.value else None
    if kind.timed and not all(settled(run, c, s, name) for c in collections for s in order[:2]):
        return None
    if first.ci_high is None or second.ci_low is None or first.ci_low is None or second.ci_high is None:
        return None
    apart = first.ci_high < second.ci_low if kind.direction == "lower" else first.ci_low > second.ci_high
    return order[0] if apart else None


def _status(run: RunData, span: Span, system: str) -> SystemFacts:
    """A system's name, and the status and reason of its failure where it failed on a collection."""
    within = set(span.suite.collections)
    own = [row for row in run.systems if row["name"] == system and row["collection"] in within]
    bad = [row for row in own if row["status"] != "ok"]
    if not bad:
        return {"name": system, "status": "ok", "reason": ""}
    return {
        "name": system,
        "status": str(bad[0]["status"]),
        "reason": f"on {', '.join(row['collection'] for row in bad)}: {bad[0]['reason']}",
    }


def _by_task(run: RunData, span: Span, systems: Sequence[str], name: str = QUALITY) -> ByCollection | None:
    """A column a task; of a task of several parts their mean."""
    if not any(row.metric == name for row in run.records):
        return None
    columns = [_column(run, task, parts, systems, name) for task, parts in span.suite.tasks.items()]
    means = means_of(run, span, systems, name)
    last = [_shown(means.get(system), digits=3) for system in systems]
    rows = [(system, [*(column[place] for column in columns), last[place]]) for place, system in enumerate(systems)]
    title = f"by task of {span.suite.name}" if span.official else "by collection"
    return ByCollection(title, [*span.suite.tasks, "Mean"], label(name), rows)


def _column(
    run: RunData, task: str, parts: Sequence[str], systems: Sequence[str], name: str
) -> list[tuple[str, str, bool]]:
    if len(parts) == 1:
        marked = best(run, parts[0], name)
        cells = run.cells()
        rows = {system: cells.get((parts[0], system, name)) for system in systems}
    else:
        span = Span(Suite(task, {part: (part,) for part in parts}))
        known = means_of(run, span, systems, name)
        marked = _best(run, span, name, known)
        rows = {system: known.get(system) for system in systems}
    return [_shown(rows[system], best=marked == system) for system in systems]


def _shown(row: Record | None, *, best: bool = False, digits: int | None = None) -> tuple[str, str, bool]:
    if row is None:
        return ("–", "", False)
    text = number(row.value, row.unit) if digits is None else f"{row.value:.{digits}f}"
    return (text, f"{row.value:.6g}", best)


def _parts(run: RunData, span: Span, systems: Sequence[str], name: str = QUALITY) -> list[ByCollection]:
    """A table for each task of several parts."""
    if not any(row.metric == name for row in run.records):
        return []
    tables = []
    for task, parts in span.suite.tasks.items():
        if len(parts) > 1:
            whole = _column(run, task, parts, systems, name)
            columns = [*(_column(run, part, [part], systems, name) for part in parts), whole]
            rows = [(system, [column[place] for column in columns]) for place, system in enumerate(systems)]
            title = f"on the {len(parts)} parts of {task}"
            tables.append(ByCollection(title, [*parts, "Mean"], label(name), rows))
    return tables
