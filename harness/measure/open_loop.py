"""Load that does not wait for answers: queries arrive when they arrive, and their latency counts from then.

A loop that sends the next query after the last answer never asks while the system is slow, and so leaves out just the
latencies that users complain of (coordinated omission).
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Answer: TypeAlias = "Callable[[int], object]"
"""Answers the query of this number. Each server has one that no other thread uses."""
Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int32]"

QUANTILE = 0.99
"""Share of the latencies that must keep under the bound."""
CONFIDENCE = 0.99
"""Of that; loadgen's."""
BOUNDS = 100.0
"""A rate is offered for at least this multiple of the bound: a queue that grows needs time to show it."""
NEAR = 0.99
"""The highest utilisation that is tried: a queue of random arrivals grows for ever from 1 on."""
SPIN_SECONDS = 2e-4
"""The last part of a wait is spun away: sleep() alone comes back 50 to 100 microseconds late."""


@dataclass(frozen=True)
class OpenLoop:
    """One row a query, in order of arrival: seconds from the intended start to the answer, and of answering alone."""

    query: Ints
    intended: Floats
    latency: Floats
    service: Floats


@dataclass(frozen=True)
class Offered:
    """One rate that was tried.

    Attributes:
        rate: Arrivals a second.
        arrivals: How many were to come.
        answered: How many were answered until it was certain that the rate is not bearable; else all.
        late: How many of them took longer than the bound.
        percentiles: Name -> seconds, of the latencies answered: p50, p99, and p99.9 where as many could support it.
        utilisation: Share of the servers' time that answering took, at this rate.
        bearable: Whether the bound held.
    """

    rate: float
    arrivals: int
    answered: int
    late: int
    percentiles: dict[str, float]
    utilisation: float
    bearable: bool


@dataclass(frozen=True)
class Load:
    """The highest bearable rate (queries a second), 0 where none was, and every rate in the order tried."""

    rate: float
    tried: tuple[Offered, ...]


def arrivals(rate: float, count: int, seed: int) -> Floats:
    """Times of a Poisson process: `count` arrivals, seconds from the start, at `rate` a second on average."""
    if rate <= 0 or count < 1:
        raise ValueError("a positive rate and at least one arrival are needed")
    return np.cumsum(np.random.default_rng(seed).exponential(1.0 / rate, count))


def serve(
    servers: Sequence[Answer],
    queries: int,
    intended: Floats,
    *,
    seed: int,
    give_up: tuple[float, int] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> OpenLoop:
    """Answer queries in order of arrival, first come first served: a server that is free takes the next one.

    Args:
        servers: One answers in this thread, each other one in a thread of its own. They help only where they let go of
            Python's lock; where they do not, each waits for the others, and that is part of the times.
        queries: How many there are; each arrival asks for one of them at random, so that caches see a mixture.
        intended: Times of arrival, ascending, seconds from the start.
        seed: Of the choice.
        give_up: (seconds, count): stop once more than `count` latencies were longer than this; the rows end there.
        clock: Seconds.
        sleep: Waits; takes seconds.
    """
    asked = np.random.default_rng(seed).integers(queries, size=len(intended)).astype(np.int32)
    begun, ended = np.empty(len(intended)), np.empty(len(intended))
    numbers, lock = itertools.count(), threading.Lock()
    errors: list[BaseException] = []
    bound, most = give_up or (np.inf, 0)
    late: list[int] = []

    def work(answer: Answer, start: float) -> None:
        while not errors and len(late) <= most:
            with lock:
                number = next(numbers)
            if number >= len(intended):
                return
            due = start + intended[number]
            while (left := due - clock()) > 0:
                sleep(max(left - SPIN_SECONDS, 0.0))
            begun[number] = clock()
            answer(int(asked[number]))
            ended[number] = clock()
            if ended[number] - due > bound:
                late.append(number)

    start = _together(servers, work, errors, clock)
    answered = min(next(numbers), len(intended))  # whoever has taken a number has answered it
    rows = slice(answered)
    return OpenLoop(asked[rows], intended[rows], (ended - start - intended)[rows], (ended - begun)[rows])


def capacity(servers: Sequence[Answer], queries: int, *, clock: Callable[[], float] = time.perf_counter) -> float:
    """Queries a second that the servers answer together without a pause. Each query is asked once for each server.

    Args:
        servers: See `serve`.
        queries: How many there are.
        clock: Seconds.
    """
    numbers, lock = itertools.count(), threading.Lock()
    errors: list[BaseException] = []
    count = len(servers) * queries

    def work(answer: Answer, start: float) -> None:
        while not errors:
            with lock:
                number = next(numbers)
            if number >= count:
                return
            answer(number % queries)

    start = _together(servers, work, errors, clock)
    return count / (clock() - start)


def _together(
    servers: Sequence[Answer],
    work: Callable[[Answer, float], None],
    errors: list[BaseException],
    clock: Callable[[], float],
) -> float:
    """Let all servers work, and return when they began, which is what they are told.

    Each new thread answers a query before that, because libraries prepare themselves once in each thread.

    Args:
        servers: The first works in this thread, each other one in a new thread.
        work: Is given a server and the time of the beginning.
        errors: Gets what a server raises, so that the others can stop; the first is raised here.
        clock: Seconds.
    """
    began: list[float] = []
    ready = threading.Barrier(len(servers), action=lambda: began.append(clock()))

    def careful(answer: Answer, *, new: bool) -> None:
        try:
            if new:
                answer(0)
            ready.wait()
            work(answer, began[0])
        except BaseException as error:  # raised again below, in the thread that asked
            errors.append(error)
            ready.abort()

    helpers = [threading.Thread(target=careful, args=(answer,), kwargs={"new": True}) for answer in servers[1:]]
    for helper in helpers:
        helper.start()
    careful(servers[0], new=False)
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
    return began[0]


def most_late(count: int, quantile: float = QUANTILE, confidence: float = CONFIDENCE) -> int:
    """How many of `count` latencies may be longer than a bound where this share of all latencies keeps under it.

    The criterion of early stopping in MLPerf's loadgen (Reddi et al. 2020; `loadgen/early_stopping.cc`): if more than
    1 - `quantile` of all latencies were late, so few of the sample would be with a chance of at most 1 - `confidence`.
    It takes latencies for independent. Neighbours in a queue are not, so a single try errs more often than that; the
    interval over processes covers it.

    Returns:
        -1 where the sample is too small for any; p99 needs 459, p99.9 4,603.
    """
    from scipy.special import bdtr

    share = 1 - quantile
    late = np.arange(int(np.ceil(count * share)) + 1, dtype=np.float64)
    return int(np.searchsorted(bdtr(late, count, share), 1 - confidence, side="right")) - 1


def offer(
    servers: Sequence[Answer],
    queries: int,
    rate: float,
    bound: float,
    *,
    least: int,
    seed: int,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Offered, OpenLoop]:
    """Offer a rate of arrivals and see whether the bound holds for `QUANTILE` of the latencies.

    It lasts `BOUNDS` times the bound and at least `least` arrivals. It ends sooner where enough latencies were longer
    than the bound that none of those to come could change the answer (`most_late`). A rate at which the servers have
    no time left is not bearable either, whatever the latencies of its first arrivals.

    Args:
        servers: See `serve`.
        queries: See `serve`.
        rate: Arrivals a second.
        bound: Seconds.
        least: Arrivals.
        seed: Of arrivals and queries.
        clock: See `serve`.
        sleep: See `serve`.

    Raises:
        ValueError: `least` is too small to say anything of the quantile.
    """
    count = max(least, int(np.ceil(rate * BOUNDS * bound)))
    allowed = most_late(count)
    if allowed < 0:
        raise ValueError(f"{count} arrivals cannot support a percentile of {QUANTILE:.0%}")
    intended = arrivals(rate, count, seed)
    load = serve(servers, queries, intended, seed=seed, give_up=(bound, allowed), clock=clock, sleep=sleep)
    late = int((load.latency > bound).sum())
    levels = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    answered = len(load.latency)
    utilisation = float(load.service.mean()) * rate / len(servers)
    return (
        Offered(
            rate,
            count,
            answered,
            late,
            {name: float(np.quantile(load.latency, q)) for name, q in levels.items() if most_late(answered, q) >= 0},
            utilisation,
            late <= allowed and utilisation < 1,
        ),
        load,
    )


def highest_load(offer_rate: Callable[[float], Offered], *, capacity: float, steps: int = 8) -> Load:
    """The highest bearable rate of arrivals, by halving on the logarithm of the rate.

    Args:
        offer_rate: Offers a rate, such as `offer`.
        capacity: Queries a second that are answered without a pause, see `capacity`. Rates from a fifth of it to
            `NEAR` are tried: at all of it no queue of random arrivals would be stable.
        steps: How often to halve.
    """
    if capacity <= 0:
        raise ValueError("the rate of answering must be positive")
    lowest, highest = capacity / 5, NEAR * capacity
    tried: list[Offered] = []

    def bearable(rate: float) -> bool:
        tried.append(offer_rate(rate))
        return tried[-1].bearable

    if not bearable(lowest):
        return Load(0.0, tuple(tried))
    if bearable(highest):
        return Load(highest, tuple(tried))
    for _ in range(steps):
        middle = float(np.sqrt(lowest * highest))
        if bearable(middle):
            lowest = middle
        else:
            highest = middle
    return Load(lowest, tuple(tried))
