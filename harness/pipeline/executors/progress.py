"""What a user sees of a run: a line a stage everywhere, and on a terminal live bars with the time left."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done

REFRESH_SECONDS = 0.25
"""Shortest time between two drawings of the bar."""


class Lines:
    """One line a stage; on a terminal a bar below for each that runs.

    Bars are drawn when a stage reports progress, and never by a thread of its own: this process sleeps while others
    are timed. Where NO_COLOR is set, rich leaves the colours out.

    Args:
        file: Where to; standard error by default, so that results on standard output stay clean.
        quiet: Say only what failed.
    """

    def __init__(self, file: TextIO | None = None, *, quiet: bool = False) -> None:
        self.file = file or sys.stderr
        self.quiet = quiet
        self._console: Console | None = None
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._drawn = 0.0
        self._failed: list[str] = []

    def begin(self, stage: Stage, number: int, total: int) -> None:
        """Say what begins."""
        if not self.quiet:
            self._say(f"[{number}/{total}] {stage.label} ...")

    def progress(self, done: int, total: int | None, text: str, stage: Stage) -> None:
        """Draw the bar of a stage, on a terminal only; where several run each bar names its stage."""
        if self.quiet or not self.file.isatty():
            return
        if self._bar is None:
            self._bar = _bar(self._terminal())
            self._bar.start()
        if stage.key not in self._tasks:
            self._tasks[stage.key] = self._bar.add_task(text, total=total)
            self._drawn = 0.0
        now, finished = time.monotonic(), total is not None and done >= total
        if finished or now - self._drawn >= REFRESH_SECONDS:
            self._drawn = now
            words = f"{stage.label}: {text}" if len(self._tasks) > 1 else text
            self._bar.update(self._tasks[stage.key], completed=done, total=total, description=words)
            self._bar.refresh()

    def end(self, done: Done, number: int, total: int) -> None:
        """Say how it ended; the reason of a failure once, not again with all that it keeps from beginning."""
        self._end_bar(done.stage)
        if done.status == "ok":
            how = "from the store" if done.reused else f"ok in {done.seconds:.1f} s"
        else:
            how = f"{done.status}{' before' if done.reused else ''}: {done.reason}"
            if done.status == "skipped":
                cause = next((name for name in self._failed if done.reason.startswith(f"{name}: ")), None)
                how = f"skipped, because it needs {cause}" if cause else how
            else:
                self._failed.append(done.stage.label)
        if not self.quiet or done.status != "ok":
            self._say(f"[{number}/{total}] {done.stage.label}: {how}")

    def note(self, text: str) -> None:
        """Say it."""
        self._say(text)

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._terminal().print(text, markup=False, highlight=False, soft_wrap=True)
            return
        self.file.write(f"{text}\n")
        self.file.flush()

    def _terminal(self) -> Console:
        if self._console is None:
            from rich.console import Console

            self._console = Console(file=self.file)
        return self._console

    def _end_bar(self, stage: Stage) -> None:
        task = self._tasks.pop(stage.key, None)
        if self._bar is not None and task is not None:
            self._bar.remove_task(task)
            self._bar.refresh()
            if not self._tasks:
                self._bar.stop()
                self._bar, self._drawn = None, 0.0


def _bar(console: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("   "),
        BarColumn(bar_width=24),
        MofNCompleteColumn(separator=" of "),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("left"),
        console=console,
        transient=True,
        auto_refresh=False,
    )


def clock(seconds: float) -> str:
    """Seconds as ``1:05`` or ``2:03:09``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
