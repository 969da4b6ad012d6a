"""The spread of query times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.figures.base import FigureKindBase, Panel, Sheet, register
from reports.figures.spread import Ridges, times

if TYPE_CHECKING:
    from harness.runs.read import RunData

FIRSTS = {
    "first_query_seconds": "first query of a fresh process, files cached",
    "cold_first_query_seconds": "the same, files not cached",
}
CAPTIONS = {
    "total": "Spread of the query times; the line is the median.",
    "encode": "Spread of the encoding times; the line is the median.",
    "search": "Spread of the search times, without encoding.",
}


@register("latency-spread")
class LatencySpread(FigureKindBase):
    """Density of the query times of each system, with the median and the first queries."""

    @classmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """Encoding and search together, then search alone."""
        sheets = []
        for collection in run.collections():
            panels = [panel for side in ("total", "search") if (panel := cls.panel(run, collection, side))]
            sheets += [Sheet("latency-spread", panels, "Latency", collection)] if panels else []
        return sheets

    @classmethod
    def panel(cls, run: RunData, collection: str, metric: str) -> Panel | None:
        """Of "total", "encode" or "search"."""
        side = metric or "total"
        spreads = times(run, collection, side)
        if not spreads:
            return None
        cells = run.cells()
        singles: dict[str, dict[str, float]] = {}
        for name, words in FIRSTS.items() if side == "total" else ():
            rows = {s: cells[collection, s, name].value * 1e3 for s in spreads if (collection, s, name) in cells}
            singles |= {words: rows} if rows else {}
        return Ridges(
            caption=CAPTIONS[side], collection=collection, metric=side, spreads=spreads, unit="milliseconds", log=True,
            singles=singles,
        )  # fmt: skip
