"""What a user sees of a run: lines everywhere, and on a terminal a bar with the time left."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done

WIDTH = 24


class Lines:
    """One line a stage; on a terminal a bar below it while it runs.

    Args:
        file: Where to; standard error by default, so that results on standard output stay clean.
        quiet: Say only what failed.
    """

    def __init__(self, file: TextIO | None = None, *, quiet: bool = False) -> None:
        self.file = file or sys.stderr
        self.quiet = quiet
        self._started = 0.0
        self._failed: list[str] = []

    def begin(self, stage: Stage, number: int, total: int) -> None:
        """Say what begins."""
        self._started = time.monotonic()
        if not self.quiet:
            self._say(f"[{number}/{total}] {stage.label} ...")

    def progress(self, done: int, total: int | None, text: str) -> None:
        """Draw the bar, on a terminal only."""
        if self.quiet or not self.file.isatty():
            return
        spent = time.monotonic() - self._started
        if total and 0 < done <= total:
            filled = WIDTH * done // total
            left = spent * (total - done) / done
            bar = f"{'█' * filled}{'░' * (WIDTH - filled)} {done} of {total} {text}, {clock(left)} left"
        else:
            bar = f"{done} {text}, {clock(spent)}"
        self.file.write(f"\r    {bar[:100]}\x1b[K\r")
        self.file.flush()

    def end(self, done: Done, number: int, total: int) -> None:
        """Say how it ended; the reason of a failure once, not again with all that it keeps from beginning."""
        if done.status == "ok":
            how = "from the store" if done.reused else f"ok in {done.seconds:.1f} s"
        else:
            how = f"{done.status}{' before' if done.reused else ''}: {done.reason}"
            if done.status == "skipped":
                cause = next((name for name in self._failed if done.reason.startswith(f"{name}: ")), None)
                how = f"skipped, for want of {cause}" if cause else how
            else:
                self._failed.append(done.stage.label)
        if not self.quiet or done.status != "ok":
            self._say(f"[{number}/{total}] {done.stage.label}: {how}")

    def note(self, text: str) -> None:
        """Say it."""
        self._say(text)

    def _say(self, text: str) -> None:
        clear = "\r\x1b[K" if self.file.isatty() else ""
        self.file.write(f"{clear}{text}\n")
        self.file.flush()


def clock(seconds: float) -> str:
    """Seconds as ``1:05`` or ``2:03:09``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
