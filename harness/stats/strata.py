"""Means of the means of several collections, as a suite of tasks has: estimates, intervals and p-values.

The collections are fixed and the queries of each are a sample: no interval here speaks of tasks that a suite does not
have. The mean is the sum of weight x mean over the collections. Its variance is the sum of weight^2 x the variance of
each collection's mean, with the degrees of freedom of Welch (1947) and Satterthwaite (1946). A collection of which
fewer than `harness.stats.means.FEWEST` queries differ has no usable variance: its own interval (Clopper and Pearson)
is joined with the others as independent (MOVER; Zou and Donner 2008).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.stats.bootstrap import Floats, checked
from harness.stats.means import DIFFERENCE, EVERYTHING, FEWEST, FRACTION, Estimate, few_differ, mean_interval
from harness.stats.welch import freedom_of, reach_of, student

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


def suite_mean(
    strata: Sequence[ArrayLike],
    weights: Sequence[float],
    *,
    confidence: float = 0.95,
    limits: tuple[float, float] | None = None,
) -> Estimate:
    """The weighted mean of the means of several collections, with its interval.

    Args:
        strata: For each collection one value a query, at least one.
        weights: Of each collection, positive; their sum is 1.
        confidence: Of the interval.
        limits: The least and the greatest possible value of a query; None where there are none.

    Returns:
        (value, low, high); without limits -inf and inf where a collection has fewer than `FEWEST` queries. One
        collection gives the interval of `harness.stats.means.mean_interval`.

    Raises:
        ValueError: Numbers of strata and weights differ, the weights do not add up to 1, or a collection's values are
            none, not finite or beyond the limits.
    """
    tables = _checked(strata, weights)
    value = math.fsum(weight * float(data.mean()) for data, weight in zip(tables, weights, strict=True))
    below = above = 0.0
    parts = []
    for data, weight in zip(tables, weights, strict=True):
        own = mean_interval(data, confidence=confidence, limits=limits)
        if few_differ(data) if limits is not None else len(data) < FEWEST:
            mean = float(data.mean())
            below = math.hypot(below, weight * (mean - own[0]))
            above = math.hypot(above, weight * (own[1] - mean))
        else:
            parts.append((weight**2 * float(data.var(ddof=1)) / len(data), len(data) - 1))
    reach = reach_of(parts, confidence)
    low, high = value - math.hypot(reach, below), value + math.hypot(reach, above)
    return (value, low, high) if limits is None else (value, max(low, limits[0]), min(high, limits[1]))


def suite_ratio(
    first: Sequence[ArrayLike],
    second: Sequence[ArrayLike],
    weights: Sequence[float],
    *,
    confidence: float = 0.95,
    fractions: bool = True,
) -> Estimate:
    """Weighted mean of first / weighted mean of second over the same queries, with its interval (Fieller 1954).

    Args:
        first: For each collection one value a query, not negative.
        second: The same queries, not negative.
        weights: As for `suite_mean`.
        confidence: Of the interval.
        fractions: No value is above 1.

    Returns:
        (value, low, high); low = -inf and high = inf where the mean of `second` may be 0. Where fewer than `FEWEST`
        queries of a collection differ, the interval is that of the difference over the least mean of `second`.

    Raises:
        ValueError: The mean of `second` is not positive, the lengths differ, or as for `suite_mean`.
    """
    ours, theirs = _checked(first, weights), _checked(second, weights)
    if [len(data) for data in ours] != [len(data) for data in theirs]:
        raise ValueError("the same queries are needed")
    top, bottom = (
        sum(w * float(data.mean()) for w, data in zip(weights, side, strict=True)) for side in (ours, theirs)
    )
    if bottom <= 0:
        raise ValueError("a positive mean below the line is needed")
    value = top / bottom
    gaps = [x - y for x, y in zip(ours, theirs, strict=True)]
    if fractions and any(few_differ(gap) for gap in gaps):
        least = suite_mean(theirs, weights, confidence=confidence, limits=FRACTION)[1]
        if least <= 0:
            return value, *EVERYTHING
        _, low, high = suite_mean(gaps, weights, confidence=confidence, limits=DIFFERENCE)
        return value, min(1 + low / least, value), max(1 + high / least, value)
    if any(len(gap) < FEWEST for gap in gaps):
        return value, *EVERYTHING
    spread, parts = np.zeros((2, 2)), []
    for x, y, weight in zip(ours, theirs, weights, strict=True):
        spread += weight**2 * np.cov(x, y) / len(x)
        parts.append((weight**2 * float((x - value * y).var(ddof=1)) / len(x), len(x) - 1))
    scale = student(freedom_of(parts), confidence) ** 2
    a = bottom**2 - scale * spread[1, 1]
    b = top * bottom - scale * spread[0, 1]
    c = top**2 - scale * spread[0, 0]
    if a <= 0:
        return value, *EVERYTHING
    root = math.sqrt(max(b * b - a * c, 0.0))
    return value, min((b - root) / a, value), max((b + root) / a, value)


def stratified(strata: Sequence[ArrayLike], weights: Sequence[float] | None = None) -> tuple[float, float]:
    """Mean of the means of several collections, and its two-sided p-value (Welch 1947).

    Args:
        strata: For each collection one value a query, at least 2.
        weights: Of each collection; all the same by default.

    Returns:
        (mean, p-value); p = 1 where no query of any collection differs from another one of its collection, or where
        fewer than `FEWEST` queries in all are not 0.
    """
    from scipy.special import stdtr

    shares = [1 / len(strata)] * len(strata) if weights is None else weights
    tables = _checked(strata, shares)
    mean = math.fsum(weight * float(data.mean()) for data, weight in zip(tables, shares, strict=True))
    parts = [
        (weight**2 * float(data.var(ddof=1)) / len(data) if len(data) > 1 else math.inf, len(data) - 1)
        for data, weight in zip(tables, shares, strict=True)
    ]
    variance = sum(part for part, _ in parts)
    if sum(int(np.count_nonzero(data)) for data in tables) < FEWEST or not 0 < variance < math.inf:
        return mean, 1.0
    return mean, min(1.0, 2 * float(stdtr(freedom_of(parts), -abs(mean) / math.sqrt(variance))))


def _checked(strata: Sequence[ArrayLike], weights: Sequence[float]) -> list[Floats]:
    if len(strata) != len(weights) or not math.isclose(sum(weights), 1, rel_tol=1e-9):
        raise ValueError("a weight for each collection is needed, and their sum must be 1")
    return [checked(values) for values in strata]
