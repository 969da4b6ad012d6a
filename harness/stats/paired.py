"""Paired comparison of two systems over the same queries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from harness.stats import means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def minimum_detectable_effect(spread: float, n: float, *, confidence: float = 0.95, power: float = 0.8) -> float:
    """The mean difference that a paired t-test over n pairs finds with this power (noncentral t, Cohen 1988).

    Args:
        spread: Standard deviation of the differences.
        n: Pairs, at least 2.
        confidence: Of the test, two-sided.
        power: Chance that a true difference of this size is found.

    Returns:
        In the unit of `spread`.
    """
    if n < 2:
        raise ValueError("at least 2 pairs are needed")
    return _detectable(n, confidence, power) * spread


@lru_cache(maxsize=256)
def _detectable(n: float, confidence: float, power: float) -> float:
    """In standard deviations."""
    from scipy.optimize import brentq
    from scipy.special import nctdtr, stdtrit

    freedom, root = n - 1, float(np.sqrt(n))
    limit = float(stdtrit(freedom, (1 + confidence) / 2))

    def missing(effect: float) -> float:
        wrong_side = np.nan_to_num(nctdtr(freedom, effect * root, -limit))  # scipy gives NaN where it is next to 0
        return float(power - (1 - nctdtr(freedom, effect * root, limit) + wrong_side))

    guess = float((limit + stdtrit(freedom, power)) / root)
    return float(brentq(missing, 0.3 * guess, 2 * guess, xtol=1e-9))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values for a family of tests (Holm 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


@dataclass(frozen=True)
class Comparison:
    """A system against another over the same queries: all that a reader may ask of a difference.

    `low` and `high` bound the mean difference; `p_value`, not corrected, belongs to that interval (see
    `harness.stats.means`); `effect` is Cohen's d_z; `detectable` the smallest difference that a t-test would have found
    with 80 % power; `equivalence` the p-value of the two one-sided tests.
    """

    difference: float
    low: float
    high: float
    p_value: float
    effect: float
    detectable: float
    equivalence: float


def compare(
    differences: NDArray[np.float64],
    margin: float,
    *,
    confidence: float = 0.95,
    limits: tuple[float, float] | None = None,
) -> list[Comparison]:
    """Many differences (pairs of systems x queries, at least 2 queries) at once; see `Comparison`.

    Args:
        differences: Pairs of systems x queries, finite.
        margin: Of equivalence.
        confidence: Of the intervals.
        limits: The least and the greatest possible difference; None where there are none.

    Raises:
        ValueError: There are fewer than 2 queries, the margin is not positive, or a difference is beyond the limits.
    """
    data = np.atleast_2d(np.asarray(differences, np.float64))
    count = data.shape[1]
    if count < 2:
        raise ValueError("at least 2 queries are needed")
    unit = minimum_detectable_effect(1.0, count, confidence=confidence)
    comparisons = []
    for row in data:
        low, high = means.mean_interval(row, confidence=confidence, limits=limits)
        mean, spread = float(row.mean()), 0.0 if np.ptp(row) == 0 else float(row.std(ddof=1))
        effect = 0.0 if mean == 0 else math.copysign(math.inf, mean) if spread == 0 else mean / spread
        p_value = means.p_value(row, limits=limits)
        equivalence = means.equivalence(row, margin, limits=limits)
        comparisons.append(Comparison(mean, low, high, p_value, effect, unit * spread, equivalence))
    return comparisons
