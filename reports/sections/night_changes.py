"""What changed since some night: what all systems share, what is beyond a night's noise, and what lies within it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from harness.metrics import metric
from harness.metrics.benchmarks import BENCHMARKS
from harness.stats.changes import FEW, FEWEST, MEMORY, noise, steps
from reports.formatting import label, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from harness.history.series import Key, Night

RECENT = 3
"""Nights whose median is "now" for a metric that varies."""
LEAST = 0.025
"""A smaller change of a metric that varies is not news."""
BEYOND = 4.0
"""Standard deviations of a change from which on it is no noise: a page has dozens of them, and noise has long tails."""
NORMAL = 1.96
"""Standard deviations that a 95 % interval reaches from its middle."""
NEW = "new series"
"""Stands for a change where machine, data or definition differ from then."""


@dataclass(frozen=True)
class Difference:
    """Now against then: relative, infinite from 0. `then` and `now` are medians where the metric varies."""

    then: float
    now: float
    relative: float
    is_news: bool
    """Whether it is news where nothing is known of the noise."""
    nights: tuple[int, int] = (1, 1)
    """How many nights `then` and `now` are of."""

    def share(self, decimals: int) -> str:
        """The relative change in per cent, such as "+1.25%"; "from 0" where there is none."""
        return f"{self.relative:+.{decimals}%}" if math.isfinite(self.relative) else "from 0"


@dataclass(frozen=True)
class News:
    """What changed since a time.

    Attributes:
        title: The time in words, such as "last night".
        machine: A sentence on what the times of all systems share; "" where they share nothing.
        systems: Changes beyond noise: a system on a collection, and a sentence a metric, the largest first.
        within: Changes of `LEAST` or more that the noise explains, in the same form.
    """

    title: str
    machine: str
    systems: Sequence[tuple[str, Sequence[str]]]
    within: Sequence[tuple[str, Sequence[str]]]

    @property
    def folded(self) -> int:
        """How many changes the noise explains."""
        return sum(len(sentences) for _, sentences in self.within)


@dataclass(frozen=True)
class Shift:
    """What the times of all systems share: `ratio` is now over then, 1 where they share nothing."""

    ratio: float = 1.0
    systems: int = 0
    least: float = 0.0
    most: float = 0.0

    @property
    def change(self) -> float:
        """Relative."""
        return self.ratio - 1


class Series:
    """The series of a page, with the noise of each and what all times share: computed once, whoever asks."""

    def __init__(self, watched: Mapping[Key, Sequence[Night]], known: Mapping[Key, Sequence[Night]]) -> None:
        """Take `watched`, the series to show, and `known`, all of them, those of the null control among them."""
        self.watched, self.known = watched, known
        self._spreads: dict[Key, float | None] = {}
        self._shifts: dict[datetime, Shift] = {}

    def spread(self, key: Key) -> float | None:
        """See `spread_of`; None for an exact metric."""
        if key not in self._spreads:
            self._spreads[key] = None if is_exact(key) else spread_of(key, self.watched[key], self.known)
        return self._spreads[key]

    def shift(self, since: datetime) -> Shift:
        """See `shift`."""
        if since not in self._shifts:
            self._shifts[since] = shift(self.watched, since)
        return self._shifts[since]


def is_exact(key: Key) -> bool:
    """Whether a metric is the same every night on the same data: counts, and quality."""
    return metric(key[2]).repeats or metric(key[2]).unit == "fraction"


def difference(key: Key, nights: Sequence[Night], since: datetime) -> Difference | str:
    """How a series changed since a time; "" where it has no value before, `NEW` where it began anew.

    An exact metric is compared with its last value up to then; one that varies, by medians of three nights.
    """
    before = [night for night in nights if night.created <= since]
    if not before or before[-1] is nights[-1]:
        return ""
    if before[-1].label != nights[-1].label:
        return NEW
    exact = is_exact(key)
    count = 1 if exact else RECENT
    same = [night for night in nights if night.label == nights[-1].label]
    earlier = [night.value for night in same if night.created <= since][-count:]
    later = [night.value for night in same if night.created > since][-count:]
    then, now = median(earlier), median(later)
    relative = now / then - 1 if then else 0.0 if now == then else math.inf
    is_news = now != then and (exact or abs(relative) >= LEAST)
    return Difference(then, now, relative, is_news, (len(earlier), len(later)))


def spread_of(key: Key, nights: Sequence[Night], known: Mapping[Key, Sequence[Night]]) -> float | None:
    """The standard deviation of one night around the level of its stretch, relative; else what one night says.

    What one night says are its interval, over queries and processes, and the null control. That is too little, because
    nights differ by more than what is seen within one: it is taken larger as a spread of few nights is. None where
    there is neither.

    Args:
        key: Of the series.
        nights: Its nights, the oldest first.
        known: All series, those of the null control among them.
    """
    same = [night for night in nights if night.label == nights[-1].label][-MEMORY:]
    values = [night.value for night in same]
    edges = sorted({0, len(values), *(step.first for step in steps(values, twice=[night.twice for night in same]))})
    stretches = [values[start:end] for start, end in itertools.pairwise(edges) if end - start >= RECENT]
    around = [value / median(stretch) for stretch in stretches if median(stretch) for value in stretch]
    if len(around) > FEWEST:
        return noise(around).spread
    own = [
        (night.high - night.low) / 2 / NORMAL / abs(night.value)
        for night in same[-RECENT:]
        if night.low is not None and night.high is not None and night.value
    ]
    control = null_effect(key, known)
    if control is not None:
        own.append(control / NORMAL)
    return max(own) * (1 + FEW / len(same)) if own else None


def null_effect(key: Key, known: Mapping[Key, Sequence[Night]], shown: int = 120) -> float | None:
    """How far a system timed against itself was off, median over the nights; None without a null control."""
    base, _, part = key[2].partition("/")
    if not base.startswith("latency_"):
        return None
    name = f"smallest_effect/{base.removeprefix('latency_')} {part}"
    effects = [night.value for (_, _, own), nights in known.items() if own == name for night in nights[-shown:]]
    return median(effects) if effects else None


def shift(watched: Mapping[Key, Sequence[Night]], since: datetime) -> Shift:
    """What the times of all systems share since a time; it takes at least two systems to tell it from a change of one.

    The times of every system must have moved to the same side, and each system's median by about as much.

    Args:
        watched: All series but those of the null control, which is one of the systems once more.
        since: The time.
    """
    by_system: dict[str, list[float]] = {}
    for key, nights in watched.items():
        if _share(key) != 1:
            continue
        change = difference(key, nights, since)
        if isinstance(change, Difference) and change.then > 0 and change.now > 0:
            by_system.setdefault(key[1], []).append(math.log(change.now / change.then))
    if len(by_system) < 2:
        return Shift()
    medians = [median(logs) for logs in by_system.values()]
    middle = median(medians)
    if abs(math.expm1(middle)) < LEAST:
        return Shift()
    apart = max(abs(middle) / 2, math.log1p(LEAST))
    if any(own * middle <= 0 or abs(own - middle) > apart for own in medians):
        return Shift()
    return Shift(math.exp(middle), len(medians), math.expm1(min(medians)), math.expm1(max(medians)))


def _share(key: Key) -> int:
    """What a slower machine does to a series: 1 where it grows, -1 where it shrinks, 0 where it stays.

    Benchmarks are compared as they are.
    """
    if is_exact(key) or key[2].partition("/")[0] in BENCHMARKS:
        return 0
    unit = metric(key[2]).unit
    return 1 if unit == "seconds" else -1 if unit.endswith("/second") else 0


def is_beyond(key: Key, change: Difference, spread: float | None, shared: Shift) -> bool:
    """Whether a change is more than noise and what all systems share.

    Args:
        key: Of the series.
        change: Since a time.
        spread: See `spread_of`; where it is not known, nothing is beyond it.
        shared: See `shift`; it concerns times and rates of systems.
    """
    if is_exact(key) or not math.isfinite(change.relative):
        return change.now != change.then
    if spread is None or change.then <= 0 or change.now <= 0:
        return False
    own = math.log(change.now / change.then)
    own -= _share(key) * math.log(shared.ratio)
    deviation = spread * math.sqrt(sum(1 / count for count in change.nights))
    return abs(own) >= max(math.log1p(LEAST), BEYOND * deviation)


def news(title: str, series: Series, since: datetime) -> News:
    """The changes since a time, grouped by system.

    Args:
        title: The time in words.
        series: Those of the page.
        since: The time.
    """
    shared = series.shift(since)
    beyond: dict[str, list[tuple[float, str]]] = {}
    within: dict[str, list[tuple[float, str]]] = {}
    anew: dict[str, list[str]] = {}
    for key, nights in series.watched.items():
        change = difference(key, nights, since)
        name = f"{key[1]} on {key[0]}"
        if change == NEW:
            anew.setdefault(name, []).append(label(key[2]))
        elif isinstance(change, Difference) and change.is_news:
            spread = series.spread(key)
            group = beyond if is_beyond(key, change, spread, shared) else within
            group.setdefault(name, []).append((abs(change.relative), _sentence(key, change, spread)))
    for name, metrics in anew.items():
        what = metrics[0] if len(metrics) == 1 else f"{len(metrics)} metrics"
        beyond.setdefault(name, []).append((0.0, f"{what}: not comparable, machine, data or definition changed"))
    return News(title, _machine(title, shared, series.watched, since), _grouped(beyond), _grouped(within))


def _sentence(key: Key, change: Difference, spread: float | None) -> str:
    unit = metric(key[2]).unit
    text = f"{label(key[2])}: {number(change.then, unit)} to {number(change.now, unit)} ({change.share(2)}"
    if is_exact(key):
        return f"{text})"
    return f"{text}; noise of a night {f'{spread:.1%}' if spread is not None else 'not known yet'})"


def _grouped(changes: Mapping[str, Sequence[tuple[float, str]]]) -> list[tuple[str, list[str]]]:
    """Systems by their largest change, and the changes of each, the largest first."""
    ordered = {name: sorted(own, key=lambda pair: -pair[0]) for name, own in changes.items()}
    names = sorted(ordered, key=lambda name: -ordered[name][0][0])
    return [(name, [text for _, text in ordered[name]]) for name in names]


def _machine(title: str, shared: Shift, watched: Mapping[Key, Sequence[Night]], since: datetime) -> str:
    if not shared.systems:
        return ""
    word = "slower" if shared.ratio > 1 else "faster"
    amount = shared.change if shared.ratio > 1 else 1 - shared.ratio
    count = "both" if shared.systems == 2 else f"all {shared.systems}"
    text = (
        f"The machine was {amount:.0%} {word} tonight than {title}: the times of {count} systems moved alike "
        f"({shared.least:+.0%} to {shared.most:+.0%})"
    )
    revisions = {
        next((night.revision for night in reversed(nights) if night.created <= since), nights[-1].revision)
        == nights[-1].revision
        for nights in watched.values()
    }
    return f"{text}." if revisions == {True} else f"{text}. Or what all of them run did: the revision changed, too."
