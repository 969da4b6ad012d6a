"""The inside of a worker process: calls functions as it is ordered; results and questions go to their own pipe."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib
import json
import os
import signal
import sys
import traceback
from typing import IO, Any

from harness.errors import UserError

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Obey the orders that come from standard input, one a line; report over the descriptor named in the arguments."""
    _die_with_parent(int(sys.argv[2]))
    os.set_inheritable(int(sys.argv[1]), False)
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8", buffering=1) as pipe:
        _obey(json.loads(sys.stdin.readline()), pipe)
        while line := sys.stdin.readline():  # a process that is kept; any other finds the end here
            order = json.loads(line)
            _begin_anew(order["log"])
            _obey(order, pipe)
    return 0


def _obey(order: dict[str, Any], pipe: IO[str]) -> None:
    def send(**message: object) -> None:
        pipe.write(json.dumps(message, ensure_ascii=True, allow_nan=False) + "\n")
        pipe.flush()

    def report(done: int, total: int | None, text: str) -> None:
        send(progress=[int(done), None if total is None else int(total), str(text)])

    def ask(what: object) -> Any:
        send(ask=what)
        return json.loads(sys.stdin.readline())

    try:
        module, _, name = order["target"].partition(":")
        tools = {"report": report, **({"ask": ask} if order["asks"] else {})}
        result: Any = getattr(importlib.import_module(module), name)(**order["arguments"], **tools)
        send(result=result, peak=_peak())
    except UserError as error:
        send(error=str(error), expected=True, peak=_peak())
    except Exception as error:  # whatever it is becomes a status with its reason
        with contextlib.suppress(OSError):  # the log may lie on the disk that is full
            traceback.print_exc()
        if isinstance(error, MemoryError):
            send(error=f"out of memory: {error or 'an allocation failed'}", oom=True, peak=_peak())
        elif (path := _full_disk(error)) is not None:
            remedy = "free space, or give another folder with --store; what was finished before is kept"
            text = f"no space is left on the disk ({path or 'the store'})\n  remedy: {remedy}"
            send(error=text, expected=True, peak=_peak())
        else:
            send(error=f"{type(error).__name__}: {error}", expected=False, peak=_peak())


def _begin_anew(log: str | None) -> None:
    """What the next order prints goes to its own log, and its peak begins where this process now stands."""
    from harness.measure.memory import reset_peak

    sys.stdout.flush()
    output = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    reset_peak()


def _full_disk(error: BaseException | None) -> str | None:
    """The file that did not fit ("" where it is not told), None where something else is wrong.

    Libraries wrap the system's error or repeat its text, so causes and texts are looked at too.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return str(error.filename or "")
        if os.strerror(errno.ENOSPC).lower() in str(error).lower():
            return ""
        error = error.__cause__ or error.__context__
    return None


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the call
            os.kill(os.getpid(), signal.SIGKILL)


def _peak() -> int:
    from harness.measure.memory import peak

    return peak()


if __name__ == "__main__":
    sys.exit(main())
