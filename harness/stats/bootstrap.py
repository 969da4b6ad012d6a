"""What is drawn to resample, and checks of samples."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Interval: TypeAlias = tuple[float, float]


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
