"""Differences of two systems, query by query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.figures import marks
from reports.figures.base import Drawn, FigureKindBase, Panel, Sheet, Table, register
from reports.figures.scales import Scale, frame
from reports.ranking import ranked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from harness.runs.read import RunData

METRIC = "ndcg@10"
PAIRS = 2
"""Pairs of a collection that are shown."""
POINTS = 400
"""Steps of the line; a reader cannot see more."""
QUANTILES = {
    "largest win": 1.0, "9 in 10 below": 0.9, "3 in 4 below": 0.75, "median": 0.5, "1 in 4 below": 0.25,
    "1 in 10 below": 0.1, "largest loss": 0.0,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Differences(Panel):
    """The value of one system less that of another for each query, the largest first; at least one."""

    first: str
    second: str
    gaps: Sequence[float]

    def table(self) -> Table:
        """Quantiles of the differences."""
        values = np.quantile(np.asarray(self.gaps), list(QUANTILES.values()))
        return Table(
            ("Queries", "Difference"), [(name, f"{v:+.3f}") for name, v in zip(QUANTILES, values, strict=True)]
        )

    def draw(self, ax: Axes) -> Drawn:
        """A line of steps, and the line of no difference."""
        count, reach = len(self.gaps), max(*(abs(gap) for gap in self.gaps), 0.05) * 1.08
        x = Scale("queries, the largest win first", 0, max(count, 2))
        frame(ax, x, Scale("nDCG@10, first - second", -reach, reach))
        places = np.unique(np.linspace(0, count - 1, min(count, POINTS)).astype(int)).tolist()
        line = [(float(place), self.gaps[place]) for place in places]
        marks.line(ax, [(x.low, 0.0), (x.high, 0.0)], None, dash=2, thin=True, gid="zero")
        marks.line(ax, [*line, (float(count), self.gaps[-1])], 0, step=True, gid="gaps")
        return Drawn()

    def summary(self) -> str:
        """How many queries either way."""
        wins, losses = sum(gap > 0 for gap in self.gaps), sum(gap < 0 for gap in self.gaps)
        return f"{self.first} is better on {wins} queries, {self.second} on {losses}."


@register("differences")
class DifferencesKind(FigureKindBase):
    """nDCG@10 of one system less that of another, query by query."""

    @classmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """Of the pairs that the claims are about, and of the best two systems."""
        return [
            Sheet("differences", [panel], "", collection, str(number) if number else "")
            for collection in run.collections()
            for number, (first, second) in enumerate(pairs(run, collection))
            if (panel := differences(run, collection, first, second))
        ]


def pairs(run: RunData, collection: str) -> list[tuple[str, str]]:
    """The pairs that the claims are about, then the best two systems; at most `PAIRS`."""
    claims = run.facts.get("claims", ())
    wanted = [(claim["system"], other) for claim in claims if (other := claim["baseline"]) is not None]
    leaders = ranked(run, collection, METRIC)[:2]
    if len(leaders) == 2:
        wanted.append((leaders[0], leaders[1]))
    chosen: list[tuple[str, str]] = []
    for first, second in wanted:
        measured = all((collection, system, METRIC) in run.quality for system in (first, second))
        if measured and first != second and {first, second} not in [set(pair) for pair in chosen]:
            chosen.append((first, second))
    return chosen[:PAIRS]


def gaps_of(run: RunData, collection: str, first: str, second: str) -> list[tuple[float, str]]:
    """(difference, query) of the queries that both have, the largest first."""
    ours, theirs = (run.quality[collection, system, METRIC] for system in (first, second))
    return sorted(((ours[query] - theirs[query], query) for query in ours.keys() & theirs.keys()), reverse=True)


def differences(run: RunData, collection: str, first: str, second: str) -> Differences | None:
    """The panel of a pair; None where they share no query."""
    gaps = [gap for gap, _ in gaps_of(run, collection, first, second)]
    caption = f"nDCG@10 of {first} less that of {second}, query by query."
    if not gaps:
        return None
    return Differences(
        caption=caption, collection=collection, metric=f"{first} {second}", first=first, second=second, gaps=gaps
    )
