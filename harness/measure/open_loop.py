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
    from collections.abc import Callable

    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int32]"

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
class Load:
    """The highest rate (queries a second) whose percentile kept under the bound; 0 where none did.

    `tried` has every rate with its percentile, in the order tried.
    """

    rate: float
    tried: tuple[tuple[float, float], ...]


def arrivals(rate: float, count: int, seed: int) -> Floats:
    """Times of a Poisson process: `count` arrivals, seconds from the start, at `rate` a second on average."""
    if rate <= 0 or count < 1:
        raise ValueError("a positive rate and at least one arrival are needed")
    return np.cumsum(np.random.default_rng(seed).exponential(1.0 / rate, count))


def serve(
    answer: Callable[[int], object],
    queries: int,
    intended: Floats,
    *,
    seed: int,
    servers: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> OpenLoop:
    """Answer queries in order of arrival, first come first served.

    Args:
        answer: Called with the number of a query.
        queries: How many there are; each arrival asks for one of them at random, so that caches see a mixture.
        intended: Times of arrival, ascending, seconds from the start.
        seed: Of the choice.
        servers: Threads that answer. They help only where `answer` lets go of Python's lock.
        clock: Seconds.
        sleep: Waits; takes seconds.
    """
    asked = np.random.default_rng(seed).integers(queries, size=len(intended)).astype(np.int32)
    begun, ended = np.empty(len(intended)), np.empty(len(intended))
    numbers, lock = itertools.count(), threading.Lock()
    errors: list[BaseException] = []
    start = clock()

    def work() -> None:
        while not errors:
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

    def careful() -> None:
        try:
            work()
        except BaseException as error:  # raised again below, in the thread that asked
            errors.append(error)

    helpers = [threading.Thread(target=careful) for _ in range(servers - 1)]
    for helper in helpers:
        helper.start()
    careful()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
    return OpenLoop(asked, intended, ended - start - intended, ended - begun)


def highest_load(
    percentile_at: Callable[[float], float], bound: float, *, lowest: float, highest: float, steps: int = 8
) -> Load:
    """The highest load whose percentile of latency keeps under a bound, by halving on the logarithm of the rate.

    Args:
        percentile_at: Runs the load at a rate and gives, say, the p99 of the latencies, in seconds.
        bound: Seconds.
        lowest: Rate that must keep under the bound for there to be an answer.
        highest: Rate not gone beyond; the reciprocal of the mean service time is a limit by nature.
        steps: How often to halve.
    """
    if not 0 < lowest < highest:
        raise ValueError("rates must be positive, the lowest below the highest")
    tried: list[tuple[float, float]] = []

    def fits(rate: float) -> bool:
        tried.append((rate, percentile_at(rate)))
        return tried[-1][1] <= bound

    if not fits(lowest):
        return Load(0.0, tuple(tried))
    if fits(highest):
        return Load(highest, tuple(tried))
    for _ in range(steps):
        middle = float(np.sqrt(lowest * highest))
        if fits(middle):
            lowest = middle
        else:
            highest = middle
    return Load(lowest, tuple(tried))
