"""Measure under watch: everything that decides a time is read beside it, and what was disturbed is measured again."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from harness.measure.conditions import Conditions, observe
from harness.measure.sentinel import Reading, Sentinel
from harness.measure.threads import Threads, strays

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

T = TypeVar("T")

SHORTEST = 0.1
"""Seconds below which the clocks are too coarse to count threads at work."""


@dataclass(frozen=True)
class Watched(Generic[T]):
    """A measurement with its conditions.

    Attributes:
        value: What the last attempt gave.
        conditions: Of that attempt.
        readings: The sentinel's: before, between and after.
        processors: Those that the process might run on.
        pinned: Whether that was asked for.
        threads: How many threads were asked for.
        disturbance: What others did to it; "" for an undisturbed one.
        violation: What it did itself that was not asked for (threads, processors); "" where it obeyed.
        repeated: Why each earlier attempt was given up.
    """

    value: T
    conditions: Conditions
    readings: tuple[Reading, ...]
    processors: tuple[int, ...]
    pinned: bool
    threads: int
    disturbance: str
    violation: str
    repeated: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """All but the value, as JSON."""
        return {
            **asdict(self.conditions),
            "sentinel": [asdict(reading) for reading in self.readings],
            "processors": list(self.processors),
            "pinned": self.pinned,
            "threads_asked": self.threads,
            "disturbance": self.disturbance,
            "violation": self.violation,
            "repeated": list(self.repeated),
        }


def watched(
    measure: Callable[[Callable[[], object]], T],
    *,
    threads: int = 1,
    pinned: bool = False,
    attempts: int = 1,
    make: Callable[[], Sentinel] = Sentinel,
    observing: Callable[[], AbstractContextManager[Conditions]] = observe,
) -> Watched[T]:
    """Measure with the sentinel's readings before and after; again, up to a bound, where it was disturbed.

    The last attempt is returned in any case, flagged where it was disturbed as well: nothing is dropped silently. The
    last and not the quickest, because choosing by the result would make it look better than it is.

    Args:
        measure: Is given a function that it may call between its parts to take another reading.
        threads: How many threads were asked for.
        pinned: Whether this process was bound to certain processors.
        attempts: How often to try, at least once.
        make: Makes the sentinel.
        observing: Observes the process and the machine.
    """
    if attempts < 1:
        raise ValueError("at least one attempt is needed")
    processors = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
    repeated: list[str] = []
    while True:
        sentinel = make()
        sentinel.read()
        with observing() as conditions:
            value = measure(sentinel.read)
        sentinel.read()
        disturbance = "; ".join(filter(None, (conditions.disturbance(), sentinel.disturbance())))
        if not disturbance or len(repeated) + 1 >= attempts:
            break
        repeated.append(disturbance)
    return Watched(
        value,
        conditions,
        tuple(sentinel.readings),
        processors,
        pinned,
        threads,
        disturbance,
        _violation(conditions, threads, processors if pinned else None),
        tuple(repeated),
    )


def _violation(conditions: Conditions, threads: int, processors: tuple[int, ...] | None) -> str:
    seen = Threads(conditions.threads_total, conditions.threads_busy, conditions.parallelism)
    said = []
    if conditions.seconds >= SHORTEST and not seen.obeyed(threads):
        said.append(f"{seen.busy} threads worked, {seen.parallelism:.2f} at a time, where {threads} were asked for")
    if processors is not None and (stray := strays(processors)):
        said.append(f"{len(stray)} threads might run outside the processors {list(processors)}")
    return "; ".join(said)
