"""The first lines of the command: an interruption is answered at once, also while the rest is still being imported."""

from __future__ import annotations

import os
import signal
import sys


class Stopped(BaseException):
    """The user pressed Ctrl-C. Not a KeyboardInterrupt, which the library of the command line would answer itself."""


def main() -> None:
    """Run the command; stopped by Ctrl-C, end with exit code 130 and say how to go on."""
    _use_utf8()
    try:
        try:
            signal.signal(signal.SIGINT, _stop)
            from harness.cli.app import main as command

            command()
        finally:
            # From here on Python takes itself down, and would die of a signal: what was asked for is done.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except SystemExit:
        raise
    except BaseException:  # a library may have turned `Stopped` into an error of its own
        if not _asked:
            raise
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("stopped; the same command goes on from here", file=sys.stderr)  # noqa: T201
        sys.stdout.flush()
        sys.stderr.flush()
        # At once: what had to be undone was undone on the way here, and taking large libraries down takes seconds.
        os._exit(130)


def _use_utf8() -> None:
    """Start this command again in Python's UTF-8 mode where the locale has another encoding.

    Otherwise names of files and systems in most scripts could be neither opened nor printed (``LC_ALL=C``). The mode
    holds for all processes that the command starts.
    """
    if sys.flags.utf8_mode or sys.getfilesystemencoding() == "utf-8":
        return
    sys.stdout.flush()
    command = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
    os.execve(sys.executable, command, {**os.environ, "PYTHONUTF8": "1"})  # noqa: S606 - the same command


_asked: list[int] = []


def _stop(number: int, frame: object) -> None:
    _asked.append(number)
    raise Stopped
