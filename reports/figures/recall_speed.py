"""Recall against exact search over queries a second: a curve for each sweep, a point for every other engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.stats.pareto import pareto_front
from reports.figures import marks
from reports.figures.base import Drawn, FigureKindBase, Key, Panel, Sheet, Table, register
from reports.figures.scales import Scale, frame
from reports.formatting import interval, label, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from harness.records import Record
    from harness.runs.read import RunData

RECALL = "recall_vs_exact@"
LATENCY = "latency_search/mean"
DEFAULT_K = 100
"""Timed depth of runs that do not state it."""


@dataclass(frozen=True)
class Setting:
    """One system: how much of the exact results it returns, and the mean seconds of a search."""

    system: str
    recall: Record
    latency: Record


@dataclass(frozen=True)
class Engine:
    """The settings of one sweep in the spec's order, or the one setting of an engine that is not swept."""

    name: str
    swept: bool
    settings: Sequence[Setting]


def engines(run: RunData, collection: str) -> list[Engine]:
    """The engines of a collection whose recall and latency are known; empty for a run without a sweep.

    The recall is that at the highest cut-off up to the timed k.
    """
    timed = run.facts.get("measure", {}).get("k", DEFAULT_K)
    names = {row.metric for row in run.records_of(collection) if row.metric.startswith(RECALL)}
    cuts = [cut for name in names if (cut := int(name.removeprefix(RECALL))) <= timed]
    cells, grouped = run.cells(), dict[tuple[str, bool], list[Setting]]()
    for system in run.systems:
        name, curve = system["name"], system.get("curve", "")
        recall = cells.get((collection, name, f"{RECALL}{max(cuts, default=0)}"))
        latency = cells.get((collection, name, LATENCY))
        if system["collection"] == collection and recall and latency and latency.value > 0:
            grouped.setdefault((curve or name, bool(curve)), []).append(Setting(name, recall, latency))
    shown = [Engine(name, swept, settings) for (name, swept), settings in grouped.items()]
    return shown if any(engine.swept for engine in shown) else []


@dataclass(frozen=True, kw_only=True)
class RecallSpeed(Panel):
    """Queries a second by recall: a line joins an engine's settings that no other of its settings dominates.

    Dominated settings are hollow.
    """

    engines: Sequence[Engine]

    def settings(self) -> list[tuple[int, Setting, bool]]:
        """(place of the engine, setting, whether it is on its engine's front), the quickest of each engine first."""
        rows = []
        for place, engine in enumerate(self.engines):
            own = sorted(engine.settings, key=lambda setting: setting.latency.value)
            front = pareto_front([s.latency.value for s in own], [s.recall.value for s in own])
            rows += [(place, setting, on) for setting, on in zip(own, front, strict=True)]
        return rows

    def table(self) -> Table:
        """A row for each setting."""
        rows = [
            (
                s.system,
                " ".join(filter(None, (number(s.recall.value, "fraction"), interval(s.recall)))),
                f"{1 / s.latency.value:,.0f}",
                " ".join(filter(None, (number(s.latency.value, "seconds"), interval(s.latency)))),
                "" if on else "dominated",
            )
            for _, s, on in self.settings()
        ]
        metric = label(self.engines[0].settings[0].recall.metric)
        return Table(("System", metric, "Queries a second", "Search latency", ""), rows)

    def draw(self, ax: Axes) -> Drawn:
        """Curves, points and intervals."""
        rows = self.settings()
        every = [setting for _, setting, _ in rows]
        x = Scale.around(label(every[0].recall.metric), [end for s in every for end in marks.reach(s.recall)])
        least, most = (1 / end(s.latency.value for s in every) for end in (max, min))
        # Intervals of two processes can span decades; the axis shows them up to three times beyond the values.
        limits = least / 3, most * 3
        scale = 1e3 if most >= 1e3 else 1.0  # numbers on the axis have room for four characters
        unit = "thousand queries a second" if scale > 1 else "queries a second"
        ends = [tuple(min(max(end, limits[0]), limits[1]) / scale for end in _speeds(s.latency)) for s in every]
        at = [(s.recall.value, 1 / s.latency.value / scale) for s in every]
        frame(ax, x, Scale.around(unit, [*(y for _, y in at), *(end for pair in ends for end in pair)], log=True))
        for place in range(len(self.engines)):
            line = [point for point, (own, _, on) in zip(at, rows, strict=True) if own == place and on]
            if len(line) > 1:
                marks.line(ax, line, place, dash=place, gid=f"curve-{place}")
        series = [place for place, _, _ in rows]
        upward = [((x, low), (x, high)) for (x, _), (low, high) in zip(at, ends, strict=True)]
        across = [((low, y), (high, y)) for (low, high), (_, y) in
                  zip((marks.reach(s.recall) for s in every), at, strict=True)]  # fmt: skip
        marks.intervals(ax, [*upward, *across], [*series, *series])
        marks.points(ax, at, series, hollow=[not on for _, _, on in rows])
        tips = [
            f"{s.system}: {number(s.recall.value, 'fraction')}, {1 / s.latency.value:,.0f} queries a second"
            for s in every
        ]
        keys = [Key(engine.name, "marker", place) for place, engine in enumerate(self.engines)]
        return Drawn(keys=keys, tips={"points": tips})


@register("recall-speed")
class RecallSpeeds(FigureKindBase):
    """Recall against exact search over queries a second, of runs with a sweep."""

    @classmethod
    def sheets(cls, run: RunData) -> list[Sheet]:
        """One of each collection that has a sweep."""
        sheets = []
        for collection in run.collections():
            if shown := engines(run, collection):
                metric = label(shown[0].settings[0].recall.metric)
                caption = f"Queries a second (1 / mean search latency) by {metric}: up and to the right is better."
                panel = RecallSpeed(caption=caption, collection=collection, engines=shown)
                sheets.append(Sheet("recall-speed", [panel], "Recall", collection))
        return sheets


def _speeds(latency: Record) -> tuple[float, float]:
    """Queries a second at both ends of a latency; an end at 0 or below is no speed, so the value stands for it."""
    low, high = (end if end > 0 else latency.value for end in marks.reach(latency))
    return 1 / high, 1 / low
