"""Run one function in a fresh process, under limits, and say how it ended."""

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
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WorkerStatus: TypeAlias = Literal["ok", "failed", "timeout", "oom", "killed"]
WATCH_SECONDS = 0.2
"""How often the parent looks at the child's memory; between two looks it sleeps in poll()."""
PASSED_ON = ("HOME", "PATH", "TMPDIR", "LANG", "LC_ALL", "USER", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SSL_CERT_FILE")
PASSED_ON_PREFIXES = (
    "HF_",
    "XDG_",
    "LACONIC_BENCH_",
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
    text; `seconds` is wall time from start to end, `peak_bytes` the highest resident size (VmHWM) of the child.
    """

    status: WorkerStatus
    result: Any = None
    reason: str = ""
    expected: bool = False
    seconds: float = 0.0
    peak_bytes: int = 0


def scrubbed_environment(threads: int) -> dict[str, str]:
    """The environment of a worker: an allow-list of this one's, thread counts of every library set, hashes fixed."""
    kept = {
        name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
    }
    return {
        **kept,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        "TOKENIZERS_PARALLELISM": "false",
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
    over a pipe of their own. The child dies with its parent.

    Args:
        target: ``module:function``; the module must begin with one of `allow`.
        arguments: JSON.
        timeout: Seconds until it is killed (status ``timeout``).
        memory_limit: Bytes of anonymous memory (RssAnon, looked at every 0.2 s) above which it is killed (``oom``).
            An address-space limit would be exact but counts what torch and numba only reserve.
        threads: Written into every thread variable that the numerical libraries read.
        pin: Processors that it may run on.
        on_progress: Called with (done, total, text).
        log: File that gets its output.
        allow: Prefixes of modules that may be called.

    Raises:
        ValueError: The target is not allowed.
        KeyboardInterrupt: Passed on, after the child was killed.
    """
    if not target.startswith(tuple(allow)) or target.count(":") != 1:
        raise ValueError(f"{target!r} may not be run")
    started = time.perf_counter()
    reading, writing = os.pipe()
    with contextlib.ExitStack() as stack:
        output: IO[bytes] | int = stack.enter_context(log.open("wb")) if log else subprocess.DEVNULL
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.measure._child", str(writing), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**scrubbed_environment(threads), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            pass_fds=(writing,),
            start_new_session=True,
        )
        os.close(writing)
        if pin is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(child.pid, pin)
        try:
            order = json.dumps({"target": target, "arguments": dict(arguments)}).encode()
            with contextlib.suppress(BrokenPipeError):
                assert child.stdin is not None  # noqa: S101 - it was asked for above
                child.stdin.write(order)
                child.stdin.close()
            deadline = None if timeout is None else started + timeout
            ended, messages = _listen(child, reading, deadline, memory_limit, on_progress)
        finally:
            os.close(reading)
            _kill(child)
        return _outcome(child, ended, messages, time.perf_counter() - started, timeout, memory_limit)


def _listen(
    child: subprocess.Popen[bytes],
    reading: int,
    deadline: float | None,
    memory_limit: int | None,
    on_progress: Callable[[int, int | None, str], None] | None,
) -> tuple[str, dict[str, Any]]:
    """Read messages until the pipe closes or a limit is hit: what ended it, and the last message that was no progress."""
    poll = select.poll()
    poll.register(reading, select.POLLIN | select.POLLHUP)
    final: dict[str, Any] = {}
    rest = b""
    while True:
        wait = None if deadline is None else max(0.0, deadline - time.perf_counter())
        if memory_limit is not None:
            wait = WATCH_SECONDS if wait is None else min(wait, WATCH_SECONDS)
        ready = poll.poll(None if wait is None else int(wait * 1000) + 1)
        if ready:
            block = os.read(reading, 1 << 16)
            if not block:
                return "closed", final
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                try:
                    message = json.loads(line)
                    if "progress" in message:
                        if on_progress:
                            on_progress(*message["progress"])
                    else:
                        final = message
                except (ValueError, TypeError):
                    return "garbage", {"error": f"the worker sent something that is no message: {line[:80]!r}"}
        if deadline is not None and time.perf_counter() >= deadline:
            return "timeout", final
        if memory_limit is not None and _anonymous(child.pid) > memory_limit:
            return "oom", final


def _anonymous(pid: int) -> int:
    """RssAnon of a process in bytes; 0 once it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and all that it started; one that finished by itself gets a moment to do so."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=5 if sys.exc_info()[0] is None and child.poll() is not None else 0.5)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _outcome(
    child: subprocess.Popen[bytes],
    ended: str,
    message: dict[str, Any],
    seconds: float,
    timeout: float | None,
    memory_limit: int | None,
) -> Outcome:
    peak = int(message.get("peak", 0))
    if ended == "timeout":
        return Outcome("timeout", reason=f"it took longer than {timeout:g} s (measure.timeout)", seconds=seconds)
    if ended == "oom":
        limit = (memory_limit or 0) >> 20
        return Outcome("oom", reason=f"it held more than {limit} MiB (measure.memory_limit)", seconds=seconds)
    if "result" in message:
        return Outcome("ok", message["result"], seconds=seconds, peak_bytes=peak)
    if "error" in message:
        status: WorkerStatus = "oom" if message.get("oom") else "failed"
        expected = bool(message.get("expected", False))
        return Outcome(status, reason=str(message["error"]), expected=expected, seconds=seconds, peak_bytes=peak)
    code = child.returncode
    if code < 0:
        name = signal.Signals(-code).name
        return Outcome(
            "killed", reason=f"the worker was ended by {name}; the kernel does so when memory runs out", seconds=seconds
        )
    return Outcome("failed", reason=f"the worker ended with exit code {code} and no result", seconds=seconds)
