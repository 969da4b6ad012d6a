"""A fixed piece of work, run before, between and after: when its time moves, so did the machine."""

from __future__ import annotations

import hashlib
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOLERANCE = 0.10
"""A reading this much slower than the quietest one, or than its own processor time, marks a disturbance."""
RUNS = 5
EVERY = 1.0
"""Seconds from one reading to the next, where there are many occasions."""
_REGISTERS = bytes(1 << 18)
_MEMORY_BYTES = 16 << 20


@dataclass(frozen=True)
class Reading:
    """Seconds of the fixed work: the quicker half's mean of several runs.

    `processor`: hashing that stays in the first-level caches (sees frequency and sharing of a core). `memory`: a walk
    through 16 MiB (sees neighbours that use the memory). `waiting`: wall time per processor time, in all; 1 where
    nobody else was on the core.
    """

    processor: float
    memory: float
    waiting: float


@dataclass
class Sentinel:
    """Takes readings and says whether they are alike.

    Args:
        tolerance: Relative; see `TOLERANCE`.
        clock: Wall time in seconds.
        processor_clock: Processor time of this thread in seconds.
        every: Seconds; see `EVERY`.
    """

    tolerance: float = TOLERANCE
    clock: Callable[[], float] = time.perf_counter
    processor_clock: Callable[[], float] = time.thread_time
    every: float = EVERY
    readings: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._memory = b"\x01" * _MEMORY_BYTES  # zeroes would all be one page of the kernel

    def read(self) -> Reading:
        """Take a reading (about 0.1 s) and keep it."""
        wall, processor = self.clock(), self.processor_clock()
        hashing, walking = self._timed(self._hash), self._timed(self._walk)
        wall, processor = self.clock() - wall, self.processor_clock() - processor
        self.readings.append(Reading(hashing, walking, wall / processor if processor > 0 else 1.0))
        self._last = self.clock()
        return self.readings[-1]

    def read_if_due(self) -> None:
        """Take a reading where the last one is old enough."""
        if not self.readings or self.clock() - self._last >= self.every:
            self.read()

    def disturbance(self) -> str:
        """What the readings say: "" where they are alike."""
        return disturbance(self.readings, self.tolerance)

    def _hash(self) -> None:
        for _ in range(4):
            hashlib.sha256(_REGISTERS)

    def _walk(self) -> None:
        zlib.adler32(self._memory)

    def _timed(self, work: Callable[[], None]) -> float:
        times = []
        for _ in range(RUNS):
            started = self.clock()
            work()
            times.append(self.clock() - started)
        quick = sorted(times)[: RUNS // 2 + 1]
        return sum(quick) / len(quick)


def disturbance(readings: Sequence[Reading], tolerance: float = TOLERANCE) -> str:
    """Say what differs between readings, also of several processes: "" where all are alike.

    A reading is held against the quietest of its kind: neighbours only ever slow it down.
    """
    if not readings:
        return ""
    if (worst := max(reading.waiting for reading in readings)) > 1 + tolerance:
        return f"other work shared the core: the sentinel waited {worst - 1:.0%} of its processor time"
    for name, label in (("processor", "the processor"), ("memory", "the memory")):
        values = [float(getattr(reading, name)) for reading in readings]
        if (slower := max(values) / min(values) - 1) > tolerance:
            return f"{label} was up to {slower:.0%} slower at some time than at another"
    return ""
