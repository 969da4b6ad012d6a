"""Percentiles and means of times that were taken in several processes over many queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.stats.bootstrap import percentile_interval, weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Estimate: TypeAlias = tuple[float, float, float]
RESAMPLES = 600
PASSES = 3
"""So many passes in a process and the middle of times is compared pass by pass."""


def hierarchical(
    table: Floats,
    quantiles: Mapping[str, float],
    *,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Estimate]:
    """Percentiles and mean over queries, averaged over processes, with intervals over processes and queries.

    Two things vary: which queries were asked, and what each process met (layout of memory, neighbours, frequency).
    Queries are resampled (percentile bootstrap; the same queries in every process, with all their repeats). Processes
    are too few to be resampled (three give a "95 %" interval that covers 67 %), so their part is
    Student's t over the processes' own estimates. Both parts are joined on the log scale by MOVER (Zou and Donner
    2008): the distances of the two limits from the value add up in squares, low and high apart.

    Args:
        table: Processes x queries, or processes x queries x repeats; positive.
        quantiles: Name -> q in 0 to 1.
        confidence: Of the intervals.
        seed: Of the resampling.
        resamples: Number of resamples.

    Returns:
        Name -> (value, low, high), and "mean". With one process the interval covers the choice of queries alone.

    Raises:
        ValueError: A value is missing or not positive.
    """
    times = _checked(table)
    levels = np.asarray(list(quantiles.values()), np.float64)
    own = _by_process(times, levels)
    drawn = np.stack(
        [_by_process(times[:, columns], levels).mean(axis=0) for columns in _drawn(times.shape[1], resamples, seed)]
    )
    value = own.mean(axis=0)
    spread = own / value
    names = [*quantiles, "mean"]
    return {
        name: _joined(
            float(value[place]), np.log(drawn[:, place] / value[place]), np.log(spread[:, place]), confidence=confidence
        )
        for place, name in enumerate(names)
    }


def percentile_ratio(
    first: Floats,
    second: Floats,
    q: float | None,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Ratio of a percentile (or of the mean, q None) of two systems over the same queries: (value, low, high).

    Queries are drawn together for both, so that what makes a query slow for both cancels. Where both have as many
    processes, process i of one is paired with process i of the other (they ran next to each other), so that drift of
    the machine cancels too; else the two spreads are added. Intervals as in `hierarchical`.

    A middle (q at most 0.5) of as many passes, `PASSES` or more, is compared pass by pass: systems take turns pass by
    pass, so a pass of one stands next to the same pass of the other. Of each pair of processes the median over the
    passes' ratios counts, so that neither drift nor bursts within a process matter. Tails and means are of all times.

    Args:
        first: Processes x queries (x repeats), or queries alone; positive.
        second: The same queries in the same columns.
        q: 0 to 1, or None for the mean.
        confidence: Of the interval.
        seed: Of the resampling.
        resamples: Number of resamples.

    Raises:
        ValueError: A value is missing or not positive, or the queries are not as many.
    """
    one, other = _checked(first), _checked(second)
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"the same queries are needed: found {one.shape[1]} and {other.shape[1]}")
    if q is not None and q <= 0.5 and one.shape == other.shape and one.ndim == 3 and one.shape[2] >= PASSES:
        return _by_passes(one, other, q, confidence, seed, resamples)
    levels = np.asarray([] if q is None else [q], np.float64)
    own_one, own_other = _by_process(one, levels)[:, 0], _by_process(other, levels)[:, 0]
    value = float(own_one.mean() / own_other.mean())
    drawn = np.asarray(
        [
            _by_process(one[:, columns], levels)[:, 0].mean() / _by_process(other[:, columns], levels)[:, 0].mean()
            for columns in _drawn(one.shape[1], resamples, seed)
        ]
    )
    log_one, log_other = np.log(own_one), np.log(own_other)
    paired = len(log_one) == len(log_other)
    parts = (log_one - log_other,) if paired else (log_one, log_other)
    return _joined(value, np.log(drawn / value), *parts, confidence=confidence)


def _by_passes(one: Floats, other: Floats, q: float, confidence: float, seed: int, resamples: int) -> Estimate:
    """The ratio of two systems that took turns pass by pass."""

    def ratios(columns: NDArray[np.int64] | slice) -> Floats:
        """Logarithm of the ratio in each pair of processes."""
        first, second = (np.quantile(times[:, columns], q, axis=1) for times in (one, other))
        return np.asarray(np.median(np.log(first / second), axis=1))

    own = ratios(slice(None))
    value = float(own.mean())
    drawn = np.asarray([ratios(columns).mean() for columns in _drawn(one.shape[1], resamples, seed)])
    return _joined(float(np.exp(value)), drawn - value, own, confidence=confidence)


def drawn_percentile(table: Floats, q: float, *, seed: int = 0, resamples: int = 1000) -> Floats:
    """What else a percentile might have been: its value under other queries and other processes, one a resample.

    For what is made of several systems' percentiles. The same seed draws the same queries and the same error of each
    process for all systems, so that what makes a query slow for all, or a process of all (they took turns), stays
    common to them. Queries: bootstrap; a quantile under other weights of the queries is read off the sample at a level
    moved by as much as the share below it moved (Bahadur 1966), which spares sorting anew; with few queries beyond the
    percentile that spreads wider than the bootstrap does. Processes: Student's t, as
    in `hierarchical`; with one process its part is left out.

    Args:
        table: Processes x queries (x repeats); positive.
        q: 0 to 1.
        seed: Of the resampling.
        resamples: Number of values.

    Returns:
        float64, one dimension; the middle is the percentile, averaged over processes.

    Raises:
        ValueError: A value is missing or not positive.
    """
    times = _checked(table)
    count, queries = times.shape[:2]
    rows = np.sort(times.reshape(count, -1), axis=1)
    own = np.quantile(rows, q, axis=1)
    below = (times.reshape(count, queries, -1) <= own[:, None, None]).mean(axis=2)
    levels = np.clip(q + below.mean(axis=1) - weights(queries, seed, resamples) @ below.T, 0.0, 1.0)
    places = np.linspace(0.0, 1.0, rows.shape[1])
    drawn = np.mean([np.interp(levels[:, one], places, rows[one]) for one in range(count)], axis=0)
    if count > 1:
        rng = np.random.default_rng((seed, count))
        apart = np.log(own) - np.log(own).mean()
        spread = rng.standard_normal((resamples, count)) @ apart / np.sqrt(count * (count - 1))
        wide = np.sqrt((count - 1) / rng.chisquare(count - 1, resamples))  # makes Student's t of the normal ones
        drawn = drawn * np.exp(np.clip(spread * wide, -50.0, 50.0))
    return np.asarray(drawn, np.float64)


def smallest_effect(null: Estimate) -> float:
    """The smallest relative difference that could have been told from none, from a system compared with itself.

    A fraction: the farther limit of the null ratio's interval from 1, so that a bias of the machine counts as well.
    """
    _, low, high = null
    return max(high - 1.0, 1.0 - low, 0.0)


def _joined(value: float, resampled: Floats, *spreads: Floats, confidence: float) -> Estimate:
    """Value with the limits of both levels joined (MOVER); `resampled` and `spreads` are logarithms."""
    low, high = percentile_interval(resampled, confidence)
    reach = _student(spreads, confidence)
    return (
        value,
        value * float(np.exp(-np.hypot(min(low, 0.0), reach))),
        value * float(np.exp(np.hypot(max(high, 0.0), reach))),
    )


def _student(spreads: tuple[Floats, ...], confidence: float) -> float:
    """Half width of Student's (one group) or Welch's (two groups) interval of a mean; 0 for single observations."""
    from scipy import stats

    shares = [(float(np.var(group, ddof=1)) / len(group), len(group) - 1) for group in spreads if len(group) > 1]
    total = sum(variance for variance, _ in shares)
    if total <= 0:
        return 0.0
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in shares)
    return float(stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(total))


def _by_process(times: Floats, levels: Floats) -> Floats:
    """Processes x (each quantile, then the mean) over all queries and repeats."""
    rows = times.reshape(times.shape[0], -1)
    parts = [np.quantile(rows, levels, axis=1).T] if len(levels) else []
    return np.concatenate([*parts, rows.mean(axis=1, keepdims=True)], axis=1)


def _drawn(queries: int, resamples: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(queries, size=(resamples, queries))


def _checked(table: Floats) -> Floats:
    times = np.atleast_2d(np.asarray(table, np.float64))
    if times.ndim not in (2, 3) or not times.size or not np.isfinite(times).all() or times.min() <= 0:
        raise ValueError("processes x queries (x repeats) of positive times are needed, none missing")
    return times
