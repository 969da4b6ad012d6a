"""Which stages may run beside which: by what they measure, by what they read, and by the memory that they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.measure.machine.environment import available_bytes, usable_cores
from harness.pipeline.executors.rounds import SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.pipeline.stage import Stage

JOB_BYTES = 2 << 30
"""Available memory that the default number of jobs asks for each: a small model, its libraries and its data."""


def default_jobs() -> int:
    """As many stages at a time as there are usable processors, and `JOB_BYTES` of available memory for each."""
    return max(1, min(usable_cores(), available_bytes() // JOB_BYTES))


def runs_alone(unit: Sequence[Stage]) -> bool:
    """Whether nothing of the run may work beside these stages: they measure time, or take turns."""
    return len(unit) > 1 or any(stage.measures == "time" for stage in unit)


def may_join(stage: Stage, going: Sequence[Stage]) -> bool:
    """Whether a stage may begin beside those that are at work.

    Two stages never share an accelerator. While one measures memory, no other opens what it wants alone
    (`Stage.unshared`).
    """
    opened = {needed.key for needed in stage.inputs.values()}
    for other in going:
        if stage.gpus and other.gpus:
            return False
        if _unshared(stage) & {needed.key for needed in other.inputs.values()} or _unshared(other) & opened:
            return False
    return True


def _unshared(stage: Stage) -> set[str]:
    """Keys of the inputs that no other stage may open meanwhile."""
    if stage.measures != "memory":
        return set()
    return {stage.inputs[name].key for name in (stage.inputs if stage.unshared is None else stage.unshared)}


class Room:
    """The memory that stages beside each other may take.

    Args:
        available: Bytes; what the machine has when the first of them begins by default.
    """

    def __init__(self, available: int | None = None) -> None:
        self._available = available
        self._taken: dict[str, float] = {}
        self._room = 0.0

    def take(self, stage: Stage, size: float) -> bool:
        """Take room for a stage; False where there is none. The first stage always has room.

        Args:
            stage: The stage.
            size: Bytes that its process may take.
        """
        if not self._taken:
            self._room = SHARE * (available_bytes() if self._available is None else self._available)
        elif sum(self._taken.values()) + size > self._room:
            return False
        self._taken[stage.key] = size
        return True

    def free(self, stage: Stage) -> None:
        """Give the room of a stage back."""
        self._taken.pop(stage.key, None)
