"""Intervals by resampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Interval: TypeAlias = tuple[float, float]
RESAMPLES = 2000
_CELLS = 4_000_000


def bootstrap_mean(
    values: ArrayLike, *, confidence: float = 0.95, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """BCa bootstrap interval of a mean (Efron 1987), by `scipy.stats.bootstrap`.

    Args:
        values: Observations, float, one dimension, at least one.
        confidence: Of the interval.
        seed: Of the resampling.
        resamples: Number of resamples.

    Returns:
        (low, high); both the mean itself where all values are equal or there is only one.
    """
    from scipy import stats

    data = np.asarray(values, np.float64)
    if len(data) < 2 or np.ptp(data) == 0:
        return float(data.mean()), float(data.mean())
    found = stats.bootstrap(
        (data,),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        batch=max(1, _CELLS // len(data)),
        rng=np.random.default_rng(seed),
        method="BCa",
    ).confidence_interval
    if not np.isfinite([found.low, found.high]).all():  # BCa has no answer for some extreme samples
        return _percentile_interval(_means(data, resamples, seed), confidence)
    return float(found.low), float(found.high)


def paired_difference(
    first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of first - second over the same queries, with its BCa interval: (value, low, high)."""
    data = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    low, high = bootstrap_mean(data, confidence=confidence, seed=seed)
    return float(data.mean()), low, high


def hierarchical(
    table: Floats, quantiles: Mapping[str, float], *, confidence: float = 0.95, seed: int = 0, resamples: int = 1000
) -> dict[str, tuple[float, float, float]]:
    """Percentiles and mean over queries, averaged over processes, with hierarchical bootstrap intervals.

    A resample draws processes, then queries, each with replacement (Davison and Hinkley 1997, section 3.8); the same
    queries are drawn in every process, since they are the same queries.

    Args:
        table: Processes x queries.
        quantiles: Name -> q in 0 to 1.
        confidence: Of the intervals.
        seed: Of the resampling.
        resamples: Number of resamples.

    Returns:
        Name -> (value, low, high), and "mean".
    """
    rng = np.random.default_rng(seed)
    processes, queries = table.shape
    levels = np.asarray(list(quantiles.values()), np.float64)
    drawn = np.empty((resamples, len(levels) + 1))
    for row in range(resamples):
        some = table[rng.integers(processes, size=processes)][:, rng.integers(queries, size=queries)]
        drawn[row] = _summary(some, levels)
    values = _summary(table, levels)
    names = [*quantiles, "mean"]
    result = {}
    for column, name in enumerate(names):
        low, high = _percentile_interval(drawn[:, column], confidence)
        result[name] = (float(values[column]), min(low, float(values[column])), max(high, float(values[column])))
    return result


def percentile_ratio(
    first: Floats, second: Floats, q: float | None, *, confidence: float = 0.95, seed: int = 0, resamples: int = 1000
) -> tuple[float, float, float]:
    """Ratio of a percentile (or of the mean, q None) of two systems over the same queries: (value, low, high).

    Queries are drawn together for both, processes apart: pairs cancel what makes a query slow for both.

    Args:
        first: Processes x queries.
        second: Processes x queries, the same queries in the same columns.
        q: 0 to 1, or None for the mean.
        confidence: Of the interval.
        seed: Of the resampling.
        resamples: Number of resamples.
    """
    rng = np.random.default_rng(seed)
    levels = np.asarray([] if q is None else [q], np.float64)
    queries = first.shape[1]

    def ratio(one: Floats, other: Floats) -> float:
        return float(_summary(one, levels)[0] / _summary(other, levels)[0])

    drawn = np.empty(resamples)
    for row in range(resamples):
        columns = rng.integers(queries, size=queries)
        drawn[row] = ratio(
            first[rng.integers(first.shape[0], size=first.shape[0])][:, columns],
            second[rng.integers(second.shape[0], size=second.shape[0])][:, columns],
        )
    value = ratio(first, second)
    low, high = _percentile_interval(drawn, confidence)
    return value, min(low, value), max(high, value)


def _summary(table: Floats, levels: Floats) -> Floats:
    """Mean over processes of each quantile over queries, and of the mean (last)."""
    parts = [np.quantile(table, levels, axis=1).mean(axis=1)] if len(levels) else []
    return np.concatenate([*parts, [table.mean()]])


def _means(data: Floats, resamples: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    return np.asarray([data[rng.integers(len(data), size=len(data))].mean() for _ in range(resamples)])


def _percentile_interval(drawn: Floats, confidence: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
