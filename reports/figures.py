"""The figures of a run, each with its legend and with the table that says the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.records import metric
from harness.stats.pareto import pareto_front
from reports.svg import Axis, Plot, colour, swatch
from reports.values import label, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Record
    from reports.load import RunData

MEBI = 2.0**20


@dataclass(frozen=True)
class Figure:
    """A drawing; `legend` holds (sign as SVG, text), `head` and `rows` the same numbers as a table."""

    caption: str
    svg: str
    legend: Sequence[tuple[str, str]]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def trade_off(run: RunData, collection: str, cost: str, gain: str, caption: str) -> Figure | None:
    """Gain against cost, one point a system with intervals; those that none beats are joined, the others are faint."""
    cells = run.cells()
    points = [
        (place, system, cells[collection, system, cost], cells[collection, system, gain])
        for place, system in enumerate(run.names(collection))
        if (collection, system, cost) in cells and (collection, system, gain) in cells
    ]
    if not points:
        return None
    factor, unit = _scale(points[0][2].unit)
    falling = metric(cost).direction == "higher"  # throughput is a gain on either axis
    costs = [(-c.value if falling else c.value) for _, _, c, _ in points]
    front = pareto_front(costs, [g.value for *_, g in points])
    x = Axis.around(label(cost) + unit, [v * factor for _, _, c, _ in points for v in _reach(c)], log=True)
    y = Axis.around(label(gain), [v for *_, g in points for v in _reach(g)])
    plot = Plot(x, y)
    best = sorted((c.value * factor, g.value) for (_, _, c, g), on in zip(points, front, strict=True) if on)
    if falling:
        best.reverse()
    plot.line([*best, (x.low if falling else x.high, best[-1][1])], "s-ink thin", dash=2, step=True)
    for (place, system, c, g), on in zip(points, front, strict=True):
        low, high = _reach(c)
        plot.whisker((low * factor, high * factor), (g.value, g.value), place)
        plot.whisker((c.value * factor, c.value * factor), _reach(g), place)
        title = f"{system}: {number(c.value, c.unit)}, {number(g.value, g.unit)}"
        plot.point(c.value * factor, g.value, place, title, faint=not on)
    rows = [
        (system, _valued(c), _valued(g), "on the front" if on else "dominated")
        for (_, system, c, g), on in zip(points, front, strict=True)
    ]
    legend = [
        (swatch(place), system + ("" if on else " (dominated)"))
        for (place, system, *_), on in zip(points, front, strict=True)
    ]
    return Figure(caption, plot.svg(), legend, ("System", label(cost), label(gain), "Pareto front"), rows)


def latency_curves(run: RunData, collection: str, side: str, caption: str) -> Figure | None:
    """Share of queries answered within a time, one curve a system."""
    times = _times(run, collection, side)
    if not times:
        return None
    x = Axis.around("milliseconds", [v for row in times.values() for v in (row[0], row[-1])], log=True)
    plot = Plot(x, Axis("share of queries", 0, 1, percent=True))
    legend, rows = [], []
    for place, (system, values) in enumerate(times.items()):
        shares = np.linspace(0, 1, min(len(values), 80))
        shown = values[(shares * (len(values) - 1)).astype(int)]
        plot.line(list(zip(shown.tolist(), shares.tolist(), strict=True)), colour(place), dash=place // 3)
        legend.append((swatch(place, line=place // 3), system))
        rows.append((system, *(f"{v:.3f}" for v in np.quantile(values, [0.1, 0.25, 0.5, 0.75, 0.9]))))
    return Figure(caption, plot.svg(), legend, ("System (ms)", "10 %", "25 %", "50 %", "75 %", "90 %"), rows)


def latency_ridges(run: RunData, collection: str, side: str, caption: str) -> Figure | None:
    """The density of the times of each system, one above the other, the median marked."""
    times = _times(run, collection, side)
    return _ridges(times, caption, "milliseconds", log=True) if times else None


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


def training_curves(run: RunData, caption: str) -> Figure | None:
    """Loss by step, each encoder divided by its own first loss: losses of different scores are not comparable."""
    curves = {
        encoder: [(float(row["step"]), float(row["loss"])) for row in rows if "step" in row and "loss" in row]
        for encoder, rows in run.training.items()
    }
    curves = {encoder: points for encoder, points in curves.items() if points and points[0][1]}
    if not curves:
        return None
    shares = {encoder: [(step, loss / points[0][1]) for step, loss in points] for encoder, points in curves.items()}
    x = Axis.around("step", [step for points in shares.values() for step, _ in points])
    plot = Plot(x, Axis.around("loss / first loss", [y for points in shares.values() for _, y in points]))
    legend, rows = [], []
    for place, (encoder, points) in enumerate(shares.items()):
        plot.line(points[:: max(1, len(points) // 300)], colour(place), dash=place // 3)
        legend.append((swatch(place, line=place // 3), encoder))
        losses = curves[encoder]
        rows.append((encoder, f"{losses[-1][0]:g}", f"{losses[0][1]:.4g}", f"{losses[-1][1]:.4g}"))
    return Figure(caption, plot.svg(), legend, ("Encoder", "Steps", "First loss", "Last loss"), rows)


def _ridges(found: Mapping[str, np.ndarray], caption: str, axis: str, *, log: bool) -> Figure:
    values = [v for row in found.values() for v in np.quantile(row, [0.002, 0.998]).tolist()]
    x = Axis.around(axis, values, log=log)
    plot = Plot(x, rows=list(found), row_height=46)
    edges = np.geomspace(x.low, x.high, 70) if x.log else np.linspace(x.low, x.high, 70)
    rows = []
    for place, (system, row) in enumerate(found.items()):
        heights = np.histogram(row, bins=edges)[0].astype(float)
        heights = np.convolve(heights, np.asarray([1, 2, 3, 2, 1]) / 9, mode="same")
        middles = np.sqrt(edges[1:] * edges[:-1]) if x.log else (edges[1:] + edges[:-1]) / 2
        shares = (heights / max(heights.max(), 1e-12)).tolist()
        plot.ridge(place, list(zip(middles.tolist(), shares, strict=True)), place, system)
        low, middle, high = np.quantile(row, [0.05, 0.5, 0.95])
        plot.tick(place, float(middle))
        rows.append((system, f"{low:.4g}", f"{middle:.4g}", f"{high:.4g}", f"{len(row):,}"))
    head = (f"System ({axis})", "5 % below", "median", "95 % below", "values")
    return Figure(caption, plot.svg(), (), head, rows)


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


def _valued(row: Record) -> str:
    low, high = _reach(row)
    text = number(row.value, row.unit)
    return text if low == high else f"{text} [{number(low, row.unit)}, {number(high, row.unit)}]"


def _square(place: int) -> str:
    box = '<svg viewBox="-8 -7 16 14" class="swatch" aria-hidden="true">'
    return f'{box}<path d="M-7-6h14v12h-14z" class="fill {colour(place)}"/></svg>'
