"""How a stage ended, and who hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from harness.pipeline.stage import Stage
    from harness.pipeline.store.local import Artefact

Status: TypeAlias = Literal["ok", "failed", "unavailable", "timeout", "oom", "killed", "skipped", "incompatible"]
REMEMBERED: tuple[Status, ...] = ("failed", "timeout", "oom", "incompatible")
"""Failures that would happen again; the stage is tried again only when asked for. A killed stage always is, and so is
one whose surroundings lacked something (``unavailable``: network, a licence, room on a disk)."""
RETRIED: tuple[Status, ...] = ("failed", "timeout", "oom")
"""Failures that are tried again when asked for: memory, limits and files outside the key may have changed. What is
incompatible follows from the key alone."""


@dataclass(frozen=True)
class Done:
    """How a stage ended. `artefact` is there when the status is ok; `reused` says that it was stored before."""

    stage: Stage
    status: Status
    artefact: Artefact | None = None
    reused: bool = False
    reason: str = ""
    seconds: float = 0.0


class Watcher(Protocol):
    """Hears what happens; the command line draws it."""

    def begin(self, stage: Stage, number: int, total: int, expected: float | None = None) -> None:
        """A stage that is not stored begins; `expected` is the seconds that the same stage took before."""
        ...

    def progress(self, done: int, total: int | None, text: str, stage: Stage, memory: int = 0) -> None:
        """A stage got so far; others may be at work meanwhile. `memory`: bytes that its process holds; 0: not known."""
        ...

    def alive(self, stage: Stage, memory: int) -> None:
        """A stage is still at work. Called about once a second; on this machine not while times are measured."""
        ...

    def end(self, done: Done, number: int, total: int) -> None:
        """A stage ended, or its artefact was in the store."""
        ...

    def note(self, text: str) -> None:
        """Something that the user should know."""
        ...
