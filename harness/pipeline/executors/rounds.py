"""Rounds: stages whose processes are alive together and take turns, so that the machine's drift falls on all alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.measure.machine.environment import available_bytes
from harness.measure.machine.watch import WatchedConditions
from harness.pipeline.stored_result import conditions_met

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done

LIBRARIES = 512 << 20
"""Bytes that a process takes beside its inputs."""
GROWTH = 1.3
"""Bytes in memory for each byte of an input's files, at most, where they are served."""
SHARE = 0.7
"""Of the available memory that the processes of a round may take at one time."""


def units_of(stages: Sequence[Stage], done: Container[str]) -> dict[str, list[Stage]]:
    """What begins together, by name: a stage, or all stages of a round; in the order given.

    Args:
        stages: To be run.
        done: Keys of stages that have ended.

    Raises:
        ValueError: A stage needs one that is not among them and has not ended.
    """
    given = {stage.key for stage in stages}
    units: dict[str, list[Stage]] = {}
    for stage in stages:
        for needed in (*stage.inputs.values(), *stage.after):
            if needed.key not in given and needed.key not in done:
                raise ValueError(f"{stage.label} would wait for ever for {needed.label}")
        units.setdefault(stage.round or stage.key, []).append(stage)
    return units


def parts_that_fit(
    stages: Sequence[Stage], done: Mapping[str, Done], available: int | None = None
) -> Iterator[list[Stage]]:
    """Divide a round into parts whose processes fit into the memory at one time; nearly always it is one part.

    Args:
        stages: Of one round, to be made.
        done: How their inputs ended.
        available: Bytes; what the machine has by default.
    """
    if not stages:
        return  # the memory is not looked at where everything is stored: it takes as long as to read an artefact
    room = SHARE * (available_bytes() if available is None else available)
    part: list[Stage] = []
    taken = 0.0
    for stage in stages:
        size = expected_bytes(stage, done)
        if part and taken + size > room:
            yield part
            part, taken = [], 0.0
        part.append(stage)
        taken += size
    if part:
        yield part


def expected_bytes(stage: Stage, done: Mapping[str, Done]) -> float:
    """Bytes that the process of a stage may take, by the sizes of its inputs; an estimate."""
    inputs = [done[needed.key].artefact for needed in stage.inputs.values()]
    return LIBRARIES + GROWTH * sum(artefact.bytes for artefact in inputs if artefact is not None)


def timed_separately(stages: Sequence[Stage], known: Mapping[str, Done | None]) -> bool:
    """Whether some of a round's stored timings were not taken in turns with the others, or would not be."""
    if len(stages) < 2:
        return False
    rounds = {round_of(done) if done is not None else None for done in known.values() if not done or done.artefact}
    return len(rounds) > 1 or rounds == {""}


def round_of(done: Done) -> str:
    """The round in which a finished timing took its turns; "" where it was taken alone."""
    conditions = conditions_met(done.artefact, done.stage.function) if done.artefact else None
    return conditions.round if isinstance(conditions, WatchedConditions) else ""
