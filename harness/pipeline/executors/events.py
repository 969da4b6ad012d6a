"""What happens during a run, as values: for functions in Python, and as JSON lines for other programs."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

from harness.pipeline.executors.at_work import AtWork
from harness.typed_json import to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done

SCHEMA = 1
"""Of the JSON lines. A key may be added without a new number; one that is removed or changes its meaning raises it."""
PROGRESS_SECONDS = 1.0
"""Shortest time between two lines of progress of one stage."""
ALIVE_SECONDS = 10.0
"""A stage that reports no progress gets a line as often as this."""


@dataclass(frozen=True)
class Event:
    """Something that happened during a run.

    Attributes:
        kind: A stage begins, makes progress, is still at work or ended; or a note, which belongs to no stage.
        text: The stage in words, what is counted, or the note.
        number: Of the stage, from 1; or how much is done, where `kind` is progress.
        total: Stages in all; or how much there is to do, None where that is not known.
        status: How the stage ended, such as ``ok`` or ``failed``; empty before it ended.
        reason: Why it did not end well.
        reused: Whether its artefact was stored before.
        stage: The stage in words, also where `text` says what is counted; empty for a note.
        key: Of the stage; empty for a note.
        seconds: Since the stage began; where it ended, what it took.
        left: Estimated seconds until the stage ends; None where nothing tells.
        memory: Bytes that the stage's process holds resident, or held at most where it ended; 0 where not known.
    """

    kind: Literal["begin", "progress", "alive", "end", "note"]
    text: str
    number: int = 0
    total: int | None = None
    status: str = ""
    reason: str = ""
    reused: bool = False
    stage: str = ""
    key: str = ""
    seconds: float = 0.0
    left: float | None = None
    memory: int = 0


class Callback:
    """A watcher that gives each event to a function."""

    def __init__(self, function: Callable[[Event], object]) -> None:
        self._function = function
        self._at_work: dict[str, AtWork] = {}

    def begin(self, stage: Stage, number: int, total: int, expected: float | None = None) -> None:
        """Tell that a stage begins."""
        self._at_work[stage.key] = AtWork(stage, number, total, expected)
        self._function(Event("begin", stage.label, number, total, stage=stage.label, key=stage.key, left=expected))

    def progress(self, done: int, total: int | None, text: str, stage: Stage, memory: int = 0) -> None:
        """Tell how far a stage is."""
        seconds, left = 0.0, None
        if (work := self._at_work.get(stage.key)) is not None:
            work.count(done, total, text, memory)
            seconds, left = work.seconds(), work.left()
        self._function(
            Event(
                "progress", text, done, total, stage=stage.label, key=stage.key, seconds=seconds, left=left,
                memory=memory,
            )
        )  # fmt: skip

    def alive(self, stage: Stage, memory: int) -> None:
        """Tell that a stage is still at work."""
        if (work := self._at_work.get(stage.key)) is not None:
            self._function(
                Event(
                    "alive", stage.label, work.number, work.total, stage=stage.label, key=stage.key,
                    seconds=work.seconds(), left=work.left(), memory=memory,
                )
            )  # fmt: skip

    def end(self, done: Done, number: int, total: int) -> None:
        """Tell how a stage ended."""
        label, key = done.stage.label, done.stage.key
        self._at_work.pop(key, None)
        memory = done.artefact.peak_bytes if done.artefact is not None else 0
        self._function(
            Event(
                "end", label, number, total, done.status, done.reason, done.reused, label, key, done.seconds,
                memory=memory,
            )
        )  # fmt: skip

    def note(self, text: str) -> None:
        """Tell what the user should know."""
        self._function(Event("note", text))


@dataclass(frozen=True)
class BeginLine:
    """A stage that is not stored begins.

    `expected_seconds` is the time that it took before; null where it never ran, and on a cluster.
    """

    event: Literal["begin"]
    time: str
    stage: str
    key: str
    number: int
    total: int
    expected_seconds: float | None
    schema: int = SCHEMA


@dataclass(frozen=True)
class ProgressLine:
    """A stage has counted `done` of `of`; null where a number is not known. `left_seconds` is an estimate."""

    event: Literal["progress"]
    time: str
    stage: str
    key: str
    done: int
    of: int | None
    text: str
    seconds: float
    left_seconds: float | None
    memory_bytes: int | None
    schema: int = SCHEMA


@dataclass(frozen=True)
class AliveLine:
    """A stage is still at work and counted nothing new."""

    event: Literal["alive"]
    time: str
    stage: str
    key: str
    seconds: float
    left_seconds: float | None
    memory_bytes: int | None
    schema: int = SCHEMA


@dataclass(frozen=True)
class EndLine:
    """A stage ended, or its artefact was in the store (`reused`)."""

    event: Literal["end"]
    time: str
    stage: str
    key: str
    number: int
    total: int
    status: str
    reused: bool
    reason: str
    seconds: float
    peak_bytes: int | None
    schema: int = SCHEMA


@dataclass(frozen=True)
class NoteLine:
    """Something that the user should know."""

    event: Literal["note"]
    time: str
    text: str
    schema: int = SCHEMA


@dataclass(frozen=True)
class FinishedLine:
    """The last line of a command that came to its end; what `result` holds depends on the command."""

    event: Literal["finished"]
    time: str
    command: str
    exit_code: int
    result: dict[str, object]
    schema: int = SCHEMA


JsonLine: TypeAlias = BeginLine | ProgressLine | AliveLine | EndLine | NoteLine | FinishedLine


def json_line(event: Event) -> JsonLine:
    """An event as an object of JSON; its time is now."""
    now, memory, seconds, left = _now(), event.memory or None, round(event.seconds, 3), event.left
    left = None if left is None else round(left, 3)
    match event.kind:
        case "begin":
            return BeginLine("begin", now, event.stage, event.key, event.number, event.total or 0, left)
        case "progress":
            counted = event.number, event.total, event.text
            return ProgressLine("progress", now, event.stage, event.key, *counted, seconds, left, memory)
        case "alive":
            return AliveLine("alive", now, event.stage, event.key, seconds, left, memory)
        case "end":
            stage, place = (event.stage, event.key), (event.number, event.total or 0)
            return EndLine("end", now, *stage, *place, event.status, event.reused, event.reason, seconds, memory)
        case "note":
            return NoteLine("note", now, event.text)


class JsonLines(Callback):
    """A watcher that writes one JSON object a line; a context, as `Lines` is. Where the reader has gone, it is silent.

    Args:
        file: Where to; standard output by default.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        super().__init__(self._write)
        self.file = file or sys.stdout
        self._last: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is to be ended."""

    def finish(self, command: str, exit_code: int, result: dict[str, object]) -> None:
        """Write the last line of a command.

        Args:
            command: Its name.
            exit_code: How the command ends.
            result: What the command made, as JSON.
        """
        self._print(FinishedLine("finished", _now(), command, exit_code, dict(result)))

    def _write(self, event: Event) -> None:
        now = time.monotonic()
        if event.kind in ("progress", "alive"):
            least = PROGRESS_SECONDS if event.kind == "progress" else ALIVE_SECONDS
            at_end = event.kind == "progress" and event.number == event.total
            if not at_end and now - self._last.get(event.key, -ALIVE_SECONDS) < least:
                return
            self._last[event.key] = now
        elif event.kind == "begin":
            self._last[event.key] = now - PROGRESS_SECONDS  # the first progress is shown at once, a sign of life later
        self._print(json_line(event))

    def _print(self, line: JsonLine) -> None:
        try:
            self.file.write(json.dumps(to_json(line), allow_nan=False) + "\n")
            self.file.flush()
        except BrokenPipeError:  # the run goes on, and nothing that is flushed later meets the closed pipe
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.file.fileno())
            os.close(null)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
