"""Means over queries: one interval for tables and claims, and the p-value that belongs to it.

Student's t is the method. On simulated collections of 20 to 1,000 queries of which 5 to 60 % differ, it held its error
where the BCa bootstrap erred up to five times as often (docs/measurement.md has the table). On the runs of retrieval
systems its p-values hardly differ from those of the randomisation test (Urbano, Lima and Hanjalic 2019). Where nearly
all queries have the same value, no method can know the few others: there the interval rests on the share of queries
that differ (Clopper and Pearson 1934), and is as wide as it must be.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.stats.bootstrap import Floats, Interval, checked, differences

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FEWEST = 10
"""Queries that must differ from the most common value; with fewer, Student's t errs up to eight times as often."""
FRACTION = (0.0, 1.0)
"""Limits of a value such as nDCG or recall."""
DIFFERENCE = (-1.0, 1.0)
"""Limits of the difference of two fractions."""
EVERYTHING = (-math.inf, math.inf)
Estimate = tuple[float, float, float]
"""(value, low, high)."""


def mean_interval(
    values: ArrayLike, *, confidence: float = 0.95, limits: tuple[float, float] | None = None
) -> Interval:
    """Interval of the mean of a population of queries, of which these are a sample.

    Args:
        values: One value a query, float, one dimension, at least one.
        confidence: Of the interval.
        limits: The least and the greatest possible value. With limits, fewer than `FEWEST` queries that differ from
            the most common value give the interval of Clopper and Pearson in place of Student's t.

    Returns:
        (low, high), within the limits; (-inf, inf) for one value without limits.

    Raises:
        ValueError: There is no value, one is not finite, or one is beyond the limits.
    """
    data = checked(values)
    mean = float(data.mean())
    if limits is None:
        if len(data) < 2:
            return EVERYTHING
        reach = _reach(data, confidence)
        return mean - reach, mean + reach
    least, greatest = limits
    if data.min() < least or data.max() > greatest:
        raise ValueError(f"values from {data.min():g} to {data.max():g} are beyond {least:g} to {greatest:g}")
    centre = _common(data)
    if centre is None:
        reach = _reach(data, confidence)
        return max(mean - reach, least), min(mean + reach, greatest)
    below, above = int((data < centre).sum()), int((data > centre).sum())
    low = centre - (centre - least) * _share(below, len(data), confidence)
    high = centre + (greatest - centre) * _share(above, len(data), confidence)
    return min(low, mean), max(high, mean)  # the sum may round


def p_value(values: ArrayLike, *, limits: tuple[float, float] | None = None) -> float:
    """Two-sided p-value of a mean of 0: the interval of confidence 1 - p just reaches 0.

    Arguments and errors as for `mean_interval`; 1 for one value without limits.
    """
    from scipy.special import bdtr, stdtr

    data = checked(values)
    count, mean = len(data), float(data.mean())
    centre = None if limits is None else _common(data)
    if limits is not None and centre is not None:
        span = centre - limits[0] if centre > 0 else limits[1] - centre
        if centre == 0:
            return 1.0
        wrong = int((data < centre).sum()) if centre > 0 else int((data > centre).sum())
        return min(1.0, 2 * float(bdtr(wrong, count, abs(centre) / span)))
    if mean == 0 or count < 2:
        return 1.0
    error = float(data.std(ddof=1)) / math.sqrt(count)
    return 0.0 if error == 0 else 2 * float(stdtr(count - 1, -abs(mean) / error))


def difference(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Mean of first - second, two fractions of each query, with its interval.

    Raises:
        ValueError: The two have different lengths, or no or not finite values.
    """
    data = differences(first, second)
    low, high = mean_interval(data, confidence=confidence, limits=DIFFERENCE)
    return float(data.mean()), low, high


def ratio(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Mean of first / mean of second, two fractions of each query, with its interval (Fieller 1954).

    A ratio r lies within where Student's t does not exclude that first - r x second has a mean of 0. Where fewer than
    `FEWEST` queries differ, the interval is that of `difference` over the least mean of `second`.

    Returns:
        (value, low, high); low = -inf and high = inf where the mean of `second` may be 0.

    Raises:
        ValueError: The mean of `second` is not positive, or the lengths differ.
    """
    ours, theirs = checked(first), checked(second)
    if len(ours) != len(theirs) or theirs.mean() <= 0:
        raise ValueError("the same queries and a positive mean below the line are needed")
    value = float(ours.mean() / theirs.mean())
    if _common(ours - theirs) is not None:
        least = mean_interval(theirs, confidence=confidence, limits=FRACTION)[0]
        if least <= 0:
            return value, *EVERYTHING
        low, high = (1 + end / least for end in difference(ours, theirs, confidence=confidence)[1:])
        return value, min(low, value), max(high, value)
    scale = _quantile(len(ours), confidence) ** 2 / len(ours)
    (ours_spread, shared), (_, theirs_spread) = np.cov(ours, theirs) * scale
    a = theirs.mean() ** 2 - theirs_spread
    b = ours.mean() * theirs.mean() - shared
    c = ours.mean() ** 2 - ours_spread
    if a <= 0:
        return value, *EVERYTHING
    root = math.sqrt(max(b * b - a * c, 0.0))
    return value, min((b - root) / a, value), max((b + root) / a, value)


def _common(data: Floats) -> float | None:
    """The most common value (of several, their median); None where at least `FEWEST` queries have another one."""
    if len(data) < 2 * FEWEST:
        distinct, often = np.unique(data, return_counts=True)
        most = often.max()
        return float(np.median(distinct[often == most])) if len(data) - most < FEWEST else None
    middle = float(np.partition(data, len(data) // 2)[len(data) // 2])  # more than half of all, if there is one
    return middle if int((data != middle).sum()) < FEWEST else None


def _reach(data: Floats, confidence: float) -> float:
    """Half of the width of Student's interval."""
    if np.ptp(data) == 0:  # the standard deviation of equal values may round to more than 0
        return 0.0
    return _quantile(len(data), confidence) * float(data.std(ddof=1)) / math.sqrt(len(data))


def _quantile(count: int, confidence: float) -> float:
    from scipy.special import stdtrit  # a tenth of the import time of scipy.stats, which a report can feel

    return float(stdtrit(count - 1, (1 + confidence) / 2))


def _share(hits: int, count: int, confidence: float) -> float:
    """The largest share of all queries that could have given no more hits than these (Clopper and Pearson 1934)."""
    from scipy.special import betaincinv

    return 1.0 if hits == count else float(betaincinv(hits + 1, count - hits, (1 + confidence) / 2))
