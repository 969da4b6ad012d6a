"""The highest anonymous memory of this process while something runs, read from outside.

The kernel keeps a peak of the whole resident size alone (VmHWM), and that grows with every page of a mapped file that
is read. A thread in this process would not read while a library holds Python's lock. So another process reads
``/proc/PID/statm`` every few milliseconds: resident less shared pages, which are those of files and of shared memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from harness.measure import statm_reader
from harness.measure.memory import peak, readable, reset_peak, resident

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

INTERVAL_MS = statm_reader.INTERVAL_MS
"""Milliseconds from one reading to the next; what is held for a shorter time may be missed."""


@dataclass(frozen=True)
class Readings:
    """What was read so far: the highest anonymous memory in bytes, and how often it was read."""

    highest: int
    count: int


class AnonymousPeak:
    """Reads while a block runs; the process that reads ends with the block, or with this process.

    Raises:
        OSError: No process can be started, or there is no ``/proc`` (only Linux has one).
    """

    def __enter__(self) -> Self:
        command = [sys.executable, "-I", "-S", statm_reader.__file__, str(os.getpid())]
        self._reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.read()  # it has started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.communicate()

    def read(self) -> Readings:
        """Read at once, and return the highest of all readings.

        Raises:
            OSError: The process that reads has ended.
        """
        asks, answers = self._reader.stdin, self._reader.stdout
        assert asks is not None  # noqa: S101 - it was asked for
        assert answers is not None  # noqa: S101 - it was asked for
        asks.write(b"\n")
        asks.flush()
        highest, _, count = answers.readline().partition(b" ")
        if not count:
            raise OSError("the process that reads the memory of this one has ended")
        return Readings(int(highest), int(count))


@dataclass(frozen=True)
class Risen:
    """How far the memory of this process rose while something ran; bytes, at least 0.

    Attributes:
        anonymous: The highest anonymous memory above that before.
        readings: How often it was read.
        resident: The peak of the resident size (VmHWM) above the resident size before.
    """

    anonymous: int
    readings: int
    resident: int


def risen(work: Callable[[], None]) -> Risen | None:
    """Do some work and tell how far the memory rose meanwhile; None where the system does not tell (`readable`)."""
    if not readable():
        work()
        return None
    with AnonymousPeak() as watch:
        resettable, before = reset_peak(), resident()
        resident_before = before.rss if resettable else peak()
        work()
        readings, resident_peak = watch.read(), peak()
    return Risen(max(readings.highest - before.anonymous, 0), readings.count, max(resident_peak - resident_before, 0))
