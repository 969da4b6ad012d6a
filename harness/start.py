"""The first lines of the command: an interruption is answered at once, also while the rest is still being imported."""

from __future__ import annotations

import os
import signal
import sys


class Stopped(BaseException):
    """The user pressed Ctrl-C. Not a KeyboardInterrupt, which the library of the command line would answer itself."""


def main() -> None:
    """Run the command; stopped by Ctrl-C, end with exit code 130 and say how to go on."""
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


_asked: list[int] = []


def _stop(number: int, frame: object) -> None:
    _asked.append(number)
    raise Stopped
