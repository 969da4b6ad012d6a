"""Quality against cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.runs.suites import systems_of
from harness.stats.pareto import pareto_front
from reports.figures import marks
from reports.figures.base import Drawn, FigureKindBase, Key, Name, Panel, Sheet, Table, register
from reports.figures.scales import Scale, frame
from reports.figures.texts import briefly
from reports.formatting import interval, label, number
from reports.spans import means, spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from harness.records import Record
    from harness.runs.read import RunData
    from reports.spans import Span

QUALITY = "ndcg@10"
EXACT = "recall_vs_exact@100"
WHOLE = 0.99
"""An index that keeps this share of the exact results loses nothing that a figure would show."""
COSTS = {
    "index_bytes_per_document": "index bytes per document",
    "latency_total/p50": "the median latency of a query",
    "latency_total/p99": "the 99th percentile of latency",
    "throughput_search/all": "queries per second in batches",
    "flops_query": "the FLOPs of a query",
    "flops_encode_query": "the FLOPs of a query",
    "latency_search/p50": "the median latency of a search",
}
"""Costs in words; others are called by their labels."""


@dataclass(frozen=True)
class Point:
    """A system in a trade-off; `place` gives its colour and marker."""

    place: int
    system: str
    cost: Record
    gain: Record


@dataclass(frozen=True, kw_only=True)
class TradeOff(Panel):
    """Gain against cost, a point with its intervals for each system; two or more points are worth a figure.

    A dotted line joins the Pareto front. Other points are hollow.
    """

    points: Sequence[Point]

    def front(self) -> list[bool]:
        """Which points no other dominates."""
        sign = -1 if self.falling else 1
        return pareto_front([sign * p.cost.value for p in self.points], [p.gain.value for p in self.points])

    @property
    def falling(self) -> bool:
        """Whether more of the "cost" is better: throughput is a gain on either axis."""
        return self.points[0].cost.direction == "higher"

    def table(self) -> Table:
        """A row for each system."""
        first = self.points[0]
        rows = [
            (p.system, _valued(p.cost), _valued(p.gain), "on the front" if on else "dominated")
            for p, on in zip(self.points, self.front(), strict=True)
        ]
        return Table(("System", label(first.cost.metric), label(first.gain.metric), "Pareto front"), rows)

    def draw(self, ax: Axes) -> Drawn:
        """Points, intervals and front."""
        cost, gain, front = self.points[0].cost, self.points[0].gain, self.front()
        factor, unit = {"seconds": (1e3, " (ms)"), "bytes": (1.0, " (bytes)")}.get(cost.unit, (1.0, ""))
        least, most = (end(p.cost.value for p in self.points) for end in (min, max))
        # Intervals of few processes can span decades; the axis shows them up to three times beyond the values.
        ends = [tuple(min(max(v, least / 3), most * 3) * factor for v in marks.reach(p.cost)) for p in self.points]
        costs = [p.cost.value * factor for p in self.points]
        x = Scale.around(label(cost.metric) + unit, [*costs, *(v for pair in ends for v in pair)], log=True)
        y = Scale.around(label(gain.metric), [v for p in self.points for v in marks.reach(p.gain)])
        frame(ax, x, y)
        at = [(value, p.gain.value) for value, p in zip(costs, self.points, strict=True)]
        best = sorted(place for place, on in zip(at, front, strict=True) if on)
        if self.falling:
            best.reverse()
        best.append((x.low if self.falling else x.high, best[-1][1]))
        marks.line(ax, best, None, dash=2, thin=True, step=True, gid="front")
        series = [p.place for p in self.points]
        across = [((low, y), (high, y)) for (low, high), (_, y) in zip(ends, at, strict=True)]
        upward = [((x, low), (x, high)) for (x, _), (low, high) in
                  zip(at, (marks.reach(p.gain) for p in self.points), strict=True)]  # fmt: skip
        marks.intervals(ax, [*across, *upward], [*series, *series])
        marks.points(ax, at, series, hollow=[not on for on in front])
        tips = [
            f"{p.system}: {number(p.cost.value, p.cost.unit)}, {number(p.gain.value, p.gain.unit)}" for p in self.points
        ]
        short = briefly([p.system for p in self.points])
        return Drawn(
            keys=[Key(p.system, colour=p.place) for p in self.points],
            names=[Name(*place, text) for place, text in zip(at, short, strict=True)],
            tips={"points": tips},
        )

    def summary(self) -> str:
        """Which systems are on the front."""
        names = [p.system for p, on in zip(self.points, self.front(), strict=True) if on]
        return f"Not dominated: {', '.join(names)}."


@register("trade-off")
class TradeOffs(FigureKindBase):
    """Quality against memory, time, throughput or FLOPs, with the Pareto front."""

    @classmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """Means over several collections; of each collection memory, and then time, throughput and FLOPs together."""
        sheets = [
            Sheet("trade-off", [panel], part=span.suite.name) for span in spans(run) if (panel := _means(run, span))
        ]
        for collection in run.collections():
            others: list[Panel] = []
            work = "flops_query" if _counted(run, collection, "flops_query") else "flops_encode_query"
            for cost in ("latency_total/p50", "latency_total/p99", "throughput_search/all", work):
                if cost != work or _counted(run, collection, work):
                    others += _panels(run, collection, cost)
            if _loses(run, collection):
                for cost in ("latency_search/p50", "index_bytes_per_document"):
                    others += _panels(run, collection, cost, EXACT, "What an index keeps of the exact 100")
            first = _panels(run, collection, "index_bytes_per_document")
            sheets += [
                Sheet("trade-off", panels, heading, collection, part)
                for panels, heading, part in ((first, "Summary", ""), (others, "Equal", "equal"))
                if panels
            ]
        return sheets

    @classmethod
    def panel(cls, run: RunData, collection: str, metric: str) -> Panel | None:
        """nDCG@10 against any metric, index bytes a document by default."""
        return next(iter(_panels(run, collection, metric or "index_bytes_per_document")), None)


def _panels(run: RunData, collection: str, cost: str, gain: str = QUALITY, words: str = "") -> list[Panel]:
    """One panel, or none where fewer than two systems have both metrics."""
    points = points_of(run, collection, cost, gain)
    caption = f"{words or label(gain)} against {COSTS.get(cost) or label(cost)}."
    metric = cost if gain == QUALITY else f"{cost} {gain}"
    return [TradeOff(caption=caption, collection=collection, metric=metric, points=points)] if len(points) > 1 else []


def _means(run: RunData, span: Span) -> TradeOff | None:
    """Quality against memory, means of the systems that have all; None where fewer than two have."""
    systems = systems_of(run, span.suite)
    gains, costs = means(run, span, systems, QUALITY), means(run, span, systems, "index_bytes_per_document")
    points = [
        Point(place, system, costs[system], gains[system])
        for place, system in enumerate(systems)
        if system in gains and system in costs
    ]
    named = f" of {span.suite.name}" if span.official else ""
    caption = f"Over {span.what}{named}: nDCG@10 against index bytes per document."
    return TradeOff(caption=caption, metric="index_bytes_per_document", points=points) if len(points) > 1 else None


def points_of(run: RunData, collection: str, cost: str, gain: str) -> list[Point]:
    """The systems that have both metrics."""
    cells = run.cells()
    return [
        Point(place, system, cells[collection, system, cost], cells[collection, system, gain])
        for place, system in enumerate(run.names(collection))
        if (collection, system, cost) in cells and (collection, system, gain) in cells
    ]


def _counted(run: RunData, collection: str, cost: str) -> bool:
    return any(row.value for row in run.records_with(collection, cost))


def _loses(run: RunData, collection: str) -> bool:
    """Whether an index that is not swept keeps less than the exact results."""
    swept = any(system.get("curve") for system in run.systems if system["collection"] == collection)
    return not swept and any(row.value < WHOLE for row in run.records_with(collection, EXACT))


def _valued(row: Record) -> str:
    return f"{number(row.value, row.unit)} {interval(row)}".rstrip()
