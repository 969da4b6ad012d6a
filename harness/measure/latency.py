"""Time queries one by one, encoding and search apart."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from time import perf_counter_ns, process_time_ns
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
"""A percentile is given only where a process has this many observations and this many different queries beyond it.

With fewer it is the time of one or two queries, and its interval covers less than it says. So p99 needs
500 queries with 2 repeats, or 1,000 queries; p95 100 queries with 2 repeats, or 200.
"""
METHOD = "all timed queries of a process, mean over processes; interval over queries (bootstrap) and processes (t)"


SLICE_SECONDS = 1.0
"""A pass that takes longer waits for its turn again after this time, so that systems alternate every second or so."""
WARM_SECONDS = 0.1
"""Warming up after a turn stops here, after one query at least."""
CLOCK_SHARE = 0.01
"""Processor time is read around each query where that costs less than this share of it, else around blocks."""


@dataclass(frozen=True)
class Samples:
    """One row a timed query: its number, the repeat, seconds of encoding and of search, and the engine's part of those.

    The process' very first query is kept apart; `timer_overhead_seconds` is the median of reading the clock twice.
    `encode_cpu` and `search_cpu` have a row a pass: processor seconds of a query, all threads of the process, mean over
    the queries. `asked` is how many queries were run, warming up and processor time included.
    """

    query: Ints
    repeat: Ints
    encode_seconds: Floats
    search_seconds: Floats
    engine_seconds: Floats
    """NaN where the engine's part is not known."""
    first_encode_seconds: float
    first_search_seconds: float
    timer_overhead_seconds: float
    encode_cpu: Floats
    search_cpu: Floats
    asked: int


def measure_queries(
    encode: Callable[[str], V],
    search: Callable[[V], object],
    texts: Sequence[str],
    *,
    repeats: int,
    warmup: int,
    seed: int,
    turn: Callable[[int], object] | None = None,
    engine: Callable[[], int | None] | None = None,
) -> Samples:
    """Time each text `repeats` times, every repeat in a new seeded order, the garbage collector off and frozen.

    Args:
        encode: Text to vector.
        search: Vector to hits.
        texts: Queries.
        repeats: Timed passes.
        warmup: Queries run first and not kept (the very first is kept apart).
        seed: Of the orders.
        turn: Called with the number of the pass before each part of it (`SLICE_SECONDS`), returns when the part may
            begin; the warm-up is run again after it.
        engine: Nanoseconds of the last search that were the engine's own; asked after each timed query, None where it
            is not known.

    Raises:
        ValueError: There are no texts, or no repeats.
    """
    if not texts or repeats < 1:
        raise ValueError("at least one query and one repeat are needed")
    order = np.random.default_rng(seed)
    first = _timed(encode, search, texts[0])
    warm = [sum(_timed(encode, search, texts[number % len(texts)])) for number in range(warmup)]
    rows: list[tuple[int, int]] = []
    own: list[int | None] = []
    queries, rounds, processor, asked = [], [], [], 1 + warmup
    collected = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        overhead, cost = _gap(perf_counter_ns), _gap(process_time_ns)
        block = int(3 * cost / CLOCK_SHARE / max(float(np.median(warm or [sum(first)])), 1.0)) + 1
        for repeat in range(repeats):
            places, until, used = order.permutation(len(texts)).astype(np.int32), 0, (0, 0)
            for query in places:
                if turn is not None and perf_counter_ns() >= until:
                    turn(repeat)
                    asked += _warm_up(encode, search, texts, warmup)
                    until = perf_counter_ns() + int(SLICE_SECONDS * 1e9)
                if block == 1:
                    row, cpu_row = _timed_twice(encode, search, texts[query])
                    used = used[0] + cpu_row[0], used[1] + cpu_row[1]
                else:
                    row = _timed(encode, search, texts[query])
                rows.append(row)
                own.append(None if engine is None else engine())
            queries.append(places)
            rounds.append(np.full(len(texts), repeat))
            processor.append(used if block == 1 else _processor_of(encode, search, texts, places, block))
            asked += len(texts) * (1 if block == 1 else 2)
            gc.collect()
    finally:
        gc.unfreeze()
        if collected:
            gc.enable()
    seconds, cpu = np.asarray(rows, np.float64) * 1e-9, np.asarray(processor, np.float64) * 1e-9 / len(texts)
    return Samples(
        np.concatenate(queries),
        np.concatenate(rounds).astype(np.int32),
        seconds[:, 0],
        seconds[:, 1],
        np.asarray([np.nan if spent is None else spent for spent in own], np.float64) * 1e-9,
        first[0] * 1e-9,
        first[1] * 1e-9,
        overhead * 1e-9,
        cpu[:, 0],
        cpu[:, 1],
        asked,
    )


def _timed(encode: Callable[[str], V], search: Callable[[V], object], text: str) -> tuple[int, int]:
    begin = perf_counter_ns()
    vector = encode(text)
    middle = perf_counter_ns()
    search(vector)
    return middle - begin, perf_counter_ns() - middle


def _timed_twice(
    encode: Callable[[str], V], search: Callable[[V], object], text: str
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Wall and processor nanoseconds; the processor's clock is read outside of what the wall's times."""
    start = process_time_ns()
    begin = perf_counter_ns()
    vector = encode(text)
    encoded = perf_counter_ns()
    middle = process_time_ns()
    resumed = perf_counter_ns()
    search(vector)
    searched = perf_counter_ns()
    return (encoded - begin, searched - resumed), (middle - start, process_time_ns() - middle)


def _processor_of(
    encode: Callable[[str], V], search: Callable[[V], object], texts: Sequence[str], places: Ints, block: int
) -> tuple[int, int]:
    """Processor nanoseconds of a pass, each query run once more, encoding and search in blocks of queries."""
    encoding = searching = 0
    for begin in range(0, len(places), block):
        wanted = [texts[place] for place in places[begin : begin + block]]
        start = process_time_ns()
        vectors = [encode(text) for text in wanted]
        middle = process_time_ns()
        for vector in vectors:
            search(vector)
        encoding, searching = encoding + middle - start, searching + process_time_ns() - middle
    return encoding, searching


def _warm_up(encode: Callable[[str], V], search: Callable[[V], object], texts: Sequence[str], count: int) -> int:
    """How many queries were run."""
    until = perf_counter_ns() + int(WARM_SECONDS * 1e9)
    for number in range(count):
        _timed(encode, search, texts[number % len(texts)])
        if perf_counter_ns() > until:
            return number + 1
    return count


def _gap(clock: Callable[[], int]) -> float:
    """Median of reading a clock twice, nanoseconds."""
    gaps = []
    for _ in range(1000):
        begin = clock()
        gaps.append(clock() - begin)
    return float(np.median(gaps))


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


def least(query: Ints, seconds: Floats) -> float:
    """Mean over queries of each one's shortest time, over all processes and repeats, in seconds.

    Args:
        query: Number of the query of each row, from 0.
        seconds: Time of each row.
    """
    shortest = np.full(int(query.max()) + 1, np.inf)
    np.minimum.at(shortest, query, seconds)
    return float(shortest[np.isfinite(shortest)].mean())


def supported(queries: int, repeats: int) -> dict[str, float]:
    """The percentiles that a process with this many queries and repeats can support, by name."""

    def enough(q: float) -> bool:
        beyond = round((1 - q) * queries, 6)
        return beyond >= BEYOND_QUERIES and beyond * repeats >= BEYOND_OBSERVATIONS

    return {name: q for name, q in PERCENTILES.items() if q == 0.5 or enough(q)}
