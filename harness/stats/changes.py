"""Steps and slow drift in a series of nights: found soon, and seldom where there are none.

A step is found by a one-step-ahead test with clipped scores (the CUSUM of Page 1954 with Huber's score function): each
night is held against the nights before it, and since one night can add no more than `CLIP` to a sum, no single outlier
makes an alarm. The sums' spread allows for autocorrelation. Drift, which no step shows, is the change of the last
nights' median against the best nights'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = "NDArray[np.float64]"
CLIP = 4.0
"""The most standard deviations that one night counts."""
ALARM = 4.1
"""A standardised sum above this is a step where tonight was measured twice; calibrated on simulated histories."""
ALARM_ONCE = 5.5
"""The same where it was measured once."""
SUSPICION = 2.2
"""From here on a night is measured a second time."""
LEAST = 0.025
"""Smaller relative changes are no alarm, however sure."""
DRIFT_ALARM = 7.0
"""The same for the difference of two windows' medians, the best of many windows being one of them."""
DRIFT_ALARM_ONCE = DRIFT_ALARM * ALARM_ONCE / ALARM
"""The same where tonight was measured once."""
FEWEST = 8
"""Nights before the first one that can be judged."""
FEW = 6.0
"""A spread of n nights is taken larger by this share of 1/n: of few nights it is hardly known."""
LONGEST = 10
"""Nights that a step is looked for in; what is slower is drift."""
MEMORY = 60
"""Nights that level and spread are taken from."""
WINDOW = 7
"""Nights of a window of `drift`."""
FLOOR = 2e-3
"""Spread is never taken to be less than this share of the level: a few nights may agree by chance."""
MAD = 1.4826
"""Standard deviations of a normal distribution in a median absolute deviation."""


@dataclass(frozen=True)
class Step:
    """A lasting change of level.

    Attributes:
        first: Place of the first value after it.
        last_before: Place of the last value of the same series before it.
        detected: Place of the value with which it was found.
        before: Level before.
        after: Level since.
        score: The standardised sum, signed.
    """

    first: int
    last_before: int
    detected: int
    before: float
    after: float
    score: float

    @property
    def change(self) -> float:
        """Relative."""
        return self.after / self.before - 1


@dataclass(frozen=True)
class Drift:
    """A slow change for the worse against the best that there was: places of both windows' last values, and levels."""

    best_at: int
    now_at: int
    best: float
    now: float
    score: float

    @property
    def change(self) -> float:
        """Relative."""
        return self.now / self.best - 1


@dataclass(frozen=True)
class Noise:
    """Level and spread of a quiet stretch; `correlation` of one night with the next, not below 0."""

    level: float
    spread: float
    correlation: float

    def of_sum(self, nights: Floats) -> Floats:
        """Standard deviation of a sum over each number of nights, in spreads: that of an autoregressive series."""
        r = self.correlation
        return np.sqrt(nights * (1 + r) / (1 - r) - 2 * r * (1 - r**nights) / (1 - r) ** 2)


def noise(values: ArrayLike) -> Noise:
    """Median, median absolute deviation and autocorrelation of a stretch without steps, all robust.

    The correlation is that of clipped scores, drawn towards 0.2 as if by ten more nights: of few nights it is hardly
    known, and to take it for 0 makes false alarms.
    """
    data = np.asarray(values, np.float64)
    level = _median(data)
    spread = MAD * _median(np.abs(data - level)) * (1 + FEW / len(data))
    spread = max(spread, FLOOR * abs(level), 1e-300)
    scores = _clipped(data, level, spread)
    power = float(scores @ scores)
    correlation = float(scores[1:] @ scores[:-1]) / power if power else 0.0
    return Noise(level, spread, min(max((correlation * len(data) + 0.2 * 10) / (len(data) + 10), 0.0), 0.8))


def _median(values: Floats) -> float:
    """As `numpy.median`, ten times as fast for a few dozen values."""
    ordered, middle = np.sort(values), len(values) // 2
    return float(ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


def _clipped(values: Floats, level: float, spread: float) -> Floats:
    return np.maximum(np.minimum((values - level) / spread, CLIP), -CLIP)


def steps(
    values: ArrayLike, labels: Sequence[str] | None = None, *, twice: Sequence[bool] | None = None, least: float = LEAST
) -> list[Step]:
    """All steps, up and down, as they would have been found night by night.

    After a step, a new stretch begins with the first value behind it.

    Args:
        values: One a night, oldest first, finite.
        labels: What must be the same for two values to be comparable (the machine); a label that returns goes on where
            it was.
        twice: Nights that were measured a second time: `ALARM` is enough for them, `ALARM_ONCE` is needed for others.
        least: Relative change from which on it is a step.

    Returns:
        In the order in which they were detected.

    Raises:
        ValueError: A value is not finite, or the number of labels differs.
    """
    data = np.asarray(values, np.float64)
    names = np.zeros(len(data), np.int64) if labels is None else np.unique(list(labels), return_inverse=True)[1]
    if data.ndim != 1 or len(names) != len(data) or not np.isfinite(data).all():
        raise ValueError("finite values in one dimension are needed, and a label for each")
    sure = np.zeros(len(data), bool) if twice is None else np.asarray(twice, bool)
    alarm = np.where(sure, ALARM, ALARM_ONCE)
    detected = []
    for name in np.unique(names):
        places = np.flatnonzero(names == name)
        for step in _steps(data[places], alarm[places], least):
            detected.append(
                Step(
                    int(places[step.first]),
                    int(places[step.last_before]),
                    int(places[step.detected]),
                    step.before,
                    step.after,
                    step.score,
                )
            )
    return sorted(detected, key=lambda step: step.detected)


def _steps(data: Floats, alarm: Floats, least: float) -> list[Step]:
    detected, start = [], 0
    night = FEWEST
    while night < len(data):
        step = newest(data[start : night + 1], float(alarm[night]), least)
        if step is None:
            night += 1
            continue
        first = start + step.first
        detected.append(Step(first, first - 1, night, step.before, step.after, step.score))
        start = first
        night = max(night + 1, start + FEWEST)
    return detected


def newest(stretch: Floats, alarm: float = ALARM, least: float = LEAST) -> Step | None:
    """A step found with the last night of a stretch that had none before; None where there is none, or too few nights.

    Args:
        stretch: Values of one machine since the last step, oldest first.
        alarm: Standardised sum from which on it is a step.
        least: Relative change from which on it is one.
    """
    if len(stretch) <= FEWEST:
        return None
    most = min(LONGEST, len(stretch) // 3)
    quiet = noise(stretch[-MEMORY - most : -most])
    scores = _clipped(stretch[-most:], quiet.level, quiet.spread)
    sums = np.cumsum(scores[::-1])
    nights = np.arange(1, most + 1, dtype=np.float64)
    # The level itself is estimated from a limited number of nights; its error is in every score of the sum.
    known = min(len(stretch) - most, MEMORY)
    spread = np.sqrt(
        quiet.of_sum(nights) ** 2 + nights**2 * np.pi / 2 * quiet.of_sum(np.asarray([float(known)]))[0] ** 2 / known**2
    )
    standard = sums / spread
    place = int(np.argmax(np.abs(standard)))
    if abs(standard[place]) < alarm:
        return None
    after = _median(stretch[-place - 1 :])
    first = len(stretch) - most + _split(stretch[-most:], quiet, after)
    level = _median(stretch[first:])
    if abs(level - quiet.level) < least * abs(quiet.level):
        return None
    return Step(first, first - 1, len(stretch) - 1, quiet.level, level, float(standard[place]))


def _split(tail: Floats, quiet: Noise, after: float) -> int:
    """Where a tail passes from one level to the other: the most likely place, errors clipped."""
    old = np.minimum(np.abs(tail - quiet.level) / quiet.spread, CLIP)
    new = np.minimum(np.abs(tail - after) / quiet.spread, CLIP)
    gains = np.cumsum((old - new)[::-1])[::-1]
    return int(np.argmax(gains))


def drift(values: ArrayLike, *, worse: int, alarm: float = DRIFT_ALARM, window: int = WINDOW) -> Drift | None:
    """The change of the last nights against the best nights, where it is more than chance.

    Args:
        values: One a night, oldest first, of one machine.
        worse: 1 where more is worse, -1 where less is.
        alarm: Difference of the medians, in standard deviations of it, from which on it is drift.
        window: Nights of a median.

    Returns:
        None where nothing has drifted, or there are fewer than three windows.
    """
    data = np.asarray(values, np.float64)
    if len(data) < 3 * window:
        return None
    views = np.lib.stride_tricks.sliding_window_view(data, window)
    medians = np.median(views, axis=1)
    best = int(np.argmin(worse * medians[: len(data) - 2 * window + 1]))
    # Around the moving level, so that the drift itself does not hide as noise.
    around = data[window // 2 : len(medians) + window // 2] - medians
    level = float(medians[best])
    quiet = noise(around + level)
    error = quiet.spread * quiet.of_sum(np.asarray([float(window)]))[0] / window * np.sqrt(np.pi / 2 * 2)
    # A median of seven takes part of each value's own noise away.
    error *= np.sqrt(window / (window - 1.5))
    score = worse * (float(medians[-1]) - level) / error
    if score < alarm:
        return None
    return Drift(best + window - 1, len(data) - 1, level, float(medians[-1]), float(score))
