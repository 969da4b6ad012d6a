"""Time queries one by one, encoding and search apart."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from harness.stats.levels import hierarchical
from harness.stats.samples import table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int32]"

V = TypeVar("V")

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
BEYOND_OBSERVATIONS, BEYOND_QUERIES = 10, 5
"""A percentile is given only where a process has so many observations, and so many different queries, beyond it.

With fewer it is the time of one or two queries; its interval was found to cover less than it says. So p99 needs
500 queries with 2 repeats, or 1,000 queries; p95 100 queries with 2 repeats, or 200.
"""
METHOD = "all timed queries of a process, mean over processes; interval over queries (bootstrap) and processes (t)"


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
    between: Callable[[], object] | None = None,
) -> Samples:
    """Time each text `repeats` times, every repeat in a new seeded order, the garbage collector off.

    Args:
        encode: Text to vector.
        search: Vector to hits.
        texts: Queries.
        repeats: Timed passes.
        warmup: Queries run first and not kept (the very first is kept apart).
        seed: Of the orders.
        between: Called between two passes; the warm-up is run again after it.

    Raises:
        ValueError: There are no texts, or no repeats.
    """
    if not texts or repeats < 1:
        raise ValueError("at least one query and one repeat are needed")
    order = np.random.default_rng(seed)
    first = _timed(encode, search, texts[0])

    def warm() -> None:
        for number in range(warmup):
            _timed(encode, search, texts[number % len(texts)])

    warm()
    queries, rounds, rows = [], [], []
    collected = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        overhead = _timer_overhead()
        for repeat in range(repeats):
            if repeat and between is not None:
                between()
                warm()
            for query in order.permutation(len(texts)):
                rows.append(_timed(encode, search, texts[query]))
                queries.append(query)
                rounds.append(repeat)
            gc.collect()
    finally:
        gc.unfreeze()
        if collected:
            gc.enable()
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
    """Percentiles and mean, each with an interval: {"p50": (value, low, high), ..., "mean": ...}.

    A percentile is taken over all timed queries of a process, repeats included, and averaged over processes: taking
    the median or the best of a query's repeats first would hide what a user waits for. The interval covers the choice
    of queries and the spread of processes (see `harness.stats.hierarchical`); repeats of a query are drawn together,
    so that many repeats do not pass for many queries.

    Args:
        process: Number of the process of each row.
        query: Number of the query of each row.
        seconds: Time of each row.
        confidence: Of the intervals.
        seed: Of the resampling.

    Returns:
        p50 and mean always; the others where the sample supports them (`BEYOND_OBSERVATIONS`, `BEYOND_QUERIES`).

    Raises:
        ValueError: Not every process timed every query as often.
    """
    times = table(process, query, seconds)
    return hierarchical(times, supported(times.shape[1], times.shape[2]), confidence=confidence, seed=seed)


def supported(queries: int, repeats: int) -> dict[str, float]:
    """The percentiles that so many queries and repeats in a process can support, by name."""

    def enough(q: float) -> bool:
        beyond = round((1 - q) * queries, 6)
        return beyond >= BEYOND_QUERIES and beyond * repeats >= BEYOND_OBSERVATIONS

    return {name: q for name, q in PERCENTILES.items() if q == 0.5 or enough(q)}
