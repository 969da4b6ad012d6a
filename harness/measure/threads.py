"""How many threads really worked, and where they were allowed to.

A thread setting that a library ignores is the commonest way in which a latency becomes somebody else's. So the threads
of the process are counted in ``/proc/self/task`` and each one's time on a processor is read there; idle ones, which
libraries keep in pools, do no harm.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BUSY = 0.05
"""A thread counts as busy where it ran for more than this share of the wall time."""
NONE = (0.0, 0.0)
_TASKS = Path("/proc/self/task")


@dataclass
class Threads:
    """Threads of this process while a block ran; filled in when the block ends.

    `total`: threads alive at the end. `busy`: those that ran for more than 5 % of the time. `parallelism`: processor
    seconds of the whole process, ended threads included, per second of wall time. `waited`: seconds that threads stood
    ready while others had the processor.
    """

    total: int = 0
    busy: int = 0
    parallelism: float = 0.0
    waited: float = 0.0

    def obeyed(self, threads: int) -> bool:
        """Whether no more than `threads` were at work at a time (5 % are allowed for the clock's grain)."""
        return self.busy <= threads and self.parallelism <= threads * 1.05


@contextlib.contextmanager
def count_threads() -> Iterator[Threads]:
    """Count the threads that work while the block runs.

    Run it for a tenth of a second or longer. Where there is no ``/proc`` the counts stay 0 and only the parallelism
    is known.
    """
    seen = Threads()
    before, started, processor = _schedule(), time.perf_counter(), time.process_time()
    try:
        yield seen
    finally:
        processor, seconds = time.process_time() - processor, time.perf_counter() - started
        after = _schedule()
        used = [
            (ran - before.get(task, NONE)[0], waited - before.get(task, NONE)[1])
            for task, (ran, waited) in after.items()
        ]
        seen.total = len(after)
        seen.busy = sum(ran > BUSY * seconds for ran, _ in used)
        seen.waited = sum(waited for _, waited in used)
        seen.parallelism = processor / max(seconds, 1e-9)


def strays(pin: Sequence[int]) -> list[int]:
    """Threads of this process that may run on a processor outside `pin`; empty where all obey."""
    found = []
    for task in _tasks():
        with contextlib.suppress(ProcessLookupError):
            if not os.sched_getaffinity(task) <= set(pin):
                found.append(task)
    return found


def _tasks() -> list[int]:
    try:
        return [int(entry.name) for entry in _TASKS.iterdir()]
    except OSError:
        return []


def _schedule() -> dict[int, tuple[float, float]]:
    """Seconds that each thread has been on a processor, and has waited for one."""
    found = {}
    for task in _tasks():
        with contextlib.suppress(OSError, ValueError, IndexError):  # it may end at any moment
            ran, waited = (_TASKS / str(task) / "schedstat").read_text().split()[:2]
            found[task] = int(ran) * 1e-9, int(waited) * 1e-9
    return found
