"""Run one function in a fresh process, under limits, and say how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WorkerStatus: TypeAlias = Literal["ok", "failed", "timeout", "oom", "killed"]
WATCH_SECONDS = 0.2
"""How often the parent looks at the child's memory; between two looks it sleeps in poll()."""
GRACE_SECONDS = 5.0
"""How long a worker may take to leave once its result has come."""
PASSED_ON = ("HOME", "PATH", "TMPDIR", "LANG", "LC_ALL", "USER", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SSL_CERT_FILE")
PASSED_ON_PREFIXES = (
    "HF_",
    "XDG_",
    "LACONIC_",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2",
    "NUMBA_CACHE_DIR",
    "COVERAGE_",
)
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True)
class Outcome:
    """How a worker ended.

    `reason` is one sentence for the user where the status is not ok; `expected` says that it is a `UserError`'s own
    text; `seconds` is wall time from start to end, `peak_bytes` the highest resident size (VmHWM) of the child: its own
    last reading, or where it was stopped the parent's last.
    """

    status: WorkerStatus
    result: Any = None
    reason: str = ""
    expected: bool = False
    seconds: float = 0.0
    peak_bytes: int = 0


def scrubbed_environment(threads: int, order: str = "") -> dict[str, str]:
    """The environment of a worker: an allow-list of this one's, thread counts of every library set, hashes fixed.

    Variables that the order itself names, as a spec's ``${DATA}/scifact`` does, are passed on too.
    """
    wanted = {*PASSED_ON, *re.findall(r"\$\{(\w+)\}", order)}
    kept = {name: value for name, value in os.environ.items() if name in wanted or name.startswith(PASSED_ON_PREFIXES)}
    return {
        **kept,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_DYNAMIC": "FALSE",
        "MKL_DYNAMIC": "FALSE",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def run_isolated(
    target: str,
    arguments: Mapping[str, Any],
    *,
    timeout: float | None = None,
    memory_limit: int | None = None,
    threads: int = 1,
    pin: Sequence[int] | None = None,
    on_progress: Callable[[int, int | None, str], None] | None = None,
    log: Path | None = None,
    allow: Sequence[str] = ("harness.",),
) -> Outcome:
    """Call ``function(**arguments, report=...)`` in a fresh process that inherits nothing but this order.

    The parent sleeps in poll() meanwhile. What the child or its libraries print goes to `log`; results come as JSON
    over a pipe of their own. The child, and all that it started, ends with this call; should this process die, the
    kernel ends the child (Linux; it watches the thread that made this call).

    Args:
        target: ``module:function``; the module must begin with one of `allow`.
        arguments: JSON.
        timeout: Seconds until it is killed (status ``timeout``).
        memory_limit: Bytes of anonymous memory (RssAnon of the child itself, looked at every 0.2 s) above which it is
            killed (``oom``). An address-space limit would be exact but counts what torch and numba only reserve.
        threads: Written into every thread variable that the numerical libraries read.
        pin: Processors that it and all its threads may run on (Linux).
        on_progress: Called with (done, total, text).
        log: File that gets its output.
        allow: Prefixes of modules that may be called.

    Raises:
        ValueError: The target is not allowed.
        TypeError: The arguments are not JSON.
        UserError: A processor of `pin` is not there.
        KeyboardInterrupt: Passed on, as anything that `on_progress` raises, after the child was killed.
    """
    if not target.startswith(tuple(allow)) or target.count(":") != 1:
        raise ValueError(f"{target!r} may not be run")
    order = json.dumps({"target": target, "arguments": dict(arguments)})
    _check_pin(pin)
    started, kills = time.perf_counter(), _kernel_kills()
    reading, writing = os.pipe()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, reading)
        try:
            output: IO[bytes] | int = stack.enter_context(log.open("wb")) if log else subprocess.DEVNULL
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "harness.measure._child", str(writing), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**scrubbed_environment(threads, order), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
                pass_fds=(writing,),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        line = _Line(child, reading, on_progress)
        try:
            if pin is not None and hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(child.pid, pin)  # before the order comes, so before there is any other thread
            assert child.stdin is not None  # noqa: S101 - it was asked for above
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(order.encode())
                child.stdin.close()
            ended = line.listen(None if timeout is None else started + timeout, memory_limit)
            peak = _status_bytes(child.pid, "VmHWM")
        finally:
            line.close()
    seconds = time.perf_counter() - started
    peak = int(line.final.get("peak", peak))
    if ended == "timeout":
        return Outcome("timeout", reason=f"it took longer than {timeout:g} s", seconds=seconds, peak_bytes=peak)
    if ended == "oom":
        reason = f"it held more than {(memory_limit or 0) >> 20} MiB, which is the limit that was set"
        return Outcome("oom", reason=reason, seconds=seconds, peak_bytes=peak)
    status, reason, expected = _verdict(line.final, child.returncode, _kernel_kills() > kills)
    return Outcome(status, line.final.get("result"), reason, expected, seconds, peak)


class _Line:
    """The parent's end: reads messages without spinning, and ends the child and all that it started."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        reading: int,
        on_progress: Callable[[int, int | None, str], None] | None,
    ) -> None:
        self.child, self.reading, self.on_progress = child, reading, on_progress
        self.final: dict[str, Any] = {}
        self._rest = b""
        # A grandchild may hold the pipe open, so that it alone does not tell when the child is gone.
        self.process = os.pidfd_open(child.pid) if hasattr(os, "pidfd_open") else None

    def listen(self, deadline: float | None, memory_limit: int | None) -> Literal["closed", "timeout", "oom"]:
        """Read until the result is there, the child is gone or a limit is hit, and say which."""
        poll = select.poll()
        poll.register(self.reading, select.POLLIN)
        if self.process is not None:
            poll.register(self.process, select.POLLIN)
        while not self.final:
            wait = None if deadline is None else max(0.0, deadline - time.perf_counter())
            if memory_limit is not None:
                wait = WATCH_SECONDS if wait is None else min(wait, WATCH_SECONDS)
            ready = {descriptor for descriptor, _ in poll.poll(None if wait is None else int(wait * 1000) + 1)}
            if self.reading in ready:
                block = os.read(self.reading, 1 << 16)
                if not block:
                    return "closed"
                self._take(block)
            elif ready:  # gone, and nothing left to read
                return "closed"
            if deadline is not None and time.perf_counter() >= deadline and not self.final:
                return "timeout"
            if memory_limit is not None and _status_bytes(self.child.pid, "RssAnon") > memory_limit:
                return "oom"
        return "closed"

    def _take(self, block: bytes) -> None:
        *lines, self._rest = (self._rest + block).split(b"\n")
        for line in lines:
            message = _message(line)
            if "progress" not in message:
                self.final = message
                return
            if self.on_progress:
                done, total, text = message["progress"]
                self.on_progress(done, total, text)

    def close(self) -> None:
        """Let a child that has answered leave by itself, for a moment; then end its whole process group."""
        answered = "peak" in self.final
        if self.process is not None:
            if answered:
                leaving = select.poll()
                leaving.register(self.process, select.POLLIN)
                leaving.poll(int(GRACE_SECONDS * 1000))
            os.close(self.process)
        elif answered:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.child.wait(GRACE_SECONDS)
        if self.child.returncode is None:  # not waited for yet: its number still names this group and no other
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGKILL)
        if self.child.stdin is not None:
            with contextlib.suppress(OSError):
                self.child.stdin.close()
        self.child.wait()


def _message(line: bytes) -> dict[str, Any]:
    """A message of the child; anything else becomes the message that says so."""
    try:
        found = json.loads(line)
        if {"result", "error"} & found.keys():
            return dict(found)
        done, total, text = found["progress"]
        if isinstance(done, int) and isinstance(total, int | None) and isinstance(text, str):
            return dict(found)
    except (ValueError, TypeError, AttributeError, KeyError):
        pass
    return {"error": f"the worker sent something that is no message: {line[:80]!r}"}


def _verdict(final: Mapping[str, Any], code: int, kernel_killed: bool) -> tuple[WorkerStatus, str, bool]:
    """Status, reason, and whether the reason is the user's to mend."""
    if "result" in final:
        return "ok", "", False
    if "error" in final:
        return "oom" if final.get("oom") else "failed", str(final["error"]), bool(final.get("expected", False))
    if code == -signal.SIGKILL and kernel_killed:
        return "oom", "the kernel ended the worker because the memory ran out (SIGKILL)", False
    if code < 0:
        return "killed", f"the worker was ended from outside by {signal.Signals(-code).name}", False
    return "failed", f"the worker ended with exit code {code} and no result", False


def _check_pin(pin: Sequence[int] | None) -> None:
    if pin is None or not hasattr(os, "sched_getaffinity"):
        return
    usable = os.sched_getaffinity(0)
    if not pin or not usable.issuperset(pin):
        raise UserError(f"cannot pin to processors {list(pin)}", remedy=f"usable here: {sorted(usable)}")


def _status_bytes(pid: int, field: str) -> int:
    """A field of /proc/PID/status in bytes; 0 once the process is gone, and where there is no such file."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return 0


def _kernel_kills() -> int:
    """How many processes this kernel has ended for want of memory since it started; 0 where it does not tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
