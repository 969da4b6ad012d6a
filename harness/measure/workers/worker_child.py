"""The inside of a worker process: calls the functions that it is sent; its messages go to a pipe of their own."""

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
from types import ModuleType
from typing import IO, TYPE_CHECKING

from harness.errors import UnavailableError, UserError
from harness.measure.workers.fresh_state import FreshState
from harness.measure.workers.messages import Asked, Failed, Message, Progress, Succeeded, Task, read_task
from harness.typed_json import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.measure.workers.messages import Question

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Do the tasks that come from standard input, one a line; report over the descriptor named in the arguments."""
    _die_with_parent(int(sys.argv[2]))
    os.set_inheritable(int(sys.argv[1]), False)
    _spare_fortran()
    state = FreshState()
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8", buffering=1) as pipe:
        _obey(read_task(sys.stdin.readline()), pipe)
        while line := sys.stdin.readline():  # a process that is kept; any other finds the end here
            task = read_task(line)
            state.restore()
            _begin_anew(task.log)
            _obey(task, pipe)
    return 0


class _Later(ModuleType):
    """A module that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


def _spare_fortran() -> None:
    """Keep scipy from importing numpy's translator of Fortran, a tenth of what a measuring process spends on imports.

    scipy asks numpy for everything that it has; nothing here translates Fortran.
    """
    import numpy as np

    vars(np)["f2py"] = _Later("numpy.f2py")


def _obey(task: Task, pipe: IO[str]) -> None:
    def send(message: Message) -> None:
        pipe.write(message.line() + "\n")
        pipe.flush()

    def report(done: int, total: int | None, text: str) -> None:
        send(Progress(int(done), None if total is None else int(total), str(text)))

    def ask(question: Question) -> bool:
        send(Asked(question))
        return bool(json.loads(sys.stdin.readline()))

    try:
        module, _, name = task.target.partition(":")
        tools: dict[str, Callable[..., object]] = {"report": report, **({"ask": ask} if task.asks else {})}
        result = getattr(importlib.import_module(module), name)(**task.arguments, **tools)
        send(Succeeded(to_json(result), _peak()))
    except UserError as error:
        unavailable = isinstance(error, UnavailableError)
        send(Failed(str(error), expected=True, peak=_peak(), unavailable=unavailable))
    except Exception as error:  # whatever it is becomes a status with its reason
        with contextlib.suppress(OSError):  # the log may lie on the disk that is full
            traceback.print_exc()
        send(_failure(error))


def _failure(error: Exception) -> Failed:
    """Why a function failed that raised no `UserError`."""
    if isinstance(error, MemoryError):
        return Failed(f"out of memory: {error or 'an allocation failed'}", out_of_memory=True, peak=_peak())
    if (path := _full_disk(error)) is not None:
        remedy = "free space, or give another folder with --store; finished stages are kept"
        text = f"no space is left on the disk ({path or 'the store'})\n  remedy: {remedy}"
        return Failed(text, expected=True, peak=_peak(), unavailable=True)
    return Failed(f"{type(error).__name__}: {error}", peak=_peak())


def _begin_anew(log: str | None) -> None:
    """Let the next task print to its own log, and let its peak begin at the present resident size."""
    from harness.measure.memory import reset_peak

    sys.stdout.flush()
    output = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    reset_peak()


def _full_disk(error: BaseException | None) -> str | None:
    """The file that did not fit ("" where the error does not name it), None where something else is wrong.

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
