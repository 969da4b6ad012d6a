"""How many threads really worked, and where they were allowed to.

A thread setting that a library ignores is the commonest way in which a latency becomes somebody else's. So the threads
of the process are counted in ``/proc/self/task`` and each one's time on a processor is read there; idle ones, which
libraries keep in pools, do no harm.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
        """Stop for now, and say what was seen in all since the counter was made."""
        self._processor += time.process_time() - self._since
        self.seconds += time.perf_counter() - self._started
        after = _schedule()
        for task, now in after.items():
            before, so_far = self._before.get(task, NONE), self._used.get(task, NONE)
            self._used[task] = (so_far[0] + now[0] - before[0], so_far[1] + now[1] - before[1])
        return Threads(
            len(after),
            sum(ran > BUSY * self.seconds for ran, _ in self._used.values()),
            self._processor / max(self.seconds, 1e-9),
            sum(waited for _, waited in self._used.values()),
        )


@contextlib.contextmanager
def count_threads() -> Iterator[Threads]:
    """Count the threads that work while the block runs.

    Run it for a tenth of a second or longer. Where there is no ``/proc`` the counts stay 0 and only the parallelism
    is known.
    """
    seen, counter = Threads(), Counter()
    counter.go()
    try:
        yield seen
    finally:
        seen.__dict__.update(vars(counter.halt()))


def library_threads() -> dict[str, int]:
    """Threads that each numerical library of this process is set to use, by its own word; imports nothing."""
    looks: dict[str, Callable[[Any], int]] = {
        "faiss": lambda faiss: faiss.omp_get_max_threads(),
        "torch": lambda torch: torch.get_num_threads(),
        "numba": lambda numba: numba.get_num_threads(),
    }
    found = {}
    for name, look in looks.items():
        if name in sys.modules:
            with contextlib.suppress(AttributeError):  # half imported, or of another version
                found[name] = int(look(sys.modules[name]))
    return found


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
