"""Intervals of a mean by resampling."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Interval: TypeAlias = tuple[float, float]
RESAMPLES = 2000
_CELLS = 4_000_000
"""Drawn values held at a time: bounds the memory at 32 MB."""


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

    Raises:
        ValueError: There is no value, or one is not finite.
    """
    from scipy import stats

    data = checked(values)
    if len(data) < 2 or np.ptp(data) == 0:
        return float(data.mean()), float(data.mean())
    limits = stats.bootstrap(
        (data,),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        batch=max(1, _CELLS // len(data)),
        rng=np.random.default_rng(seed),
        method="BCa",
    ).confidence_interval
    if not np.isfinite([limits.low, limits.high]).all():  # BCa has no answer for some extreme samples
        rng = np.random.default_rng(seed)
        means = [data[rng.integers(len(data), size=len(data))].mean() for _ in range(resamples)]
        return percentile_interval(np.asarray(means), confidence)
    return float(limits.low), float(limits.high)


def paired_difference(
    first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """Mean of first - second over the same queries, with its BCa interval: (value, low, high).

    Raises:
        ValueError: The two have different lengths, or no or not finite values.
    """
    data = differences(first, second)
    low, high = bootstrap_mean(data, confidence=confidence, seed=seed, resamples=resamples)
    return float(data.mean()), low, high


def differences(first: ArrayLike, second: ArrayLike) -> Floats:
    """First - second, pair by pair.

    Raises:
        ValueError: The two have different lengths, or no or not finite values.
    """
    left, right = checked(first), checked(second)
    if left.shape != right.shape:
        raise ValueError(f"pairs are needed, not {len(left)} and {len(right)} values")
    return left - right


def checked(values: ArrayLike) -> Floats:
    """One dimension of float64.

    Raises:
        ValueError: There is no value, one is not finite, or there is more than one dimension.
    """
    data = np.asarray(values, np.float64)
    if data.ndim != 1 or not len(data) or not np.isfinite(data).all():
        raise ValueError("at least one value is needed, all finite, in one dimension")
    return data


def percentile_interval(drawn: Floats, confidence: float) -> Interval:
    """The middle `confidence` of resampled values."""
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def paired_ratio(
    first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """Mean of first / mean of second over the same queries, by the percentile bootstrap: (value, low, high).

    Each draw of queries serves both; single values may be 0.

    Raises:
        ValueError: The mean of `second` is not positive, or the numbers of queries differ.
    """
    above, below = checked(first), checked(second)
    if len(above) != len(below) or below.mean() <= 0:
        raise ValueError("the same queries and a positive mean below the line are needed")
    rng = np.random.default_rng(seed)
    batch, drawn = max(1, _CELLS // len(above)), []
    for begin in range(0, resamples, batch):
        rows = rng.integers(len(above), size=(min(batch, resamples - begin), len(above)))
        drawn.append(above[rows].mean(axis=1) / np.maximum(below[rows].mean(axis=1), 1e-12))
    low, high = percentile_interval(np.concatenate(drawn), confidence)
    return float(above.mean() / below.mean()), low, high


@lru_cache(maxsize=4)
def counts(queries: int, seed: int, resamples: int) -> NDArray[np.int16]:
    """How often each query is drawn: resamples x queries. Kept: a report draws the same ones many times."""
    drawn = np.random.default_rng(seed).integers(queries, size=(resamples, queries))
    drawn += np.arange(resamples)[:, None] * queries
    often = np.bincount(drawn.ravel(), minlength=resamples * queries)
    return often.reshape(resamples, queries).astype(np.int16)


@lru_cache(maxsize=4)
def weights(queries: int, seed: int, resamples: int) -> Floats:
    """`counts` as shares of all that is drawn."""
    return np.asarray(counts(queries, seed, resamples) / queries)
