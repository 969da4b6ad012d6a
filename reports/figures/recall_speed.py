"""Recall against exact search over queries a second: a curve for each sweep, a point for every other engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.stats.pareto import pareto_front
from reports.figures.figure import Figure
from reports.figures.svg import Axis, Plot, colour, swatch
from reports.formatting import interval, label, number

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def figure(shown: Sequence[Engine]) -> Figure:
    """The curves; an engine's line joins its settings that no other of its settings dominates, the rest are hollow."""
    every = [setting for engine in shown for setting in engine.settings]
    metric = label(every[0].recall.metric)
    x = Axis.around(metric, [end for setting in every for end in _ends(setting.recall)])
    least, most = (1 / end(setting.latency.value for setting in every) for end in (max, min))
    # Intervals of two processes can span decades; the axis shows them up to three times beyond the values.
    speeds = [min(max(end, least / 3), most * 3) for setting in every for end in _speeds(setting.latency)]
    scale = 1e3 if most >= 1e3 else 1.0  # numbers on the axis have room for four characters
    unit = "thousand queries a second" if scale > 1 else "queries a second"
    y = Axis.around(unit, [speed / scale for speed in speeds], log=True)
    plot, legend, rows = Plot(x, y), [], []
    for place, engine in enumerate(shown):
        settings = sorted(engine.settings, key=lambda setting: setting.latency.value)
        front = pareto_front([s.latency.value for s in settings], [s.recall.value for s in settings])
        line = [(s.recall.value, 1 / s.latency.value / scale) for s, on in zip(settings, front, strict=True) if on]
        if len(line) > 1:
            plot.line(line, colour(place), dash=place // 7)
        for setting, on in zip(settings, front, strict=True):
            recall, speed = setting.recall.value, 1 / setting.latency.value
            low, high = _speeds(setting.latency)
            plot.whisker((recall, recall), (low / scale, high / scale), place)
            plot.whisker(_ends(setting.recall), (speed / scale, speed / scale), place)
            title = f"{setting.system}: {number(recall, 'fraction')}, {speed:,.0f} queries a second"
            plot.point(recall, speed / scale, place, title, hollow=not on)
            rows.append(
                (
                    setting.system,
                    " ".join(filter(None, (number(recall, "fraction"), interval(setting.recall)))),
                    f"{speed:,.0f}",
                    " ".join(filter(None, (number(setting.latency.value, "seconds"), interval(setting.latency)))),
                    "" if on else "dominated",
                )
            )
        legend.append((swatch(place), engine.name))
    caption = f"Queries a second (1 / mean search latency) by {metric}: up and to the right is better."
    return Figure(caption, plot.svg(), legend, ("System", metric, "Queries a second", "Search latency", ""), rows)


def _ends(row: Record) -> tuple[float, float]:
    return (row.value, row.value) if row.ci_low is None or row.ci_high is None else (row.ci_low, row.ci_high)


def _speeds(latency: Record) -> tuple[float, float]:
    """Queries a second at both ends of a latency; an end at 0 or below is no speed, so the value stands for it."""
    low, high = (end if end > 0 else latency.value for end in _ends(latency))
    return 1 / high, 1 / low
