"""The data of the explorer: every metric that can be an axis, by collection and system, as text and as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from reports.formatting import interval, label, number
from reports.spans import ALL, spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.records import Record
    from harness.runs.read import RunData

AXES: Mapping[str, tuple[str, ...]] = {
    "Quality": ("ndcg@10", "recall@10", "recall@100", "mrr@10", "ndcg_exact@10", "recall_vs_exact@100"),
    "Memory": ("index_bytes_per_document", "index_bytes", "service_bytes", "resident_bytes", "build_peak_bytes"),
    "Latency": (
        "latency_total/p50", "latency_total/p95", "latency_total/p99", "latency_encode/p50", "latency_search/p50",
        "throughput_search/all",
    ),
    "FLOPs": ("flops_query", "flops_encode_query", "flops_search", "postings_touched"),
    "Building": ("build_seconds", "flops_encode_document", "encode_documents_per_second", "train_seconds"),
}  # fmt: skip
"""Metrics by what they are about, in the order in which they are offered."""
ACROSS = ("latency_total/p50", "flops_query", "index_bytes_per_document", "index_bytes")
"""The first of these that the run has lies across at first: the figure beside it is about memory."""
Value: TypeAlias = "tuple[str, float] | tuple[str, float, float | None, float | None]"
"""A value with its interval as text, then the value as a number, and the ends of the interval where it has one."""


@dataclass(frozen=True)
class Explorer:
    """What the script of the page draws.

    Attributes:
        metrics: Name, label, unit, direction and group of each axis.
        places: Names of the means over several collections, then of the collections.
        systems: Names; the place of a name gives its colour and marker.
        values: By place, system and metric, each by its position: what was measured.
        across: Position of the metric that lies across at first.
        up: Position of the other one.
    """

    metrics: Sequence[Mapping[str, str]]
    places: Sequence[str]
    systems: Sequence[str]
    values: Mapping[str, Mapping[str, Mapping[str, Value]]]
    across: int
    up: int


def explorer(run: RunData) -> Explorer | None:
    """The data of the explorer; None where there are not two metrics, or not two systems, to set against each other."""
    systems = list(dict.fromkeys(system["name"] for system in run.systems))
    names = [(group, name) for group, own in _axes(run).items() for name in own]
    if len(names) < 2 or len(systems) < 2:
        return None
    position = {name: place for place, (_, name) in enumerate(names)}
    places: dict[str, dict[str, dict[str, Value]]] = {}
    for title, rows in _means(run, systems, list(position)):
        places[title] = rows
    cells = run.cells()
    for collection in run.collections():
        own = {
            system: {name: row for name in position if (row := cells.get((collection, system, name))) is not None}
            for system in systems
        }
        places[collection] = _values(own)
    across = next((name for name in ACROSS if name in position), names[1][1])
    up = next(name for _, name in names if name != across)
    number_of = {system: str(place) for place, system in enumerate(systems)}
    return Explorer(
        metrics=[_axis(run, group, name) for group, name in names],
        places=list(places),
        systems=systems,
        values={
            str(place): {
                number_of[system]: {str(position[name]): value for name, value in row.items()}
                for system, row in rows.items()
            }
            for place, rows in enumerate(places.values())
        },
        across=position[across],
        up=position[up],
    )


def _axes(run: RunData) -> dict[str, list[str]]:
    """The metrics of each group that the run has; measures of quality that no list names come behind the others."""
    there = {row.metric for row in run.records}
    judged = dict.fromkeys(name for _, _, name in run.quality)
    axes = {group: [name for name in own if name in there] for group, own in AXES.items()}
    axes["Quality"] += [
        name for name in judged if name not in AXES["Quality"] and name in there and run.metric(name).unit == "fraction"
    ]
    return axes


def _axis(run: RunData, group: str, name: str) -> dict[str, str]:
    kind = run.metric(name)
    return {"name": name, "label": label(name), "unit": kind.unit, "direction": kind.direction, "group": group}


def _means(
    run: RunData, systems: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, dict[str, dict[str, Value]]]]:
    """Title and values of the means over each suite, or over all collections."""
    for span in spans(run):
        whole = span.suite.name == ALL
        title = f"over {span.what}" if whole else f"{span.suite.name}, over {span.what}"
        own = {
            system: {name: row for name in names if (row := span.value(run, system, name)) is not None}
            for system in systems
        }
        yield title, _values(own)


def _values(rows: Mapping[str, Mapping[str, Record]]) -> dict[str, dict[str, Value]]:
    return {system: {name: _value(row) for name, row in own.items()} for system, own in rows.items() if own}


def _value(row: Record) -> Value:
    """As the tables write it: value, interval, and the source of what was not measured."""
    source = "" if row.source == "measured" else f"({row.source})"
    text = " ".join(filter(None, (number(row.value, row.unit), interval(row), source)))
    low, high = _end(row.ci_low), _end(row.ci_high)
    return (text, _short(row.value)) if low is None and high is None else (text, _short(row.value), low, high)


def _end(value: float | None) -> float | None:
    """An end of an interval; None where it has none or reaches without end."""
    return _short(value) if value is not None and math.isfinite(value) else None


def _short(value: float) -> float:
    """Six digits are more than a drawing shows; a whole number needs no point."""
    short = float(f"{value:.6g}")
    return int(short) if short.is_integer() else short
