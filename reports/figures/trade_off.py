"""Quality against cost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.stats.pareto import pareto_front
from reports.figures.figure import Figure
from reports.figures.svg import Axis, Plot, shortened, swatch
from reports.formatting import label, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Record
    from harness.runs.read import RunData

_BRACKETS = re.compile(r"\[(.*)\]")
LABELLED = 12
"""Up to this many points have their names beside them; more points get a legend."""


@dataclass(frozen=True)
class Point:
    """A system in a trade-off; `place` gives its colour and marker."""

    place: int
    system: str
    cost: Record
    gain: Record


def points_of(run: RunData, collection: str, cost: str, gain: str) -> list[Point]:
    """The systems that have both metrics."""
    cells = run.cells()
    return [
        Point(place, system, cells[collection, system, cost], cells[collection, system, gain])
        for place, system in enumerate(run.names(collection))
        if (collection, system, cost) in cells and (collection, system, gain) in cells
    ]


def trade_off(points: Sequence[Point], caption: str) -> Figure | None:
    """Gain against cost, a point with intervals a system; a line joins the Pareto front, other points are hollow."""
    if not points:
        return None
    (cost, gain), (factor, unit) = (points[0].cost, points[0].gain), _scale(points[0].cost.unit)
    falling = cost.direction == "higher"  # throughput is a gain on either axis
    front = pareto_front([-p.cost.value if falling else p.cost.value for p in points], [p.gain.value for p in points])
    x = Axis.around(
        label(cost.metric) + unit, _within([(p.cost.value, *_reach(p.cost)) for p in points], factor), log=True
    )
    y = Axis.around(label(gain.metric), [v for p in points for v in _reach(p.gain)])
    plot = Plot(x, y)
    best = sorted((p.cost.value * factor, p.gain.value) for p, on in zip(points, front, strict=True) if on)
    if falling:
        best.reverse()
    plot.line([*best, (x.low if falling else x.high, best[-1][1])], "s-ink thin", dash=2, step=True)
    for p, on in zip(points, front, strict=True):
        at, (low, high) = p.cost.value * factor, _reach(p.cost)
        plot.whisker((low * factor, high * factor), (p.gain.value, p.gain.value), p.place)
        plot.whisker((at, at), _reach(p.gain), p.place)
        title = f"{p.system}: {number(p.cost.value, p.cost.unit)}, {number(p.gain.value, p.gain.unit)}"
        plot.point(at, p.gain.value, p.place, title, hollow=not on)
    names = briefly([p.system for p in points])
    named = len(points) <= LABELLED
    if named:
        plot.labels([(p.cost.value * factor, p.gain.value, name) for p, name in zip(points, names, strict=True)])
    rows = [
        (p.system, _valued(p.cost), _valued(p.gain), "on the front" if on else "dominated")
        for p, on in zip(points, front, strict=True)
    ]
    legend = [(swatch(p.place), p.system + ("" if on else " (dominated)")) for p, on in zip(points, front, strict=True)]
    head = ("System", label(cost.metric), label(gain.metric), "Pareto front")
    return Figure(caption, plot.svg(), () if named else legend, head, rows)


def briefly(names: Sequence[str]) -> list[str]:
    """Short names for a drawing: "sparse[terms=64, weights=u8]" is "sparse 64, u8"; as they are where these clash.

    >>> briefly(["sparse[terms=64, weights=u8]", "dense"])
    ['sparse 64, u8', 'dense']
    """
    shorter = [
        _BRACKETS.sub(lambda m: " " + re.sub(r"[^=,]+=", " ", m[1]).strip().replace("  ", " "), n) for n in names
    ]
    short = [shortened(name.replace(",  ", ", "), 26) for name in shorter]
    return short if len(set(short)) == len(names) else [shortened(name, 26) for name in names]


def _scale(unit: str) -> tuple[float, str]:
    return {"seconds": (1e3, " (ms)"), "bytes": (1.0, " (bytes)")}.get(unit, (1.0, ""))


def _reach(row: Record) -> tuple[float, float]:
    if row.ci_low is None or row.ci_high is None:
        return row.value, row.value
    return row.ci_low, row.ci_high


def _within(reaches: Sequence[tuple[float, float, float]], factor: float) -> list[float]:
    """The extent of an axis: all values, and their intervals up to three times beyond the values."""
    values = [value for value, _, _ in reaches]
    lowest, highest = min(values) / 3, max(values) * 3
    return [min(max(v, lowest), highest) * factor for reach in reaches for v in reach]


def _valued(row: Record) -> str:
    low, high = _reach(row)
    text = number(row.value, row.unit)
    return text if low == high else f"{text} [{number(low, row.unit)}, {number(high, row.unit)}]"
