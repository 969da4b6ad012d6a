"""A worker process as its parent sees it: begun, listened to without spinning, answered when it asks, ended."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, TypeAlias

from harness.errors import UserError
from harness.measure.memory import status_bytes
from harness.measure.workers.environment import scrubbed_environment
from harness.measure.workers.messages import Asked, Failed, Message, Progress, Succeeded, Task, read_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from harness.jsonvalue import JsonTable, JsonValue

WorkerStatus: TypeAlias = Literal["ok", "failed", "unavailable", "timeout", "oom", "killed"]
CHILD = "harness.measure.workers.worker_child"
"""What runs inside the process."""
WATCH_SECONDS = 0.2
"""How often the parent looks at the child's memory; between two looks it sleeps in poll()."""
GRACE_SECONDS = 5.0
"""How long a worker may take to leave once its result has come."""


@dataclass(frozen=True)
class Order:
    """What a worker is to do, and within which limits.

    Attributes:
        target: ``module:function``; the module must begin with one of `allow`.
        arguments: JSON.
        timeout: Seconds of its own turns until it is killed (status ``timeout``).
        memory_limit: Bytes of anonymous memory (RssAnon of the child itself, looked at every 0.2 s) above which it is
            killed (``oom``). An address-space limit would be exact but counts what torch and numba only reserve.
        threads: Written into every thread variable that the numerical libraries read.
        pin: Processors that it and all its threads may run on (Linux).
        on_progress: Called with (done, total, text, bytes that the process holds resident).
        log: File that gets its output.
        allow: Prefixes of modules that may be called.
        asks: The function takes ``ask``, which asks its parent a `Question` and waits for the answer.
    """

    target: str
    arguments: JsonTable
    timeout: float | None = None
    memory_limit: int | None = None
    threads: int = 1
    pin: Sequence[int] | None = None
    on_progress: Callable[[int, int | None, str, int], None] | None = None
    log: Path | None = None
    allow: Sequence[str] = ("harness.",)
    asks: bool = False

    def text(self) -> str:
        """The order as it is sent: one line of JSON.

        Raises:
            ValueError: The target is not allowed.
            TypeError: The arguments are not JSON.
        """
        if not self.target.startswith(tuple(self.allow)) or self.target.count(":") != 1:
            raise ValueError(f"{self.target!r} may not be run")
        return Task(self.target, dict(self.arguments), self.asks, str(self.log) if self.log else None).line()


@dataclass(frozen=True)
class Outcome:
    """How a worker ended.

    `reason` is one sentence for the user where the status is not ok; `expected` says that it is a `UserError`'s own
    text; `seconds` is wall time of its turns, from its start on, and `peak_bytes` the highest resident size (VmHWM) of
    the child: its own last reading, or where it was stopped the parent's last.
    """

    status: WorkerStatus
    result: JsonValue = None
    reason: str = ""
    expected: bool = False
    seconds: float = 0.0
    peak_bytes: int = 0


class Worker:
    """A fresh process that calls one function, or if it is kept one after another; it inherits nothing but its order.

    It works while the parent is in `resume`, which returns when it asks something or has ended; one that has asked
    sleeps until it is answered. What it or its libraries print goes to the order's log; messages come as JSON over a
    pipe of their own. It, and all that it started, ends with `close`; should the parent die, the kernel ends it (Linux;
    it watches the thread that made it).

    Args:
        order: What it is to do.
        keep: It lives on after an order that ended well, until `close`, and may be given another by `take`.

    Raises:
        ValueError: The target is not allowed.
        TypeError: The arguments are not JSON.
        UserError: A processor of `pin` is not there.
    """

    def __init__(self, order: Order, *, keep: bool = False) -> None:
        self.order, self._keep, text = order, keep, order.text()
        self.used = False  # by an order before this one
        _check_pin(order.pin)
        self._environment = scrubbed_environment(order.threads, text)
        self._began, self._kills = time.perf_counter(), _kernel_kills()
        self._seconds, self._rest = 0.0, b""
        self._messages: list[Message] = []
        self._final: Succeeded | Failed | None = None
        self._outcome: Outcome | None = None
        self._shut = self._stayed = False
        self._limit: Literal["closed", "timeout", "oom"] | None = None
        self._look = time.perf_counter() + WATCH_SECONDS  # when the memory is looked at next, whatever comes meanwhile
        self._reading, writing = os.pipe()
        try:
            with contextlib.ExitStack() as stack:
                log = order.log
                output: IO[bytes] | int = stack.enter_context(log.open("wb")) if log else subprocess.DEVNULL
                path = os.pathsep.join(part for part in sys.path if part)
                self.child = subprocess.Popen(
                    [sys.executable, "-P", "-m", CHILD, str(writing), str(os.getpid())],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**self._environment, "PYTHONPATH": path},
                    pass_fds=(writing,),
                    start_new_session=True,
                )
        except BaseException:
            os.close(self._reading)
            raise
        finally:
            os.close(writing)
        # A grandchild may hold the pipe open, so that it alone does not tell when the child is gone.
        self._process = os.pidfd_open(self.child.pid) if hasattr(os, "pidfd_open") else None
        try:
            if order.pin is not None and hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(self.child.pid, order.pin)  # before the order comes, so before any other thread
            self._send(text)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def resume(self, answer: bool = False) -> Asked | Outcome:
        """Let it work until it asks or ends; the parent sleeps in poll() meanwhile.

        Args:
            answer: To what it asked last; nothing is sent before it has asked.

        Raises:
            KeyboardInterrupt: Passed on, as anything that `on_progress` raises; then `close` is due.
        """
        if self._outcome is not None:
            return self._outcome
        if not self._began:  # its first turn begins with the process, and each other one with the answer
            self._began = time.perf_counter()
            self._send(json.dumps(answer))
        ((_, ended),) = first_to_stop([self])
        return ended

    def stopped(self) -> Asked | Outcome | None:
        """What it asks or how it ended, from what was read by `read`; None while it works."""
        ended = self._limit or self._next_message()
        if ended is None:
            return None
        self._seconds += time.perf_counter() - self._began
        self._began, self._limit = 0.0, None
        if isinstance(ended, Asked):
            return ended
        peak = status_bytes(self.child.pid, "VmHWM")
        if not (self._keep and isinstance(self._final, Succeeded)):
            self.close()
        if self._final is not None and self._final.peak is not None:
            peak = self._final.peak
        self._outcome = self._ended(ended, peak)
        return self._outcome

    def held(self) -> int:
        """Anonymous bytes of the process, or resident ones where the system tells no more; 0 once it is gone."""
        return status_bytes(self.child.pid, "RssAnon")

    def resident(self) -> int:
        """Resident bytes of the process, mapped files included; 0 once it is gone."""
        return status_bytes(self.child.pid, "VmRSS")

    def take(self, order: Order) -> bool:
        """Give a kept one that did well its next order; then `resume` is due.

        Returns:
            False where it was not kept or has left, or where this order needs another environment or other processors.

        Raises:
            ValueError, TypeError: As for the first order.
        """
        text = order.text()
        alive = self._reading >= 0 and self._outcome is not None and self.child.poll() is None
        if not alive or scrubbed_environment(order.threads, text) != self._environment or order.pin != self.order.pin:
            return False
        self.order, self._outcome, self._final, self.used = order, None, None, True
        self._seconds, self._began, self._kills = 0.0, time.perf_counter(), _kernel_kills()
        self._look = self._began + WATCH_SECONDS
        self._send(text)
        return True

    def _ended(self, how: Literal["closed", "timeout", "oom"], peak: int) -> Outcome:
        seconds = self._seconds
        if how == "timeout":
            reason = f"it took longer than {self.order.timeout:g} s"
            return Outcome("timeout", reason=reason, seconds=seconds, peak_bytes=peak)
        if how == "oom":
            reason = f"it held more than {(self.order.memory_limit or 0) >> 20} MiB, which is the limit that was set"
            return Outcome("oom", reason=reason, seconds=seconds, peak_bytes=peak)
        if isinstance(self._final, Succeeded):
            return Outcome("ok", self._final.result, seconds=seconds, peak_bytes=peak)
        if isinstance(self._final, Failed):
            status: WorkerStatus = "unavailable" if self._final.unavailable else "failed"
            if self._final.out_of_memory:
                status = "oom"
            return Outcome(status, None, self._final.reason, self._final.expected, seconds, peak)
        if self._stayed:
            reason = "the worker closed its pipe without a result"
            return Outcome("failed", reason=reason, seconds=seconds, peak_bytes=peak)
        status, reason = _silent_end(self.child.returncode, _kernel_kills() > self._kills)
        return Outcome(status, reason=reason, seconds=seconds, peak_bytes=peak)

    def _send(self, line: str) -> None:
        assert self.child.stdin is not None  # noqa: S101 - it was asked for
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.write(line.encode() + b"\n")
            self.child.stdin.flush()

    def descriptors(self) -> set[int]:
        """What shows in poll() that `read` is due."""
        return {self._reading} if self._process is None else {self._reading, self._process}

    def patience(self) -> float | None:
        """Seconds until `read` is due although nothing came; None where there is no limit to look at."""
        now, deadline = time.perf_counter(), self._deadline()
        waits = [] if deadline is None else [max(0.0, deadline - now)]
        if self.order.memory_limit is not None:
            waits.append(max(0.0, self._look - now))
        return min(waits, default=None)

    def read(self, ready: set[int]) -> None:
        """Read what came, and look whether it hit a limit.

        Args:
            ready: Descriptors that showed something in poll().
        """
        if self._reading in ready:
            block = os.read(self._reading, 1 << 16)
            if not block:
                self._shut = True
                self._limit = "closed"
                return
            *lines, self._rest = (self._rest + block).split(b"\n")
            self._messages += [read_message(line) for line in lines]
        elif self._process in ready:  # gone, and nothing left to read
            self._limit = "closed"
            return
        if any(not isinstance(message, Progress) for message in self._messages):
            return  # what it asks or answers counts, however late it is read
        now, deadline = time.perf_counter(), self._deadline()
        if deadline is not None and now >= deadline:
            self._limit = "timeout"
        elif self.order.memory_limit is not None and now >= self._look:
            if self.held() > self.order.memory_limit:
                self._limit = "oom"
            self._look = now + WATCH_SECONDS

    def _deadline(self) -> float | None:
        limit = self.order.timeout
        return None if limit is None else self._began + limit - self._seconds

    def _next_message(self) -> Asked | Literal["closed"] | None:
        """Pass progress on; what it asks, "closed" where it has answered, or None where it did neither yet."""
        while self._messages:
            message = self._messages.pop(0)
            if isinstance(message, Asked):
                return message
            if not isinstance(message, Progress):
                self._final = message
                return "closed"
            if self.order.on_progress:
                self.order.on_progress(message.done, message.total, message.text, self.resident())
        return None

    def close(self, *, at_once: bool = False) -> None:
        """End its process group: at once, or after a moment for one that has answered or shut its pipe to leave."""
        leaves = not at_once and (self._shut or (self._final is not None and self._final.peak is not None))
        if at_once:  # before it can see that its orders have ended
            self._kill()
        if self.child.stdin is not None:
            with contextlib.suppress(OSError):
                self.child.stdin.close()  # there will be no other order
        if self._process is not None:
            if leaves:
                leaving = select.poll()
                leaving.register(self._process, select.POLLIN)
                self._stayed = not leaving.poll(int(GRACE_SECONDS * 1000))
            os.close(self._process)
            self._process = None
        elif leaves:
            try:
                self.child.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._stayed = True
        self._kill()
        self.child.wait()
        if self._reading >= 0:
            os.close(self._reading)
            self._reading = -1

    def _kill(self) -> None:
        """Send SIGKILL to its process group."""
        if self.child.returncode is None:  # not waited for yet: its number still names this group and no other
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGKILL)


def first_to_stop(workers: Sequence[Worker], seconds: float | None = None) -> list[tuple[Worker, Asked | Outcome]]:
    """Sleep in poll() until one of several workers asks something or ends; each of them is at work.

    Args:
        workers: At least one.
        seconds: Return after this time although all are at work; None waits.

    Returns:
        Those that stopped, with what they ask or how they ended; empty where the time was up.

    Raises:
        KeyboardInterrupt: Passed on, as anything that an order's `on_progress` raises; then `close` is due for all.
    """
    until = None if seconds is None else time.perf_counter() + seconds
    while True:
        stopped = [(worker, ended) for worker in workers for ended in (worker.stopped(),) if ended is not None]
        left = None if until is None else until - time.perf_counter()
        if stopped or (left is not None and left <= 0):
            return stopped
        poll = select.poll()
        for descriptor in {descriptor for worker in workers for descriptor in worker.descriptors()}:
            poll.register(descriptor, select.POLLIN)
        waits = [wait for wait in (left, *(worker.patience() for worker in workers)) if wait is not None]
        ready = {descriptor for descriptor, _ in poll.poll(int(min(waits) * 1000) + 1 if waits else None)}
        for worker in workers:
            worker.read(ready)


def _silent_end(code: int, kernel_killed: bool) -> tuple[WorkerStatus, str]:
    """Status and reason where the process ended with this exit code and sent no result."""
    if code == -signal.SIGKILL and kernel_killed:
        return "oom", "the kernel ended the worker because the memory ran out (SIGKILL)"
    if code < 0:
        return "killed", f"the worker was ended from outside by {signal.Signals(-code).name}"
    return "failed", f"the worker ended with exit code {code} and no result"


def _check_pin(pin: Sequence[int] | None) -> None:
    if pin is None or not hasattr(os, "sched_getaffinity"):
        return
    usable = os.sched_getaffinity(0)
    if not pin or not usable.issuperset(pin):
        raise UserError(f"cannot pin to processors {list(pin)}", remedy=f"usable here: {sorted(usable)}")


def _kernel_kills() -> int:
    """How many processes this kernel has ended for want of memory since it started; 0 where it does not tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().split("\n"):
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
