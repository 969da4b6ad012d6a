"""Shares of queries answered within a time, a curve a system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.figures import marks
from reports.figures.base import Drawn, FigureKindBase, Key, Panel, Sheet, Table, register
from reports.figures.scales import Scale, frame
from reports.figures.spread import SIDES, Spread, times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from harness.runs.read import RunData

POINTS = 50
"""Points of a curve; a reader cannot see more."""
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, kw_only=True)
class Shares(Panel):
    """Milliseconds of every timed query, by system."""

    spreads: Mapping[str, Spread]

    def curve(self, system: str) -> list[tuple[float, float]]:
        """(milliseconds, share of the queries that take at most so long)."""
        values = self.spreads[system].values
        shares = np.linspace(0, 1, min(len(values), POINTS))
        shown = values[(shares * (len(values) - 1)).astype(int)]
        return list(zip(shown.tolist(), shares.tolist(), strict=True))

    def table(self) -> Table:
        """Quantiles of each system."""
        rows = [(system, *(f"{spread.quantile(q):.3f}" for q in QUANTILES)) for system, spread in self.spreads.items()]
        return Table(("System (ms)", *(f"{q:.0%}".replace("%", " %") for q in QUANTILES)), rows)

    def draw(self, ax: Axes) -> Drawn:
        """A curve for each system."""
        ends = [spread.at(rank) for spread in self.spreads.values() for rank in (0, len(spread) - 1)]
        frame(ax, Scale.around("milliseconds", ends, log=True), Scale("share of queries", 0, 1, percent=True))
        keys = []
        for place, system in enumerate(self.spreads):
            marks.line(ax, self.curve(system), place, dash=place, gid=f"curve-{place}")
            keys.append(Key(system, "line", place))
        return Drawn(keys=keys)


@register("latency-share")
class LatencyShare(FigureKindBase):
    """Share of queries that are answered within a time."""

    @classmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """Of encoding and search together."""
        return [
            Sheet("latency-share", [panel], "Latency", collection)
            for collection in run.collections()
            if (panel := cls.panel(run, collection, "total"))
        ]

    @classmethod
    def panel(cls, run: RunData, collection: str, metric: str) -> Panel | None:
        """Of "total", "encode" or "search"."""
        spreads = times(run, collection, metric or "total")
        caption = f"Share of queries {SIDES[metric or 'total']} within a time."
        return Shares(caption=caption, collection=collection, metric=metric, spreads=spreads) if spreads else None
