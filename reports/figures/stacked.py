"""Horizontal bars of several parts, one bar a system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.figures.figure import Figure
from reports.figures.svg import Axis, Plot, square
from reports.formatting import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.runs.read import RunData

Parts = dict[str, dict[str, float]]
"""The value of each system, by part in the order of drawing."""
SIZES = (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10))
TIMES = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
SERVICE = ("encoder", "index", "identifiers", "query")
"""Components of `service_bytes`, in the order in which they are opened."""


def index_memory(run: RunData, collection: str) -> Figure | None:
    """Bytes of the index by the engine's own components."""
    parts: Parts = {}
    for row in run.records_of(collection):
        base, _, part = row.metric.partition("/")
        if base == "index_bytes" and part and row.value:
            parts.setdefault(part, {})[row.system] = row.value
    return stacked(run.names(collection), parts, "bytes", "Index bytes by component.")


def service_memory(run: RunData, collection: str) -> Figure | None:
    """Resident bytes of the whole service by part."""
    caption = "Memory of the whole service: encoder, index, identifiers and what a query adds at its peak."
    return stacked(run.names(collection), service_parts(run, collection), "bytes", caption)


def query_time(run: RunData, collection: str) -> Figure | None:
    """Mean time of a query, encoding and search."""
    caption = "Mean time of a query, end to end."
    return stacked(run.names(collection), time_parts(run, collection), "seconds", caption)


def service_parts(run: RunData, collection: str) -> Parts:
    """Resident bytes of each part of a service."""
    return _parts(run, collection, {part: f"service_bytes/{part}" for part in SERVICE})


def time_parts(run: RunData, collection: str) -> Parts:
    """Mean seconds of encoding and of search; means add up, percentiles do not."""
    return _parts(run, collection, {"encoding": "latency_encode/mean", "search": "latency_search/mean"})


def _parts(run: RunData, collection: str, metrics: Mapping[str, str]) -> Parts:
    """The values of each part's metric, of the systems that have all of them."""
    cells = run.cells()
    systems = [s for s in run.names(collection) if all((collection, s, metric) in cells for metric in metrics.values())]
    return {part: {s: cells[collection, s, metric].value for s in systems} for part, metric in metrics.items()}


def stacked(names: Sequence[str], parts: Parts, unit: str, caption: str) -> Figure | None:
    """Bars of several parts; None where no system has any.

    Args:
        names: Of the systems, in the order of the rows; those without a value are left out.
        parts: Of each bar; values are not negative.
        unit: "bytes" or "seconds".
        caption: Of the figure.
    """
    systems = [system for system in names if any(system in values for values in parts.values())]
    if not systems:
        return None
    totals = [sum(values.get(system, 0.0) for values in parts.values()) for system in systems]
    steps = SIZES if unit == "bytes" else TIMES
    shown, size = next(((name, size) for name, size in steps if max(totals) >= size), steps[-1])
    plot = Plot(Axis.around(shown, [total / size for total in totals], zero=True), rows=systems)
    for line, system in enumerate(systems):
        start = 0.0
        for place, (part, values) in enumerate(parts.items()):
            length = values.get(system, 0.0) / size
            if length:
                plot.bar(line, start, start + length, place, f"{system}, {part}: {number(values[system], unit)}")
                start += length
    rows = [
        [system, *(number(values[system], unit) if system in values else "–" for values in parts.values())]
        for system in systems
    ]
    for row, total in zip(rows, totals, strict=True):
        row.append(number(total, unit))
    legend = [(square(place), part) for place, part in enumerate(parts)]
    return Figure(caption, plot.svg(), legend, ("System", *parts, "Sum"), rows)
