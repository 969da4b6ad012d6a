"""What the trend page shows of each series: its nights, its steps, its noise, and what changed since some time."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from harness.metrics import metric
from harness.runs import layout
from harness.stats.changes import FEWEST, Step, noise, steps
from reports.figures.nights import Nights, NightStep, NightValue
from reports.formatting import SIZES, label, number
from reports.sections.night_changes import (
    Difference,
    Series,
    Shift,
    difference,
    is_beyond,
    is_exact,
    null_effect,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from harness.history.series import Key, Night

SHOWN = 120
"""Nights in a figure."""
UNKNOWN = "–"


class Cell(NamedTuple):
    """One cell of a section's table; `is_news` marks a change that is news."""

    text: str
    is_news: bool = False


@dataclass(frozen=True)
class Section:
    """One system on one collection: a row a metric, figures of what moves."""

    title: str
    rows: list[list[Cell]]
    figures: list[Nights]

    @property
    def moved(self) -> int:
        """Metrics of which a change is news."""
        return sum(any(cell.is_news for cell in row) for row in self.rows)


def section_of(cell: tuple[str, str], series: Series, since: Mapping[str, datetime], here: Path) -> Section:
    """One system on one collection: (collection, system) -> its table and figures; links are relative to `here`."""
    rows: list[list[Cell]] = []
    figures = []
    for key, nights in series.watched.items():
        if key[:2] != cell:
            continue
        changes = [
            _change_cell(key, difference(key, nights, end), series.spread(key), series.shift(end))
            for end in since.values()
        ]
        value = number(nights[-1].value, metric(key[2]).unit)
        spread = Cell(_noise(key, nights, _steps(key, nights)))
        rows.append([Cell(label(key[2])), Cell(value), *changes, spread, Cell(str(len(nights)))])
        if len({night.value for night in nights}) > 1:
            figures.append(night_figure(key, nights[-SHOWN:], null_effect(key, series.known, SHOWN), here))
    return Section(f"{cell[1]} on {cell[0]}", rows, figures)


def _change_cell(key: Key, change: Difference | str, spread: float | None, shared: Shift) -> Cell:
    if isinstance(change, str):
        return Cell(change or UNKNOWN)
    is_news = change.is_news and is_beyond(key, change, spread, shared)
    return Cell("same" if change.now == change.then else change.share(2), is_news)


def _noise(key: Key, nights: Sequence[Night], changes: Sequence[Step]) -> str:
    """The relative spread of a night since the last step, in words; an exact metric has none."""
    if is_exact(key):
        return "exact"
    start = changes[-1].first if changes else 0
    values = [night.value for night in nights[start:] if night.label == nights[-1].label]
    if len(values) <= FEWEST:
        return "not known yet"
    quiet = noise(values)
    return f"{quiet.spread / abs(quiet.level):.1%}" if quiet.level else UNKNOWN


def night_figure(key: Key, nights: Sequence[Night], band: float | None, here: Path) -> Nights:
    """A series with its steps; `band` is how far noise reaches, relative. Links are relative to `here`."""
    unit = metric(key[2]).unit
    name, size = ("milliseconds", 1e-3) if unit == "seconds" else (unit, 1.0)
    if unit == "bytes":  # the axis has the unit of the number beside it
        name, size = next((step for step in SIZES if nights[-1].value >= step[1]), (name, size))
    changes = _steps(key, nights)

    def scaled(value: float | None) -> float | None:
        return None if value is None else value / size

    values = [
        NightValue(n.created, n.value / size, scaled(n.low), scaled(n.high), _point(n, unit), _link(n, here))
        for n in nights
    ]
    rows = [
        (f"{night.created:%Y-%m-%d %H:%M}", night.revision[:10], number(night.value, unit), mark)
        for place, night in enumerate(nights)
        for mark in (next((f"step {s.change:+.1%}" for s in changes if s.first == place), ""),)
    ]
    return Nights(
        caption=f"{label(key[2])} of {key[1]} on {key[0]}.",
        collection=key[0],
        metric=key[2],
        nights=values,
        unit=name,
        levels=[(first, last, level / size) for first, last, level in _levels(nights, changes)],
        steps=[NightStep(step.first, step.change) for step in changes],
        breaks=[place for place in range(1, len(nights)) if nights[place].label != nights[place - 1].label],
        band=band,
        rows=rows[::-1],
    )


def _steps(key: Key, nights: Sequence[Night]) -> list[Step]:
    """The steps of a metric that varies; every change of an exact one."""
    values = [night.value for night in nights]
    if is_exact(key):
        return [
            Step(i, i - 1, i, values[i - 1], values[i], 0.0)
            for i in range(1, len(values))
            if values[i] != values[i - 1] and values[i - 1] and nights[i].label == nights[i - 1].label
        ]
    return steps(values, [night.label for night in nights], twice=[night.twice for night in nights])


def _levels(nights: Sequence[Night], changes: Sequence[Step]) -> list[tuple[int, int, float]]:
    """(first place, last place, median) of each stretch between steps and changes of label."""
    cuts = {0, len(nights), *(step.first for step in changes)}
    cuts |= {i for i in range(1, len(nights)) if nights[i].label != nights[i - 1].label}
    edges = sorted(cuts)
    return [(a, b - 1, median(night.value for night in nights[a:b])) for a, b in itertools.pairwise(edges) if a < b]


def runs_of(known: Mapping[Key, Sequence[Night]], here: Path) -> list[tuple[str, str, str, str]]:
    """(time, revision, state, link) of every run, the last one first."""
    runs = {night.id: night for nights in known.values() for night in nights}
    rows = []
    for night in sorted(runs.values(), key=lambda night: night.created, reverse=True):
        state = night.state or "not judged"
        rows.append((f"{night.created:%Y-%m-%d %H:%M}", night.revision[:10] or "unknown", state, _link(night, here)))
    return rows


def _link(night: Night, here: Path) -> str:
    """To the night's report from a folder; "" where the report is gone."""
    report = Path(night.folder) / layout.REPORT
    return Path(os.path.relpath(report, here.absolute())).as_posix() if report.exists() else ""


def _point(night: Night, unit: str) -> str:
    twice = ", measured twice" if night.twice else ""
    return f"{night.created:%Y-%m-%d}, revision {night.revision[:10] or 'unknown'}: {number(night.value, unit)}{twice}"
