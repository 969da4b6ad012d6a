"""How costs grow with the collection: measured sizes, and the laws fitted to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.claims.memory import MS_MARCO
from harness.metrics import METRICS
from harness.stats.scaling import Law, Prediction, choose, held_out, predict
from reports.figures import marks
from reports.figures.base import Drawn, FigureKindBase, Key, Panel, Sheet, Table, register
from reports.figures.scales import Scale, frame
from reports.formatting import label, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from harness.runs.read import RunData

MS_MARCO_V2 = 138_364_198
"""Passages of MS MARCO v2."""
TARGETS = (MS_MARCO, MS_MARCO_V2)
"""Sizes to which the laws are extrapolated."""
GROWING = (
    "index_bytes",
    "resident_bytes",
    "build_seconds",
    "build_peak_bytes",
    "latency_search/p50",
    "latency_search/p99",
    "flops_search",
    "postings_touched",
)
SHOWN = ("index_bytes", "latency_search/p50")
"""Metrics that have a panel."""
SIZES = 3
"""Sizes of a collection that a law needs."""
STEPS = 40


@dataclass(frozen=True)
class Growth:
    """One metric of one system over the sizes of a collection."""

    series: str
    system: str
    metric: str
    unit: str
    sizes: Sequence[float]
    values: Sequence[float]
    law: Law

    def predictions(self, targets: Sequence[float] = TARGETS) -> list[Prediction]:
        """The law's values at other sizes."""
        return [predict(self.law, size) for size in targets]

    def check(self, share: float = 1.0) -> tuple[Prediction, float, float] | None:
        """The largest size predicted from those up to a share of it; None where they are too few."""
        try:
            return held_out(self.sizes, self.values, share)
        except ValueError:
            return None


@dataclass(frozen=True, kw_only=True)
class GrowthPanel(Panel):
    """One metric of several systems by the number of documents; at least one system."""

    growths: Sequence[Growth]

    def law_line(self, growth: Growth) -> list[tuple[float, float]]:
        """(documents, value by the law), from the smallest size measured to the largest target."""
        low, high = growth.sizes[0], TARGETS[-1]
        sizes = [low * (high / low) ** (step / STEPS) for step in range(STEPS + 1)]
        return [(size, growth.law.at(size)) for size in sizes]

    def table(self) -> Table:
        """What was measured, and what is extrapolated."""
        rows = []
        for growth in self.growths:
            measured = zip(growth.sizes, growth.values, strict=True)
            rows += [(growth.system, f"{n:,.0f}", number(v, growth.unit), "measured") for n, v in measured]
            predicted = growth.predictions()
            rows += [(growth.system, f"{p.size:,.0f}", number(p.value, growth.unit), "extrapolated") for p in predicted]
        return Table(("System", "Documents", label(self.metric), "Source"), rows)

    def draw(self, ax: Axes) -> Drawn:
        """Marks of what was measured, and the laws as lines."""
        unit = self.growths[0].unit
        factor, name = {"bytes": (1e-9, "GB"), "seconds": (1e3, "ms")}.get(unit, (1.0, unit))
        values = [v * factor for growth in self.growths for v in growth.values]
        values += [p.value * factor for growth in self.growths for p in growth.predictions()]
        sizes = [size for growth in self.growths for size in growth.sizes]
        x = Scale.around("documents", [*sizes, TARGETS[-1]], log=True)
        frame(ax, x, Scale.around(f"{label(self.metric)}, {name}", values, log=True))
        drawn, at, series, tips = Drawn(), [], [], []
        for place, growth in enumerate(self.growths):
            marks.line(ax, [(n, v * factor) for n, v in self.law_line(growth)], place, dash=1, gid=f"law-{place}")
            for size, value in zip(growth.sizes, growth.values, strict=True):
                at.append((size, value * factor))
                series.append(place)
                tips.append(f"{growth.system}, {size:,.0f} documents: {number(value, growth.unit)}")
            drawn.keys.append(Key(growth.system, "marker", place))
        marks.points(ax, at, series)
        drawn.tips["points"] = tips
        return drawn


@register("growth")
class GrowthKind(FigureKindBase):
    """Index memory and search latency by the number of documents, with the laws fitted to them."""

    @classmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """A panel for each metric of `SHOWN`."""
        growing, panels = growths(run), []
        for name in SHOWN:
            if own := [growth for growth in growing if growth.metric == name]:
                words = METRICS[name.partition("/")[0]].label
                caption = f"{words} by number of documents: measured (marks), and the fitted laws."
                panels.append(GrowthPanel(caption=caption, metric=name, growths=own))
        return [Sheet("growth", panels)] if panels else []


def growths(run: RunData) -> list[Growth]:
    """Every growing metric of every system that was run on three or more sizes of one collection."""
    points: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    units = {}
    for row in run.records:
        facts = run.facts["collections"].get(row.collection)
        if row.metric in GROWING and row.value > 0 and facts is not None:
            series, size = row.collection.partition("[")[0], float(facts["documents"])
            points.setdefault((series, row.system, row.metric), []).append((size, row.value))
            units[row.metric] = row.unit
    growing = []
    for (series, system, name), values in points.items():
        if len({size for size, _ in values}) >= SIZES:
            sizes, costs = zip(*sorted(values), strict=True)  # one size may be there for several seeds
            growing.append(Growth(series, system, name, units[name], sizes, costs, choose(sizes, costs)))
    return sorted(growing, key=lambda growth: (growth.series, GROWING.index(growth.metric)))
