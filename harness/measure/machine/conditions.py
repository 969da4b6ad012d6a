"""What went on while something was measured: everything that decides a time and can be read without privileges."""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.measure.machine.environment import ProcessorTimes, processor_times, throttled_seconds
from harness.measure.machine.threads import Counter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

WAITED, STOLEN, THROTTLED = 0.02, 0.02, 0.02
"""Larger shares of the time than these mark a measurement as disturbed."""


@dataclass
class Conditions:
    """Readings over a block; filled in when it ends. Zero where the system does not tell.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Processor time of this process.
        load_before: Load average of the last minute.
        load_after: The same at the end.
        others_share: Share of all processors' time that other processes took.
        steal_share: Share of all processors' time that other guests of the host took.
        voluntary_switches: Times this process waited for something.
        involuntary_switches: Times it was put aside for another.
        minor_faults: Pages brought in without reading a disk.
        major_faults: Pages read from a disk.
        threads_total: Threads alive at the end.
        threads_busy: Threads that ran for more than 5 % of the time.
        parallelism: Processor seconds per second.
        waited_share: Share of the time that this process' threads stood ready while others had the processor.
        throttled_share: Share of the time that a quota stopped processes of the same control group; above 1 where it
            stopped several processors at a time.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    load_before: float = 0.0
    load_after: float = 0.0
    others_share: float = 0.0
    steal_share: float = 0.0
    voluntary_switches: int = 0
    involuntary_switches: int = 0
    minor_faults: int = 0
    major_faults: int = 0
    threads_total: int = 0
    threads_busy: int = 0
    parallelism: float = 0.0
    waited_share: float = 0.0
    throttled_share: float = 0.0

    def paused(self) -> AbstractContextManager[None]:
        """A block that does not count."""
        return contextlib.nullcontext()

    def disturbance(self) -> str:
        """What others did to this process: "" where it was little enough."""
        if self.throttled_share > THROTTLED:
            return f"a quota of its control group stopped it for {min(self.throttled_share, 1):.0%} of the time"
        if self.waited_share > WAITED:
            return f"it waited {self.waited_share:.0%} of the time for a processor that others had"
        if self.steal_share > STOLEN:
            return f"other guests of the host took {self.steal_share:.0%} of the processors' time"
        return ""


@dataclass(frozen=True)
class ProcessConditions:
    """What a measured process met, as it is stored: the readings of `Conditions`, and what they say.

    Attributes:
        seconds: See `Conditions`, as of the next fourteen.
        cpu_seconds: Seconds.
        load_before: Processes.
        load_after: Processes.
        others_share: From 0 to 1.
        steal_share: From 0 to 1.
        voluntary_switches: A count.
        involuntary_switches: A count.
        minor_faults: A count.
        major_faults: A count.
        threads_total: A count.
        threads_busy: A count.
        parallelism: Processor seconds per second.
        waited_share: From 0 to 1.
        throttled_share: From 0.
        disturbance: What others did to it; "" for an undisturbed one.
        violation: What it did itself that was not asked for (threads, processors); "" where it obeyed.
    """

    seconds: float
    cpu_seconds: float
    load_before: float
    load_after: float
    others_share: float
    steal_share: float
    voluntary_switches: int
    involuntary_switches: int
    minor_faults: int
    major_faults: int
    threads_total: int
    threads_busy: int
    parallelism: float
    waited_share: float
    throttled_share: float
    disturbance: str
    violation: str


class _Observed(Conditions):
    """Conditions being read; what `go` and `halt` enclose counts."""

    def __init__(self) -> None:
        super().__init__(load_before=os.getloadavg()[0])
        self._counter, self._others, self._stolen, self._total, self._throttled = Counter(), 0.0, 0.0, 0.0, 0.0

    def go(self) -> None:
        self._machine, self._usage = processor_times(), resource.getrusage(resource.RUSAGE_SELF)
        self._stopped = throttled_seconds()
        self._counter.go()

    def halt(self) -> None:
        threads = self._counter.halt()
        now, usage = resource.getrusage(resource.RUSAGE_SELF), self._usage
        processor = now.ru_utime + now.ru_stime - usage.ru_utime - usage.ru_stime
        self.cpu_seconds += processor
        self.voluntary_switches += now.ru_nvcsw - usage.ru_nvcsw
        self.involuntary_switches += now.ru_nivcsw - usage.ru_nivcsw
        self.minor_faults += now.ru_minflt - usage.ru_minflt
        self.major_faults += now.ru_majflt - usage.ru_majflt
        self._add_machine(self._machine, processor_times(), processor)
        self.seconds = self._counter.seconds
        self.threads_total, self.threads_busy, self.parallelism = threads.total, threads.busy, threads.parallelism
        self.waited_share = threads.waited / max(self.seconds, 1e-9)
        self._throttled += throttled_seconds() - self._stopped
        self.throttled_share = max(0.0, self._throttled / max(self.seconds, 1e-9))
        self.load_after = os.getloadavg()[0]

    def _add_machine(self, before: ProcessorTimes | None, after: ProcessorTimes | None, own: float) -> None:
        """Add what all processors did between two readings; `own` are this process' seconds of it."""
        if before is None or after is None:
            return
        self._others += after.busy - before.busy - own
        self._stolen += after.stolen - before.stolen
        self._total += after.total - before.total
        if self._total > 0:
            self.others_share = max(0.0, self._others / self._total)
            self.steal_share = max(0.0, self._stolen / self._total)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        self.halt()
        try:
            yield
        finally:
            self.go()


@contextlib.contextmanager
def observe() -> Iterator[Conditions]:
    """Observe this process and the machine while the block runs; costs some file reads before and after."""
    observed = _Observed()
    observed.go()
    try:
        yield observed
    finally:
        observed.halt()
