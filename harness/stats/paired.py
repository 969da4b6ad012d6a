"""Paired comparison of two systems over the same queries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


_WIDENED = 1 << 17
"""Bits that are made floats at a time."""
_CACHED = 1000
"""Sign patterns over at most this many queries stay in memory as floats."""


def randomisations(differences: NDArray[np.float64], *, seed: int = 0, resamples: int = 10_000) -> NDArray[np.float64]:
    """Fisher's randomisation test on the mean difference (Smucker, Allan and Carterette 2007) of many pairs of systems.

    Each query's difference keeps or changes its sign. All pairs answer the same queries: one sign pattern serves all.

    Args:
        differences: Pairs of systems x queries, finite.
        seed: Of the sign patterns.
        resamples: Sampled patterns; all 2^queries where there are no more than that.

    Returns:
        A two-sided p-value a pair; (hits + 1) / (resamples + 1) where patterns are sampled (Phipson and Smyth 2010).
    """
    data = np.atleast_2d(np.asarray(differences, np.float64))
    pairs, queries = data.shape
    total = data.sum(axis=1)
    sums = np.abs(total)
    # A little less than the sum found: equal sums, added in another order, count as equal.
    enough = sums * (1 - 1e-9) - 1e-12 * np.abs(data).sum(axis=1)
    exact = queries < 60 and 2**queries <= resamples
    patterns = 2**queries if exact else resamples
    hits = np.zeros(pairs)
    for begin in range(0, patterns, 1000):
        size = min(1000, patterns - begin)
        if exact:
            signs = ((np.arange(begin, begin + size)[:, None] >> np.arange(queries)) & 1).astype(np.float64)
            sums_kept = signs @ data.T
        elif queries <= _CACHED:
            sums_kept = _patterns(queries, seed, begin, size) @ data.T
        else:
            sums_kept = _sums_of_bits(_bits(queries, seed, begin, size), data)
        # Differences that keep their sign less those that change it are twice those that keep it less all.
        hits += (np.abs(2 * sums_kept - total) >= enough).sum(axis=0)
    p_values = hits / patterns if exact else (hits + 1) / (patterns + 1)
    return np.where(data.any(axis=1), p_values, 1.0)


@lru_cache(maxsize=12)
def _patterns(queries: int, seed: int, begin: int, size: int) -> NDArray[np.float64]:
    """Rows `begin` and on of the patterns, 1 where the sign is kept and 0 where it changes.

    They stay in memory, because a report tests many families over the same queries.
    """
    return _bits(queries, seed, begin, size).astype(np.float64)


def _bits(queries: int, seed: int, begin: int, size: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng((seed, begin))
    return np.unpackbits(rng.integers(256, size=(size, -(-queries // 8)), dtype=np.uint8), axis=1)[:, :queries]


def _sums_of_bits(bits: NDArray[np.uint8], data: NDArray[np.float64]) -> NDArray[np.float64]:
    """Patterns x pairs. Bits are widened a part at a time: all at once they would not stay in the cache."""
    rows = max(_WIDENED // bits.shape[1], 1)
    parts = [bits[begin : begin + rows].astype(np.float64) @ data.T for begin in range(0, len(bits), rows)]
    return np.concatenate(parts)


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

    `low` and `high` bound the mean difference (Student's t); `p_value` is of the randomisation test, not corrected;
    `effect` Cohen's d_z; `detectable` the smallest difference that would have been found with 80 % power; `equivalence`
    the p-value of the two one-sided tests.
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
    seed: int = 0,
    p_values: NDArray[np.float64] | None = None,
) -> list[Comparison]:
    """Many differences (pairs of systems x queries, at least 2 queries) at once; see `Comparison`.

    `p_values` are those of `randomisations`, where they are known already.

    Raises:
        ValueError: There are fewer than 2 queries, or the margin is not positive.
    """
    from scipy.special import stdtr, stdtrit  # a tenth of the import time of scipy.stats, which a report can feel

    data = np.atleast_2d(np.asarray(differences, np.float64))
    count = data.shape[1]
    if count < 2 or not margin > 0:
        raise ValueError("at least 2 queries and a positive margin are needed")
    mean, spread = data.mean(axis=1), data.std(axis=1, ddof=1)
    spread = np.where(np.ptp(data, axis=1) == 0, 0.0, spread)
    error = spread / np.sqrt(count)
    reach = stdtrit(count - 1, (1 + confidence) / 2) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(
            error > 0, (margin - np.abs(mean)) / error, np.where(np.abs(mean) < margin, np.inf, -np.inf)
        )
        effect = np.where(mean == 0, 0.0, mean / spread)
    equivalence = stdtr(count - 1, -distance)
    p_values = randomisations(data, seed=seed) if p_values is None else p_values
    unit = minimum_detectable_effect(1.0, count, confidence=confidence)
    columns = (mean, mean - reach, mean + reach, p_values, effect, unit * spread, equivalence)
    return [Comparison(*map(float, row)) for row in np.stack(columns, axis=1)]
