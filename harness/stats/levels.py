"""Percentiles and means of times that were taken in several processes over many queries."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.stats.bootstrap import counts, percentile_interval, weights
from harness.stats.welch import reach_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Estimate: TypeAlias = tuple[float, float, float]
RESAMPLES = 600
_CELLS = 4_000_000
"""Drawn values held at a time."""
_GROUP = 16
PASSES = 3
"""From this number of passes in a process on, the middle of times is compared pass by pass."""


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
    drawn = _resampled(times, levels, seed, resamples).mean(axis=1)
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

    Each draw of queries serves both, so that what makes a query slow for both cancels. Where both have equally many
    processes, process i of one is paired with process i of the other (they ran next to each other), so that drift of
    the machine cancels too; else the two spreads are added. Intervals as in `hierarchical`.

    A middle (q at most 0.5) of equally many passes, `PASSES` or more, is compared pass by pass. Systems take turns pass
    by pass, so a pass of one stands next to the same pass of the other. Of each pair of processes the median over the
    passes' ratios counts, so that neither drift nor bursts within a process matter. Tails and means are of all times.

    Args:
        first: Processes x queries (x repeats), or queries alone; positive.
        second: The same queries in the same columns.
        q: 0 to 1, or None for the mean.
        confidence: Of the interval.
        seed: Of the resampling.
        resamples: Number of resamples.

    Raises:
        ValueError: A value is missing or not positive, or the numbers of queries differ.
    """
    left, right = _checked(first), _checked(second)
    if left.shape[1] != right.shape[1]:
        raise ValueError(f"the same queries are needed: not {left.shape[1]} and {right.shape[1]}")
    if q is not None and q <= 0.5 and left.shape == right.shape and left.ndim == 3 and left.shape[2] >= PASSES:
        return _by_passes(left, right, q, confidence, seed, resamples)
    levels = np.asarray([] if q is None else [q], np.float64)
    own_left, own_right = _by_process(left, levels)[:, 0], _by_process(right, levels)[:, 0]
    value = float(own_left.mean() / own_right.mean())
    first, second = (_resampled(times, levels, seed, resamples)[:, :, 0].mean(axis=1) for times in (left, right))
    drawn = first / second
    log_left, log_right = np.log(own_left), np.log(own_right)
    paired = len(log_left) == len(log_right)
    parts = (log_left - log_right,) if paired else (log_left, log_right)
    return _joined(value, np.log(drawn / value), *parts, confidence=confidence)


def _by_passes(left: Floats, right: Floats, q: float, confidence: float, seed: int, resamples: int) -> Estimate:
    """The ratio of two systems that took turns pass by pass."""
    own = np.median(np.log(np.quantile(left, q, axis=1) / np.quantile(right, q, axis=1)), axis=1)
    value = float(own.mean())
    processes, queries, passes = left.shape
    level = np.asarray([q], np.float64)
    first, second = (
        _resampled(times.transpose(0, 2, 1).reshape(-1, queries), level, seed, resamples)[:, :, 0]
        for times in (left, right)
    )
    ratios = np.log(first / second).reshape(resamples, processes, passes)
    drawn = np.median(ratios, axis=2).mean(axis=1)
    return _joined(float(np.exp(value)), drawn - value, own, confidence=confidence)


def drawn_percentiles(tables: Sequence[Floats], q: float, *, seed: int = 0, resamples: int = 1000) -> Floats:
    """What else a percentile of each system might have been, under other queries and in other processes.

    For what is made of several systems' percentiles. The same queries are drawn for all systems, and the same error of
    each process, so that what makes a query slow for all, or a process of all (they took turns), stays common to them.
    Queries: bootstrap; a quantile under other weights of the queries is read off the sample at a level moved by as much
    as the share below it moved (Bahadur 1966), which spares sorting anew; with few queries beyond the percentile that
    spreads wider than the bootstrap does. Processes: Student's t, as in `hierarchical`; with one process its part is
    left out.

    Args:
        tables: Of each system processes x queries (x repeats); positive; the same number of queries in all.
        q: 0 to 1.
        seed: Of the resampling.
        resamples: Number of values.

    Returns:
        Resamples x systems; the middle of a column is the percentile, averaged over processes.

    Raises:
        ValueError: A value is missing or not positive, or the numbers of queries differ.
    """
    data = [_checked(table) for table in tables]
    queries = data[0].shape[1]
    if any(times.shape[1] != queries for times in data):
        raise ValueError("the same number of queries of all systems is needed")
    ordered = [np.sort(times.reshape(len(times), -1), axis=1) for times in data]
    own = [_read_off(rows, np.full((1, len(rows)), q))[0] for rows in ordered]
    below = [
        (times.reshape(len(times), queries, -1) <= middle[:, None, None]).mean(axis=2)
        for times, middle in zip(data, own, strict=True)
    ]
    moved = weights(queries, seed, resamples) @ np.concatenate(below).T
    percentiles, first = np.empty((resamples, len(data))), 0
    for number, (rows, middle, shares) in enumerate(zip(ordered, own, below, strict=True)):
        levels = q + shares.mean(axis=1) - moved[:, first : first + len(rows)]
        first += len(rows)
        percentiles[:, number] = _read_off(rows, levels).mean(axis=1)
        percentiles[:, number] *= _of_processes(np.log(middle), seed, resamples)
    return percentiles


def drawn_mean_times(tables: Sequence[Floats], shares: Floats, *, seed: int = 0) -> Floats:
    """What else the mean of each system might have been, under other queries and in other processes.

    As `drawn_percentiles`, with draws of queries that the caller has: what else rests on them is paired with the times.

    Args:
        tables: Of each system processes x queries (x repeats); positive; the same number of queries in all.
        shares: Resamples x queries: the share of a draw that each query has; each row adds up to 1.
        seed: Of the processes' errors.

    Returns:
        Resamples x systems.

    Raises:
        ValueError: A value is missing or not positive, or the numbers of queries differ.
    """
    data = [_checked(table) for table in tables]
    if any(times.shape[1] != shares.shape[1] for times in data):
        raise ValueError("the same number of queries of all systems, and of the draws, is needed")
    by_query = [times.reshape(*times.shape[:2], -1).mean(axis=2) for times in data]
    means = shares @ np.stack([times.mean(axis=0) for times in by_query]).T
    errors = [_of_processes(np.log(times.mean(axis=1)), seed, len(shares)) for times in by_query]
    return np.asarray(means * np.stack(errors, axis=1))


def _read_off(rows: Floats, levels: Floats) -> Floats:
    """Of each ascending row the values at levels (levels x rows), linear between ranks."""
    places = np.clip(levels, 0.0, 1.0) * (rows.shape[1] - 1)
    ranks = np.minimum(places.astype(np.int64), rows.shape[1] - 2) if rows.shape[1] > 1 else np.zeros_like(places, int)
    number = np.arange(len(rows))
    low, high = rows[number, ranks], rows[number, np.minimum(ranks + 1, rows.shape[1] - 1)]
    return np.asarray(low + (high - low) * (places - ranks))


def _of_processes(logs: Floats, seed: int, resamples: int) -> Floats:
    """Factors by which a mean over other processes might have differed (Student's t of their logarithms)."""
    count = len(logs)
    if count < 2:
        return np.ones(resamples)
    errors = _errors(count, seed, resamples) @ (logs - logs.mean()) / np.sqrt(count * (count - 1))
    return np.asarray(np.exp(np.clip(errors, -50.0, 50.0)))


@lru_cache(maxsize=4)
def _errors(count: int, seed: int, resamples: int) -> Floats:
    """Resamples x processes: normal, and Student's t of them what a mean's error by them is."""
    rng = np.random.default_rng((seed, count))
    normal = rng.standard_normal((resamples, count))
    return np.asarray(normal * np.sqrt((count - 1) / rng.chisquare(count - 1, (resamples, 1))))


def smallest_effect(null: Estimate) -> float:
    """The smallest relative difference that could have been distinguished from none, from a system against itself.

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
    shares = [(float(np.var(group, ddof=1)) / len(group), len(group) - 1) for group in spreads if len(group) > 1]
    return reach_of(shares, confidence)


def _by_process(times: Floats, levels: Floats) -> Floats:
    """Processes x (each quantile, then the mean) over all queries and repeats."""
    rows = times.reshape(times.shape[0], -1)
    parts = [np.quantile(rows, levels, axis=1).T] if len(levels) else []
    return np.concatenate([*parts, rows.mean(axis=1, keepdims=True)], axis=1)


def _resampled(times: Floats, levels: Floats, seed: int, resamples: int) -> Floats:
    """What `_by_process` gives of drawn queries: resamples x processes x (each quantile, then the mean).

    Times are sorted once: the value of a rank is the first one up to which more than `rank` values are drawn.
    """
    count, queries = times.shape[:2]
    rows = times.reshape(count, queries, -1)
    drawn = counts(queries, seed, resamples)
    size = rows.shape[1] * rows.shape[2]
    values = np.empty((resamples, count, len(levels) + 1))
    values[:, :, -1] = drawn @ rows.mean(axis=2).T / queries
    places = (size - 1) * levels
    ranks, shares = np.floor(places).astype(np.int64), places % 1
    by_query, block = np.ascontiguousarray(drawn.T), max(1, _CELLS // size)
    for process in range(count) if len(levels) else ():
        order = rows[process].argsort(axis=None)
        ordered, query = rows[process].ravel()[order], order // rows.shape[2]
        for begin in range(0, resamples, block):
            part = slice(begin, begin + block)
            often = by_query[query, part]
            for number, (rank, share) in enumerate(zip(ranks.tolist(), shares, strict=True)):
                low, high = (ordered[_holding(often, min(at, size - 1))] for at in (rank, rank + 1))
                step = high - low
                values[part, process, number] = low + step * share if share < 0.5 else high - step * (1 - share)
    return values


def _holding(often: NDArray[np.int16], rank: int) -> NDArray[np.int64]:
    """Where the drawn value of this rank stands among the sorted ones, of each resample.

    Only the sums of `_GROUP` neighbours are added up over all of them; the place is then looked for in one group.

    Args:
        often: Sorted values x resamples: how often each was drawn.
        rank: From 0.
    """
    values, resamples = often.shape
    groups = np.zeros((-(-values // _GROUP), _GROUP, resamples), np.int16)
    groups.reshape(-1, resamples)[:values] = often
    ends = np.cumsum(groups.sum(axis=1, dtype=np.int32), axis=0)
    group, every = (ends <= rank).sum(axis=0), np.arange(resamples)
    before = np.where(group > 0, ends[group - 1, every], 0)
    within = np.cumsum(groups[group, :, every], axis=1, dtype=np.int32) + before[:, None]
    return np.asarray(group * _GROUP + (within <= rank).sum(axis=1))


def _checked(table: Floats) -> Floats:
    times = np.atleast_2d(np.asarray(table, np.float64))
    if times.ndim not in (2, 3) or not times.size or not np.isfinite(times).all() or times.min() <= 0:
        raise ValueError("processes x queries (x repeats) of positive times are needed, none missing")
    return times
