"""All collections of a run in one table and one figure: means over the collections."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from harness.metrics import metric
from harness.records import record
from reports.figures import trade_off
from reports.formatting import label, number
from reports.sections import takeaways
from reports.sections.collection import SUMMARY, SystemRow, Table, cell
from reports.sections.ranking import ALPHA, best, settled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Record
    from harness.runs.facts import SystemFacts
    from harness.runs.read import RunData
    from reports.figures.figure import Figure

ALL = "all collections"


@dataclass(frozen=True)
class ByCollection:
    """One metric of each system on each collection and its mean; a cell is (text, value for sorting, best)."""

    heads: Sequence[str]
    metric: str
    rows: Sequence[tuple[str, Sequence[tuple[str, str, bool]]]]


@dataclass(frozen=True)
class Overview:
    """What the page shows of all `count` collections."""

    means: Table
    count: int
    takeaways: Sequence[tuple[str, str]]
    by_collection: ByCollection | None
    figures: Sequence[Figure]


def overview(run: RunData) -> Overview | None:
    """Means of the summary's metrics, nDCG@10 by collection, and one Pareto figure; None for one collection."""
    collections = run.collections()
    if len(collections) < 2:
        return None
    systems = list(dict.fromkeys(system["name"] for system in run.systems))
    means = {name: rows for name in SUMMARY if (rows := _means(run, systems, name))}
    if "latency_total/p99" in means:
        means.pop("latency_total/p95", None)
    marked = {name: _best(run, name, rows) for name, rows in means.items()}
    table = [
        SystemRow(
            _status(run, system),
            [cell(rows.get(system), best=marked[name] == system) for name, rows in means.items()],
        )
        for system in systems
    ]
    columns = [(name.partition("/")[0], label(name), f"mean over {len(collections)} collections") for name in means]
    gains, costs = means.get("ndcg@10", {}), means.get("index_bytes_per_document", {})
    points = [
        trade_off.Point(place, system, costs[system], gains[system])
        for place, system in enumerate(systems)
        if system in gains and system in costs
    ]
    caption = f"Means over {len(collections)} collections: nDCG@10 against index bytes per document."
    figure = trade_off.trade_off(points, caption) if len(points) > 1 else None
    return Overview(
        means=Table(columns, table),
        count=len(collections),
        takeaways=takeaways.takeaways(
            {(system, name): row for name, rows in means.items() for system, row in rows.items()}, marked
        ),
        by_collection=_by_collection(run, systems),
        figures=[] if figure is None else [figure],
    )


def _means(run: RunData, systems: list[str], name: str) -> dict[str, Record]:
    """Means over the collections, of the systems that have all; the limits are joined as independent (MOVER)."""
    cells, collections, means = run.cells(), run.collections(), {}
    for system in systems:
        rows = [cells.get((collection, system, name)) for collection in collections]
        known = [row for row in rows if row is not None]
        if len(known) < len(rows):
            continue
        value = sum(row.value for row in known) / len(known)
        ends = [(row.ci_low, row.ci_high) for row in known]
        interval = None
        if all(None not in end for end in ends):
            low = math.hypot(*(row.value - float(row.ci_low or 0) for row in known)) / len(known)
            high = math.hypot(*(float(row.ci_high or 0) - row.value for row in known)) / len(known)
            interval = (value - low, value + high)
        sources = {row.source for row in known}
        means[system] = record(
            str(run.facts["run"]), ALL, system, name, value, method="mean over collections",
            source=known[0].source if len(sources) == 1 else "estimated", n=sum(row.n for row in known),
            interval=interval,
        )  # fmt: skip
    return means


def _best(run: RunData, name: str, rows: Mapping[str, Record]) -> str | None:
    """As `reports.sections.ranking.best`, of the means."""
    kind = metric(name)
    order = sorted(rows, key=lambda system: rows[system].value, reverse=kind.direction == "higher")
    if len(order) < 2 or kind.direction == "neither":
        return None
    first, second = rows[order[0]], rows[order[1]]
    if any(key[2] == name for key in run.quality):
        return order[0] if _beats_all(run, name, order) else None
    if kind.exact:
        return order[0] if first.value != second.value else None
    if kind.timed and not all(settled(run, c, s, name) for c in run.collections() for s in order[:2]):
        return None
    if first.ci_high is None or second.ci_low is None or first.ci_low is None or second.ci_high is None:
        return None
    apart = first.ci_high < second.ci_low if kind.direction == "lower" else first.ci_low > second.ci_high
    return order[0] if apart else None


def _beats_all(run: RunData, name: str, order: list[str]) -> bool:
    """The mean over the collections, each with the same weight; Holm's correction over all pairs of systems."""
    from harness.stats.paired import holm
    from harness.stats.strata import stratified

    tables = [run.shared(collection, name, order)[1] for collection in run.collections()]
    known = [table for table in tables if table is not None and table.size]
    if len(known) < len(tables):
        return False
    tests = [stratified([table[i] - table[j] for table in known]) for i, j in combinations(range(len(order)), 2)]
    adjusted = holm([p for _, p in tests])
    sign = -1 if metric(name).direction == "lower" else 1
    others = len(order) - 1  # the pairs of the first system come first
    return all(p < ALPHA and sign * mean > 0 for p, (mean, _) in zip(adjusted[:others], tests[:others], strict=True))


def _status(run: RunData, system: str) -> SystemFacts:
    """A system's name, and the status and reason of its failure where it failed on a collection."""
    bad = [row for row in run.systems if row["name"] == system and row["status"] != "ok"]
    if not bad:
        return {"name": system, "status": "ok", "reason": ""}
    return {
        "name": system,
        "status": str(bad[0]["status"]),
        "reason": f"on {', '.join(row['collection'] for row in bad)}: {bad[0]['reason']}",
    }


def _by_collection(run: RunData, systems: list[str], name: str = "ndcg@10") -> ByCollection | None:
    cells, collections = run.cells(), run.collections()
    if not any(row.metric == name for row in run.records):
        return None
    marked = {collection: best(run, collection, name) for collection in collections}
    rows = []
    for system in systems:
        records = [cells.get((collection, system, name)) for collection in collections]
        values = [row.value for row in records if row is not None]
        mean = sum(values) / len(values) if len(values) == len(collections) else None
        none = ("–", "", False)
        shown = [
            (number(row.value, row.unit), f"{row.value:.6g}", marked[collection] == system) if row else none
            for collection, row in zip(collections, records, strict=True)
        ]
        rows.append((system, [*shown, none if mean is None else (f"{mean:.3f}", f"{mean:.6g}", False)]))
    return ByCollection([*collections, "Mean"], label(name), rows)
