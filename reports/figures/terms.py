"""The spread of the numbers of active terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reports.figures.base import FigureKindBase, Panel, Sheet, no_metric, register
from reports.figures.spread import Ridges, Spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.runs.large_files import Counts
    from harness.runs.read import RunData

SIDES = {"document": "a document", "query": "a query"}


@register("terms")
class Terms(FigureKindBase):
    """Density of the numbers of active terms in documents and queries, with the median."""

    @classmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """Documents, then queries."""
        sheets = []
        for collection in run.collections():
            panels = [panel for side in SIDES if (panel := cls.panel(run, collection, side))]
            sheets += [Sheet("terms", panels, "Memory", collection)] if panels else []
        return sheets

    @classmethod
    def panel(cls, run: RunData, collection: str, metric: str) -> Panel | None:
        """Of a "document" or a "query"."""
        side = metric or "document"
        if side not in SIDES:
            raise no_metric(side, SIDES)
        counts = {s: run.active[collection, s][side] for s in run.names(collection)
                  if side in run.active.get((collection, s), {})}  # fmt: skip
        return term_ridges(counts, f"Active terms of {SIDES[side]}; the line is the median.", collection, side)


def term_ridges(counts: Mapping[str, Counts], caption: str, collection: str = "", metric: str = "") -> Ridges | None:
    """The density of the numbers of active terms of each system's vectors; None where no system has one."""
    spreads = {
        system: Spread(np.asarray(terms, np.float64), np.cumsum(vectors))
        for system, (terms, vectors) in counts.items()
        if len(terms)
    }
    if not spreads:
        return None
    return Ridges(
        caption=caption, collection=collection, metric=metric, spreads=spreads, unit="active terms", log=False
    )
