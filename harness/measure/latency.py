"""Time queries one by one, encoding and search apart."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from harness.stats.bootstrap import hierarchical

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int32]"

V = TypeVar("V")

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
BEYOND = 5
"""A percentile is given only where at least this many queries lie beyond it: with fewer it is a single query's time."""


@dataclass(frozen=True)
class Samples:
    """One row a timed query: its number, the repeat, and seconds of encoding and of search.

    The process' very first query is kept apart; `timer_overhead_seconds` is the median of reading the clock twice.
    """

    query: Ints
    repeat: Ints
    encode_seconds: Floats
    search_seconds: Floats
    first_encode_seconds: float
    first_search_seconds: float
    timer_overhead_seconds: float


def measure_queries(
    encode: Callable[[str], V],
    search: Callable[[V], object],
    texts: Sequence[str],
    *,
    repeats: int,
    warmup: int,
    seed: int,
) -> Samples:
    """Time each text `repeats` times, every repeat in a new seeded order, the garbage collector off.

    Args:
        encode: Text to vector.
        search: Vector to hits.
        texts: Queries.
        repeats: Timed passes.
        warmup: Queries run first and not kept (the very first is kept apart).
        seed: Of the orders.
    """
    order = np.random.default_rng(seed)
    first = _timed(encode, search, texts[0])
    for number in range(warmup):
        _timed(encode, search, texts[number % len(texts)])
    queries, rounds, rows = [], [], []
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        overhead = _timer_overhead()
        for repeat in range(repeats):
            for query in order.permutation(len(texts)):
                rows.append(_timed(encode, search, texts[query]))
                queries.append(query)
                rounds.append(repeat)
            gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    seconds = np.asarray(rows, np.float64).reshape(-1, 2) * 1e-9
    return Samples(
        np.asarray(queries, np.int32),
        np.asarray(rounds, np.int32),
        seconds[:, 0],
        seconds[:, 1],
        first[0] * 1e-9,
        first[1] * 1e-9,
        overhead,
    )


def _timed(encode: Callable[[str], V], search: Callable[[V], object], text: str) -> tuple[int, int]:
    begin = perf_counter_ns()
    vector = encode(text)
    middle = perf_counter_ns()
    search(vector)
    return middle - begin, perf_counter_ns() - middle


def _timer_overhead() -> float:
    gaps = []
    for _ in range(1000):
        begin = perf_counter_ns()
        gaps.append(perf_counter_ns() - begin)
    return float(np.median(gaps)) * 1e-9


def summarise(
    process: Ints, query: Ints, seconds: Floats, *, confidence: float = 0.95, seed: int = 0
) -> dict[str, tuple[float, float, float]]:
    """Percentiles over queries, each with an interval: {"p50": (value, low, high), ..., "mean": ...}.

    A query's time in a process is the median of its repeats; a percentile is taken over the queries of a process and
    averaged over processes. The interval resamples processes, then queries (hierarchical bootstrap), so that many
    repeats in one process do not pass for many measurements.

    Args:
        process: Number of the process of each row.
        query: Number of the query of each row.
        seconds: Time of each row.
        confidence: Of the intervals.
        seed: Of the resampling.
    """
    table = _median_of_repeats(process, query, seconds)
    wanted = {name: q for name, q in PERCENTILES.items() if table.shape[1] * (1 - q) >= BEYOND or q == 0.5}
    return hierarchical(table, wanted, confidence=confidence, seed=seed)


def _median_of_repeats(process: Ints, query: Ints, seconds: Floats) -> Floats:
    """Processes x queries: the median over the repeats."""
    processes, queries = np.unique(process), np.unique(query)
    table = np.full((len(processes), len(queries)), np.nan)
    for row, one in enumerate(processes):
        mine = process == one
        numbers, times = query[mine], seconds[mine]
        order = np.argsort(numbers, kind="stable")
        starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        for number, part in zip(numbers[order][starts], np.split(times[order], starts[1:]), strict=True):
            table[row, np.searchsorted(queries, number)] = np.median(part)
    return table
