"""The figures of a run, each with its legend and with the table that says the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.stats.pareto import pareto_front
from reports.svg import Axis, Plot, colour, shortened, swatch
from reports.values import label, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Record
    from reports.load import RunData

MEBI = 2.0**20
FIRSTS = {
    "first_query_seconds": "first query of a fresh process, files cached",
    "cold_first_query_seconds": "the same, files not cached",
}
_SIGNS = (2, 4)
"""Markers of the first queries."""
_BRACKETS = re.compile(r"\[(.*)\]")


@dataclass(frozen=True)
class Figure:
    """A drawing; `legend` holds (sign as SVG, text), `head` and `rows` the same numbers as a table."""

    caption: str
    svg: str
    legend: Sequence[tuple[str, str]]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


LABELLED = 12
"""So many points of a figure can have their names beside them; more get a legend."""


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
    """Gain against cost, one point a system with intervals; those that none beats are joined, the others are hollow."""
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
    found = [_BRACKETS.sub(lambda m: " " + re.sub(r"[^=,]+=", " ", m[1]).strip().replace("  ", " "), n) for n in names]
    short = [shortened(name.replace(",  ", ", "), 26) for name in found]
    return short if len(set(short)) == len(names) else [shortened(name, 26) for name in names]


def latency_curves(run: RunData, collection: str, side: str, caption: str) -> Figure | None:
    """Share of queries answered within a time, one curve a system."""
    times = _times(run, collection, side)
    if not times:
        return None
    x = Axis.around("milliseconds", [v for row in times.values() for v in (row[0], row[-1])], log=True)
    plot = Plot(x, Axis("share of queries", 0, 1, percent=True))
    legend, rows = [], []
    for place, (system, values) in enumerate(times.items()):
        shares = np.linspace(0, 1, min(len(values), 50))
        shown = values[(shares * (len(values) - 1)).astype(int)]
        plot.line(list(zip(shown.tolist(), shares.tolist(), strict=True)), colour(place), dash=place // 3)
        legend.append((swatch(place, line=place // 3), system))
        rows.append((system, *(f"{v:.3f}" for v in np.quantile(values, [0.1, 0.25, 0.5, 0.75, 0.9]))))
    return Figure(caption, plot.svg(), legend, ("System (ms)", "10 %", "25 %", "50 %", "75 %", "90 %"), rows)


def latency_ridges(run: RunData, collection: str, side: str, caption: str) -> Figure | None:
    """The density of the times of each system, one above the other: the median, and first queries, cold and warm."""
    times = _times(run, collection, side)
    if not times:
        return None
    cells, firsts = run.cells(), {}
    for name, words in FIRSTS.items() if side == "total" else ():
        rows = {s: cells[collection, s, name].value * 1e3 for s in times if (collection, s, name) in cells}
        if rows:
            firsts[words] = rows
    return _ridges(times, caption, "milliseconds", log=True, signs=firsts)


def term_ridges(counts: Mapping[str, np.ndarray], caption: str) -> Figure | None:
    """The density of the numbers of active terms of each system's vectors."""
    found = {system: np.sort(np.asarray(values, np.float64)) for system, values in counts.items() if len(values)}
    return _ridges(found, caption, "active terms", log=False) if found else None


def memory_bars(run: RunData, collection: str, caption: str) -> Figure | None:
    """Bytes of the index by component, stacked, one bar a system."""
    parts: dict[str, dict[str, float]] = {}
    for row in run.of(collection):
        base, _, part = row.metric.partition("/")
        if base == "index_bytes" and part and row.value:
            parts.setdefault(part, {})[row.system] = row.value
    systems = [s for s in run.names(collection) if any(s in values for values in parts.values())]
    if not systems:
        return None
    totals = [sum(values.get(system, 0.0) for values in parts.values()) / MEBI for system in systems]
    plot = Plot(Axis.around("MiB", totals, zero=True), rows=systems)
    for line, system in enumerate(systems):
        start = 0.0
        for place, (part, values) in enumerate(parts.items()):
            size = values.get(system, 0.0)
            if size:
                plot.bar(line, start, start + size / MEBI, place, f"{system}, {part}: {number(size, 'bytes')}")
                start += size / MEBI
    rows = [
        (s, *(number(values[s], "bytes") if s in values else "–" for values in parts.values()), f"{total:.2f} MiB")
        for s, total in zip(systems, totals, strict=True)
    ]
    legend = [(_square(place), part) for place, part in enumerate(parts)]
    return Figure(caption, plot.svg(), legend, ("System", *parts, "Sum"), rows)


def _ridges(
    found: Mapping[str, np.ndarray],
    caption: str,
    axis: str,
    *,
    log: bool,
    signs: Mapping[str, Mapping[str, float]] | None = None,
) -> Figure:
    """Densities; `signs`: words -> single values by system that are marked on their lines."""
    extra = dict(signs or {})
    values = [v for row in found.values() for v in np.quantile(row, [0.002, 0.998]).tolist()]
    x = Axis.around(axis, [*values, *(v for rows in extra.values() for v in rows.values())], log=log)
    plot = Plot(x, rows=list(found), row_height=36)
    edges = np.geomspace(x.low, x.high, 60) if x.log else np.linspace(x.low, x.high, 60)
    middles = np.sqrt(edges[1:] * edges[:-1]) if x.log else (edges[1:] + edges[:-1]) / 2
    rows = []
    for place, (system, row) in enumerate(found.items()):
        heights = np.histogram(row, bins=edges)[0].astype(float)
        heights = np.convolve(heights, np.asarray([1, 2, 3, 2, 1]) / 9, mode="same")
        shares = (heights / max(heights.max(), 1e-12)).tolist()
        seen = [i for i, share in enumerate(shares) if share > 0.004]
        part = slice(max(seen[0] - 1, 0), seen[-1] + 2)
        plot.ridge(place, list(zip(middles[part].tolist(), shares[part], strict=True)), place, system)
        low, middle, high = np.quantile(row, [0.05, 0.5, 0.95])
        plot.tick(place, float(middle))
        for sign, (words, singles) in enumerate(extra.items()):
            if system in singles:
                title = f"{system}, {words}: {singles[system]:.4g}"
                plot.sign(place, singles[system], _SIGNS[sign], title, hollow=bool(sign))
        told = [f"{singles[system]:.4g}" if system in singles else "–" for singles in extra.values()]
        rows.append((system, f"{low:.4g}", f"{middle:.4g}", f"{high:.4g}", f"{len(row):,}", *told))
    head = (f"System ({axis})", "5 % below", "median", "95 % below", "values", *extra)
    legend = [(swatch(_SIGNS[sign], kind="s-ink" + " hollow" * bool(sign)), words) for sign, words in enumerate(extra)]
    return Figure(caption, plot.svg(), legend, head, rows)


def _times(run: RunData, collection: str, side: str) -> dict[str, np.ndarray]:
    """Milliseconds by system, ascending."""
    return {
        system: np.sort(run.latency[collection, system][side].ravel()) * 1e3
        for system in run.names(collection)
        if (collection, system) in run.latency
    }


def _scale(unit: str) -> tuple[float, str]:
    return {"seconds": (1e3, " (ms)"), "bytes": (1.0, " (bytes)")}.get(unit, (1.0, ""))


def _reach(row: Record) -> tuple[float, float]:
    if row.ci_low is None or row.ci_high is None:
        return row.value, row.value
    return row.ci_low, row.ci_high


def _within(reaches: Sequence[tuple[float, float, float]], factor: float) -> list[float]:
    """What an axis must hold: all values, and their intervals as far as three times beyond them."""
    values = [value for value, _, _ in reaches]
    lowest, highest = min(values) / 3, max(values) * 3
    return [min(max(v, lowest), highest) * factor for reach in reaches for v in reach]


def _valued(row: Record) -> str:
    low, high = _reach(row)
    text = number(row.value, row.unit)
    return text if low == high else f"{text} [{number(low, row.unit)}, {number(high, row.unit)}]"


def _square(place: int) -> str:
    box = '<svg viewBox="-8 -7 16 14" class="swatch" aria-hidden="true">'
    return f'{box}<path d="M-7-6h14v12h-14z" class="fill {colour(place)}"/></svg>'
