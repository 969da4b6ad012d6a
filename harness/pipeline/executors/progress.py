"""What a user sees of a run: in a log a line a minute, and on a terminal a live bar for each stage at work."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from harness.pipeline.executors.at_work import AtWork
from harness.terminal_text import clean, steady

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.text import Text

    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done

REFRESH_SECONDS = 0.25
"""Shortest time between two drawings of the bars."""
BAR_WIDTH = 12
LINE_SECONDS = 60.0
"""Where no bars are drawn, a stage at work gets a line as often as this."""


class Lines:
    """A line for each stage that ended; until then a bar on a terminal, and in a log a line a minute.

    Bars are drawn, and lines written, when a stage reports something or the executor looks at it, and never by a thread
    of their own: this process sleeps while others are timed. Where NO_COLOR is set, rich leaves the colours out. A
    terminal that cannot move its cursor (``TERM=dumb``) is a log. As a context, it takes the bars away at the end.

    Args:
        file: Where to; standard error by default, so that results on standard output stay clean.
        quiet: Say only what failed.
    """

    def __init__(self, file: TextIO | None = None, *, quiet: bool = False) -> None:
        self.file = file or sys.stderr
        self.quiet = quiet
        self._console: Console | None = None
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._at_work: dict[str, AtWork] = {}
        self._written: dict[str, float] = {}
        self._drawn = 0.0
        self._failed: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()  # the cursor comes back
            self._bars = None

    def begin(self, stage: Stage, number: int, total: int, expected: float | None = None) -> None:
        """Say what begins."""
        work = self._at_work[stage.key] = AtWork(stage, number, total, expected)
        self._written[stage.key] = work.began
        if self.quiet:
            return
        terminal = self._terminal()
        if terminal is None:
            self._say(f"[{number}/{total}] {work.label} ...")
            return
        if self._bars is None:
            self._bars = _bars(terminal)
            self._bars.start()
        if (begun := self._tasks.pop(stage.key, None)) is not None:  # it is made again in a fresh process
            self._bars.remove_task(begun)
        self._tasks[stage.key] = self._bars.add_task(f"[{number}/{total}] {work.label}", total=None, shown=_cells(work))
        self._draw(work, at_once=True)

    def progress(self, done: int, total: int | None, text: str, stage: Stage, memory: int = 0) -> None:
        """Draw how far a stage is, or write it if a minute has passed."""
        if (work := self._at_work.get(stage.key)) is not None:
            work.count(done, total, text, memory)
            self._show(work, at_once=total is not None and done >= total)

    def alive(self, stage: Stage, memory: int) -> None:
        """Draw the time and the memory of a stage, or write them if a minute has passed."""
        if (work := self._at_work.get(stage.key)) is not None:
            work.memory = memory
            self._show(work, at_once=False)

    def end(self, done: Done, number: int, total: int) -> None:
        """Say how it ended; the reason of a failure once, not again with all that it keeps from beginning."""
        self._end_bar(done.stage)
        if done.status == "ok":
            peak = size(done.artefact.peak_bytes) if done.artefact is not None and done.artefact.peak_bytes else ""
            how = (
                "from the store" if done.reused else f"ok in {done.seconds:.1f} s{f', {peak} at most' if peak else ''}"
            )
        else:
            how = f"{done.status}{' before' if done.reused else ''}: {done.reason}"
            if done.status == "skipped":
                cause = next((name for name in self._failed if done.reason.startswith(f"{name}: ")), None)
                how = f"skipped, because it needs {clean(cause)}" if cause else how
            else:
                self._failed.append(done.stage.label)
        if not self.quiet or done.status != "ok":
            self._say(f"[{number}/{total}] {clean(done.stage.label)}: {how}")

    def note(self, text: str) -> None:
        """Say it."""
        self._say(text)

    def _show(self, work: AtWork, *, at_once: bool) -> None:
        if self.quiet:
            return
        if self._bars is not None:
            self._draw(work, at_once=at_once)
            return
        now = time.monotonic()
        if now - self._written[work.stage.key] >= LINE_SECONDS:
            self._written[work.stage.key] = now
            self._say(f"[{work.number}/{work.total}] {work.label}: {', '.join(_words(work))}")

    def _draw(self, work: AtWork, *, at_once: bool) -> None:
        assert self._bars is not None  # noqa: S101 - asked by those who call this
        task = self._tasks[work.stage.key]
        if work.counts:
            self._bars.update(task, total=work.of, completed=work.done, shown=_cells(work))
        else:
            self._bars.update(task, total=None, completed=0, shown=_cells(work))
        now = time.monotonic()
        if at_once or now - self._drawn >= REFRESH_SECONDS:
            self._drawn = now
            self._bars.refresh()

    def _say(self, text: str) -> None:
        text = steady(text)
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
            return
        self.file.write(f"{text}\n")
        self.file.flush()

    def _terminal(self) -> Console | None:
        """The terminal on which bars can be drawn; None where there is none."""
        if self._console is None and self.file.isatty():
            from rich.console import Console

            self._console = Console(file=self.file)
        return None if self._console is None or self._console.is_dumb_terminal else self._console

    def _end_bar(self, stage: Stage) -> None:
        self._at_work.pop(stage.key, None)
        self._written.pop(stage.key, None)
        task = self._tasks.pop(stage.key, None)
        if self._bars is not None and task is not None:
            self._bars.remove_task(task)
            self._bars.refresh()
            if not self._tasks:
                self._bars.stop()
                self._bars, self._drawn = None, 0.0


def _bars(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, Task, TextColumn
    from rich.table import Column

    class Shrinks(TextColumn):
        """Ends in an ellipsis where the line is too narrow; the others keep their width."""

        def render(self, task: Task) -> Text:
            text = super().render(task)
            text.no_wrap, text.overflow = True, "ellipsis"
            return text

    def whole(cell: str) -> TextColumn:
        return TextColumn(f"{{task.fields[shown][{cell}]}}", markup=False, table_column=Column(no_wrap=True))

    return Progress(
        Shrinks("{task.description}", markup=False, table_column=Column(no_wrap=False)),
        BarColumn(bar_width=BAR_WIDTH),
        Shrinks("{task.fields[shown][counted]}", markup=False, table_column=Column(no_wrap=False)),
        whole("clock"),
        whole("memory"),
        console=console,
        transient=True,
        auto_refresh=False,
    )


def _cells(work: AtWork) -> dict[str, str]:
    """What stands behind the bar of a stage."""
    left = work.left()
    return {
        "counted": _counted(work),
        "clock": clock(work.seconds()) + ("" if left is None else f", {_left(work, left)}"),
        "memory": size(work.memory) if work.memory else "",
    }


def _words(work: AtWork) -> list[str]:
    """What a line in a log says of a stage at work."""
    left = work.left()
    parts = [_counted(work), f"at work for {clock(work.seconds())}"]
    parts += ["" if left is None else _left(work, left), size(work.memory) if work.memory else ""]
    return [part for part in parts if part]


def _counted(work: AtWork) -> str:
    if not work.counts:
        return work.text
    return f"{work.done:,} of {work.of:,} {work.text}" if work.of is not None else f"{work.done:,} {work.text}"


def _left(work: AtWork, left: float) -> str:
    """The time left; where it is only that of the last time, it says so."""
    if work.counts:
        return f"{clock(left)} left"
    return f"about {clock(left)} left" if left else "longer than last time"


def clock(seconds: float) -> str:
    """Seconds as ``1:05`` or ``2:03:09``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def size(count: int) -> str:
    """Bytes as ``812 MiB`` or ``1.5 GiB``."""
    return f"{count / 2**20:.0f} MiB" if count < 2**30 else f"{count / 2**30:.1f} GiB"
