"""Measure under watch: everything that decides a time is read beside it, and what was disturbed is measured again."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from harness.measure.machine.conditions import Conditions, ProcessConditions, observe
from harness.measure.machine.sentinel import Reading, Sentinel
from harness.measure.machine.threads import Threads, library_threads, strays

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from harness.measure.workers.messages import Ask

T = TypeVar("T")
Turn: TypeAlias = "Callable[[int], object]"
"""Called with the number of a pass before each part of it; returns when the part may begin."""
WITH_OTHERS = "a system that it took turns with was disturbed"

SHORTEST = 0.1
"""Seconds below which the clocks are too coarse to count threads at work."""


@dataclass(frozen=True)
class WatchedConditions(ProcessConditions):
    """What a watched process met, as it is stored.

    Attributes:
        sentinel: Its readings: before, between and after.
        processors: Numbers of those that the process might run on.
        pinned: Whether that was asked for.
        threads_asked: How many threads were asked for.
        library_threads: How many threads each library may use.
        repeated: Why each earlier attempt was given up.
        round: Name of the round in which it took turns with others; "" where it was measured alone.
    """

    sentinel: tuple[Reading, ...]
    processors: tuple[int, ...]
    pinned: bool
    threads_asked: int
    library_threads: dict[str, int]
    repeated: tuple[str, ...]
    round: str


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

    def facts(self, *, violation: str = "", round: str = "") -> WatchedConditions:
        """All but the value.

        Args:
            violation: What else the process did that was not asked for.
            round: Name of the round in which it took turns with others.
        """
        return WatchedConditions(
            **asdict(self.conditions),
            sentinel=self.readings,
            processors=self.processors,
            pinned=self.pinned,
            threads_asked=self.threads,
            library_threads=library_threads(),
            disturbance=self.disturbance,
            violation="; ".join(filter(None, (self.violation, violation))),
            repeated=self.repeated,
            round=round,
        )


def watched(
    measure: Callable[[Turn], T],
    *,
    threads: int = 1,
    pinned: bool = False,
    attempts: int = 1,
    ask: Ask | None = None,
    make: Callable[[], Sentinel] = Sentinel,
    observing: Callable[[], AbstractContextManager[Conditions]] = observe,
) -> Watched[T]:
    """Measure with the sentinel's readings before, between and after; again, up to a bound, where it was disturbed.

    The last attempt is returned in any case, flagged where it was disturbed as well: nothing is dropped silently. The
    last and not the quickest, because choosing by the result would make it look better than it is.

    Args:
        measure: Is given a function to call before each part of a pass. There it waits for its turn, which does not
            count as its time, and takes another reading where the last one is old.
        threads: How many threads were asked for.
        pinned: Whether this process was bound to certain processors.
        attempts: How often to try, at least once.
        ask: Asks the parent for turns, and whether to try again with those that it takes turns with.
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
            value = measure(partial(_turn, sentinel, conditions, ask))
        sentinel.read()
        disturbance = "; ".join(filter(None, (conditions.disturbance(), sentinel.disturbance())))
        left = len(repeated) + 1 < attempts
        if not (ask({"again": disturbance if left else None}) if ask else left and disturbance):
            break
        repeated.append(disturbance or WITH_OTHERS)
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


def _turn(sentinel: Sentinel, conditions: Conditions, ask: Ask | None, number: int) -> None:
    if ask is not None:
        with conditions.paused():
            ask({"turn": number})
    sentinel.read_if_due()


def _violation(conditions: Conditions, threads: int, processors: tuple[int, ...] | None) -> str:
    worked = Threads(conditions.threads_total, conditions.threads_busy, conditions.parallelism)
    texts = []
    if conditions.seconds >= SHORTEST and not worked.obeyed(threads):
        texts.append(
            f"{worked.busy} threads worked, {worked.parallelism:.2f} at a time, where {threads} were asked for"
        )
    more = {name: count for name, count in library_threads().items() if count > threads}
    if more:
        texts.append(f"{', '.join(f'{name} may use {count}' for name, count in more.items())} threads, not {threads}")
    if processors is not None and (stray := strays(processors)):
        texts.append(f"{len(stray)} threads might run outside the processors {list(processors)}")
    return "; ".join(texts)
