"""The trend page: every series night by night with its steps, what changed, and links to each run's report."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from harness.records import metric as metric_of
from harness.stats.changes import Step, steps
from reports.figures import Figure
from reports.svg import Axis, Plot, swatch
from reports.values import label, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from harness.history.series import Key
    from harness.history.series import Night as Value

SHOWN = 120
"""Nights in a figure."""
RECENT = 3
"""Nights whose median is "now" for a metric that varies."""
LEAST = 0.025
"""A smaller change of a metric that varies is no news."""


@dataclass(frozen=True)
class Section:
    """One system on one collection: figures of what moves, a table of what never did."""

    title: str
    figures: list[Figure]
    still: list[tuple[str, str, int]]


def news(known: Mapping[Key, Sequence[Value]], since: datetime) -> list[str]:
    """What is different now from the runs up to a time: counts exactly, what varies by medians of three nights."""
    found = []
    for key, nights in known.items():
        before = [night for night in nights if night.created <= since]
        if not before or before[-1] is nights[-1]:
            continue
        if before[-1].label != nights[-1].label:
            found.append((0.0, f"{_title(key)}: not comparable, machine, data or definition changed"))
            continue
        exact = metric_of(key[2]).exact or metric_of(key[2]).unit == "fraction"
        count = 1 if exact else RECENT
        same = [night.value for night in nights if night.label == nights[-1].label and night.created > since]
        then = median(night.value for night in before[-count:])
        now = median(same[-count:])
        change = now / then - 1 if then else 0.0 if now == then else float("inf")
        if now != then and (exact or abs(change) >= LEAST):
            unit = metric_of(key[2]).unit
            found.append((abs(change), f"{_title(key)}: {number(then, unit)} to {number(now, unit)} ({change:+.2%})"))
    return [text for _, text in sorted(found, key=lambda one: -one[0])]


def write_trend(
    path: Path, night: Any, watched: Mapping[Key, Sequence[Value]], known: Mapping[Key, Sequence[Value]]
) -> None:
    """Write the page; script and style are inside, and nothing is fetched.

    Args:
        path: Of the page; links to reports are relative to its folder.
        night: Tonight's run: name, created, headline, findings, failed, notes and news.
        watched: The series to show.
        known: All series, for the null control's.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    loader = PackageLoader("reports")
    environment = Environment(
        loader=loader,
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    systems = dict.fromkeys(key[:2] for key in watched)
    text = environment.get_template("trend.html").render(
        night=night,
        sections=[_section(cell, watched, known) for cell in systems],
        runs=_runs(known, path.parent),
        style=loader.get_source(environment, "page.css")[0],
    )
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8", errors="replace")
    partial.replace(path)


def _section(
    cell: tuple[str, str], watched: Mapping[Key, Sequence[Value]], known: Mapping[Key, Sequence[Value]]
) -> Section:
    figures, still = [], []
    for key, nights in watched.items():
        if key[:2] != cell:
            continue
        if len({night.value for night in nights}) == 1:
            still.append((label(key[2]), number(nights[-1].value, metric_of(key[2]).unit), len(nights)))
        else:
            figures.append(_figure(key, nights[-SHOWN:], _band(key, known)))
    return Section(f"{cell[1]} on {cell[0]}", figures, still)


def _band(key: Key, known: Mapping[Key, Sequence[Value]]) -> float | None:
    """How far a system timed against itself was off, median over the nights; None where none was."""
    base, _, part = key[2].partition("/")
    if not base.startswith("latency_"):
        return None
    name = f"smallest_effect/{base.removeprefix('latency_')} {part}"
    found = [night.value for (_, _, metric), nights in known.items() if metric == name for night in nights[-SHOWN:]]
    return median(found) if found else None


def _figure(key: Key, nights: Sequence[Value], band: float | None) -> Figure:
    unit = metric_of(key[2]).unit
    large = unit == "bytes" and nights[-1].value >= 1 << 20
    factor = 1e3 if unit == "seconds" else 2.0**-20 if large else 1.0
    axis = "milliseconds" if unit == "seconds" else "MiB" if large else unit
    found = _steps(key, nights)
    levels = _levels(nights, found)
    reach = [v * factor for n in nights for v in (n.value, n.low, n.high) if v is not None]
    if band is not None:
        reach += [levels[-1][2] * factor * (1 + sign * band) for sign in (-1, 1)]
    x = Axis("run, oldest first", -0.5, len(nights) - 0.5 if len(nights) > 1 else 1.5)
    plot = Plot(x, Axis.around(axis, reach))
    for start, end, level in levels:
        plot.line([(start - 0.4, level * factor), (end + 0.4, level * factor)], "s-ink")
    legend = [(swatch(0), "a night, with its interval")]
    if band is not None:
        start, end, level = levels[-1]
        for sign in (-1, 1):
            edge = level * factor * (1 + sign * band)
            plot.line([(start - 0.4, edge), (end + 0.4, edge)], "thin s2", dash=1)
        legend.append((swatch(2, line=1), "null control: as far as the system was off from itself"))
    for place, night in enumerate(nights):
        if night.low is not None and night.high is not None:
            plot.whisker((place, place), (night.low * factor, night.high * factor), 0)
        plot.point(place, night.value * factor, 0, _point(night, unit))
    for step in found:
        plot.level(x=step.first - 0.5, kind="s1")
        late = step.first > 0.8 * len(nights)
        plot.note(step.first - (0.7 if late else 0.4), max(reach), f"{step.change:+.1%}", "end" if late else "start")
    for place in range(1, len(nights)):
        if nights[place].label != nights[place - 1].label:
            plot.level(x=place - 0.5, kind="s6")
            legend.append((swatch(6, line=2), "machine, data or definition changed"))
    if found:
        legend.append((swatch(1, line=2), "step"))
    rows = [
        (f"{night.created:%Y-%m-%d %H:%M}", night.revision[:10], number(night.value, unit), mark)
        for place, night in enumerate(nights)
        for mark in (next((f"step {s.change:+.1%}" for s in found if s.first == place), ""),)
    ]
    caption = f"{label(key[2])} of {key[1]} on {key[0]}."
    return Figure(caption, plot.svg(), list(dict.fromkeys(legend)), ("Run", "Revision", "Value", "Step"), rows[::-1])


def _steps(key: Key, nights: Sequence[Value]) -> list[Step]:
    """Steps of what varies; of what is exact, every change."""
    values = [night.value for night in nights]
    if metric_of(key[2]).exact or metric_of(key[2]).unit == "fraction":
        return [
            Step(i, i - 1, i, values[i - 1], values[i], 0.0)
            for i in range(1, len(values))
            if values[i] != values[i - 1] and values[i - 1] and nights[i].label == nights[i - 1].label
        ]
    return steps(values, [night.label for night in nights], twice=[night.twice for night in nights])


def _levels(nights: Sequence[Value], found: Sequence[Step]) -> list[tuple[int, int, float]]:
    """(first place, last place, median) of each stretch between steps and changes of label."""
    cuts = {0, len(nights), *(step.first for step in found)}
    cuts |= {i for i in range(1, len(nights)) if nights[i].label != nights[i - 1].label}
    edges = sorted(cuts)
    return [(a, b - 1, median(night.value for night in nights[a:b])) for a, b in itertools.pairwise(edges) if a < b]


def _runs(known: Mapping[Key, Sequence[Value]], here: Path) -> list[tuple[str, str, str, str]]:
    """(time, revision, state, link) of every run, the last one first."""
    runs = {night.id: night for nights in known.values() for night in nights}
    found = []
    for night in sorted(runs.values(), key=lambda one: one.created, reverse=True):
        report = Path(night.folder) / "report.html"
        link = Path(os.path.relpath(report, here.absolute())).as_posix() if report.exists() else ""
        state = night.state or "not judged"
        found.append((f"{night.created:%Y-%m-%d %H:%M}", night.revision[:10] or "unknown", state, link))
    return found


def _point(night: Value, unit: str) -> str:
    twice = ", measured twice" if night.twice else ""
    return f"{night.created:%Y-%m-%d}, revision {night.revision[:10] or 'unknown'}: {number(night.value, unit)}{twice}"


def _title(key: Key) -> str:
    return f"{label(key[2])} of {key[1]} on {key[0]}"
