"""Messages between a parent and its worker: one JSON value a line, and one type for each kind of message."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.jsonvalue import JsonTable, JsonValue


class WantsTurn(TypedDict):
    """A worker may go on with this pass once it has its turn."""

    turn: int


class WantsRepeat(TypedDict):
    """Why a worker wants to measure again; None where it must not."""

    again: str | None


Question: TypeAlias = "WantsTurn | WantsRepeat"
Ask: TypeAlias = "Callable[[Question], bool]"
"""Asks the parent a question and waits for the answer (see `harness.measure.workers.isolated.run_in_turns`)."""


@dataclass(frozen=True)
class Task:
    """What a worker is sent: the function to call, its arguments, whether it takes ``ask``, and its log."""

    target: str
    arguments: JsonTable
    asks: bool
    log: str | None

    def line(self) -> str:
        """One line of JSON, without its end.

        Raises:
            TypeError: The arguments are not JSON.
        """
        return json.dumps(vars(self))


def read_task(line: str) -> Task:
    """What `Task.line` wrote."""
    return Task(**json.loads(line))


@dataclass(frozen=True)
class Progress:
    """How far a function got: `done` of `total` (None where that is not known), and words for it."""

    done: int
    total: int | None
    text: str

    def line(self) -> str:
        """One line of JSON, without its end."""
        return _line({"progress": [self.done, self.total, self.text]})


@dataclass(frozen=True)
class Asked:
    """A question of a worker, which waits for the answer."""

    question: Question | JsonValue

    @property
    def turn(self) -> int | None:
        """The pass that it wants its turn for; None where it asks something else."""
        match self.question:
            case {"turn": int(number)}:
                return number
        return None

    @property
    def repeat(self) -> str | None:
        """Why it wants to measure again; None where it must not, or asks something else."""
        match self.question:
            case {"again": str(reason)}:
                return reason
        return None

    def line(self) -> str:
        """One line of JSON, without its end.

        Raises:
            TypeError: The question is not JSON.
            ValueError: It holds NaN or an infinite number.
        """
        return _line({"ask": self.question})


@dataclass(frozen=True)
class Succeeded:
    """The function returned `result`; `peak` is the highest resident size of its process so far, in bytes."""

    result: JsonValue
    peak: int

    def line(self) -> str:
        """One line of JSON, without its end.

        Raises:
            TypeError: The result is not JSON.
            ValueError: It holds NaN or an infinite number.
        """
        return _line({"result": self.result, "peak": self.peak})


@dataclass(frozen=True)
class Failed:
    """The function raised.

    `reason` is for the user, who can mend what is `expected`. It is `unavailable` where the inputs are not at fault,
    and something around the function is missing, such as the network or space on the disk. `peak` is the highest
    resident size of its process so far, in bytes; None where the worker sent no message that can be read.
    """

    reason: str
    expected: bool = False
    out_of_memory: bool = False
    peak: int | None = None
    unavailable: bool = False

    def line(self) -> str:
        """One line of JSON, without its end."""
        return _line(
            {
                "error": self.reason,
                "expected": self.expected,
                "oom": self.out_of_memory,
                "peak": self.peak,
                "unavailable": self.unavailable,
            }
        )


Message: TypeAlias = Progress | Asked | Succeeded | Failed


def read_message(line: bytes) -> Message:
    """A message of a worker; a line that is none becomes the failure that says so."""
    try:
        match json.loads(line):
            case {"progress": [int(done), int() | None as total, str(text)]}:
                return Progress(done, total, text)
            case {"ask": question}:
                return Asked(question)
            case {"result": result, "peak": int(peak)}:
                return Succeeded(result, peak)
            case {
                "error": str(reason),
                "expected": bool(expected),
                "oom": bool(oom),
                "peak": int(peak),
                "unavailable": bool(unavailable),
            }:
                return Failed(reason, expected, oom, peak, unavailable)
    except (ValueError, RecursionError):
        pass
    return Failed(f"the worker sent something that is no message: {line[:80]!r}")


def _line(message: Mapping[str, object]) -> str:
    return json.dumps(message, ensure_ascii=True, allow_nan=False)
