"""How many threads really worked, and where they were allowed to.

A thread setting that a library ignores is the commonest way in which a latency becomes somebody else's. So the threads
of the process are counted in ``/proc/self/task`` and each one's time on a processor is read there; idle ones, which
libraries keep in pools, do no harm. A thread that ended within the block has left ``/proc``: what the process used
beyond its living threads is the work of such threads. Shares are taken of the processor time of the process, so a
neighbour that takes a processor away hides nothing. psutil counts a thread's time in ticks of 10 ms and does not tell
how long it waited, so the kernel's files are read here.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

BUSY = 0.05
"""A thread counts as busy where it did more than this share of the work."""
CLOCK_GRAIN = 0.01
"""Seconds by which the clock of a running thread may lag behind that of the process: two ticks of 5 ms."""
NONE = (0.0, 0.0)
_TASKS = Path("/proc/self/task")


@dataclass
class Threads:
    """Threads of this process while a block ran; filled in when the block ends.

    `total`: threads alive at the end. `busy`: see `busy_threads`. `parallelism`: processor seconds of
    the whole process, ended threads included, per second of wall time. `waited`: seconds that threads stood ready
    while others had the processor.
    """

    total: int = 0
    busy: int = 0
    parallelism: float = 0.0
    waited: float = 0.0

    def obeyed(self, threads: int) -> bool:
        """Whether no more than `threads` were at work at a time (5 % are allowed for the clock's grain)."""
        return self.busy <= threads and self.parallelism <= threads * 1.05


class Counter:
    """Counts the threads that work between `go` and `halt`, which may follow each other several times."""

    def __init__(self) -> None:
        self.seconds = self._processor = 0.0
        self._used: dict[int, tuple[float, float]] = {}

    def go(self) -> None:
        """Begin to count, or go on."""
        self._before = _schedule()
        self._started, self._since = time.perf_counter(), time.process_time()

    def halt(self) -> Threads:
        """Stop for now, and return what was counted since the counter was made."""
        self._processor += time.process_time() - self._since
        self.seconds += time.perf_counter() - self._started
        after = _schedule()
        for task, now in after.items():
            before, so_far = self._before.get(task, NONE), self._used.get(task, NONE)
            self._used[task] = (so_far[0] + now[0] - before[0], so_far[1] + now[1] - before[1])
        return Threads(
            len(after),
            busy_threads([ran for ran, _ in self._used.values()], self._processor, self.seconds),
            self._processor / max(self.seconds, 1e-9),
            sum(waited for _, waited in self._used.values()),
        )


def busy_threads(alive: Sequence[float], process: float, wall: float) -> int:
    """Count the threads that did more than 5 % of the work.

    The work is the processor time of the process, and at least half of the wall time: in a process that mostly waits
    a small service thread is not a busy one.

    Args:
        alive: Processor seconds of each thread that was alive when the block, or a part of it, ended.
        process: Processor seconds of the whole process.
        wall: Seconds that the block took.

    Returns:
        The busy ones of `alive`, and one more where the threads that ended did more than 5 % in all (their number
        is not known). 0 for a process that did not work.
    """
    share = BUSY * max(process, wall / 2)
    ended = process - sum(alive)
    return sum(seconds > share for seconds in alive) + (ended > max(share, CLOCK_GRAIN))


@contextlib.contextmanager
def count_threads() -> Iterator[Threads]:
    """Count the threads that work while the block runs.

    Run it for a tenth of a second or longer. Where there is no ``/proc`` the counts stay 0 and only the parallelism
    is known.
    """
    threads, counter = Threads(), Counter()
    counter.go()
    try:
        yield threads
    finally:
        threads.__dict__.update(vars(counter.halt()))


def library_threads() -> dict[str, int]:
    """Threads that each numerical library of this process says that it may use; imports nothing."""
    looks: dict[str, Callable[[ModuleType], int]] = {
        "faiss": lambda faiss: faiss.omp_get_max_threads(),
        "torch": lambda torch: torch.get_num_threads(),
        "numba": lambda numba: numba.get_num_threads(),
    }
    counts = {}
    for name, look in looks.items():
        if name in sys.modules:
            with contextlib.suppress(AttributeError):  # half imported, or of another version
                counts[name] = int(look(sys.modules[name]))
    return counts


def strays(pin: Sequence[int]) -> list[int]:
    """Threads of this process that may run on a processor outside `pin`; empty where all obey."""
    tasks = []
    for task in _tasks():
        with contextlib.suppress(ProcessLookupError):
            if not os.sched_getaffinity(task) <= set(pin):
                tasks.append(task)
    return tasks


def _tasks() -> list[int]:
    try:
        return [int(entry.name) for entry in _TASKS.iterdir()]
    except OSError:
        return []


def _schedule() -> dict[int, tuple[float, float]]:
    """Seconds that each thread has been on a processor, and has waited for one."""
    schedule = {}
    for task in _tasks():
        with contextlib.suppress(OSError, ValueError, IndexError):  # it may end at any moment
            ran, waited = (_TASKS / str(task) / "schedstat").read_text().split()[:2]
            schedule[task] = int(ran) * 1e-9, int(waited) * 1e-9
    # The kernel writes a running thread's time at ticks only; this thread runs, and its own clock is exact.
    this = threading.get_native_id()
    if this in schedule:
        schedule[this] = time.thread_time(), schedule[this][1]
    return schedule
