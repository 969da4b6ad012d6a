"""The conditions of every timed process of a run: one row a process, and a note on each that was disturbed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.measure.machine.sentinel import TOLERANCE
from harness.measure.machine.watch import WatchedConditions
from harness.pipeline.steps.timing import TimedLatency
from harness.pipeline.stored_result import conditions_met, stored_result
from harness.typed_json import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.jsonvalue import JsonTable
    from harness.measure.machine.conditions import ProcessConditions
    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage_outcome import Done

NOT_IN_TURNS = "it was not timed in turns with the other systems (--retry not-in-turns does that)"


@dataclass(frozen=True)
class ProcessRow:
    """The conditions of one process of a run, and where it belongs.

    Attributes:
        collection: Its name.
        system: Its name.
        kind: Of the stage: build, latency, cold, ...
        stage: Label of the stage.
        conditions: What the process met.
        slower_than_quietest: Best reading of the sentinel over the best of all processes of the run, minus 1; None
            where the process took no reading.
    """

    collection: str
    system: str
    kind: str
    stage: str
    conditions: ProcessConditions
    slower_than_quietest: float | None = None

    @property
    def round(self) -> str:
        """The round in which it took turns; "" where it was measured alone."""
        return self.conditions.round if isinstance(self.conditions, WatchedConditions) else ""

    @property
    def attempts(self) -> int:
        """How often it was measured."""
        return len(self.conditions.repeated) + 1 if isinstance(self.conditions, WatchedConditions) else 1

    def best_reading(self) -> tuple[float, float] | None:
        """The sentinel's shortest seconds of processor and of memory; None where it took no reading."""
        if not isinstance(self.conditions, WatchedConditions) or not self.conditions.sentinel:
            return None
        readings = self.conditions.sentinel
        return min(reading.processor for reading in readings), min(reading.memory for reading in readings)

    def disturbed_by(self, disturbance: str) -> ProcessRow:
        """This row with another disturbance beside those that it has."""
        both = "; ".join(filter(None, (self.conditions.disturbance, disturbance)))
        return replace(self, conditions=replace(self.conditions, disturbance=both))

    def as_json(self) -> JsonTable:
        """The row as a run folder has it: one object, the fields of the conditions beside the others."""
        slower = {} if self.slower_than_quietest is None else {"slower_than_quietest": self.slower_than_quietest}
        about = {"collection": self.collection, "system": self.system, "kind": self.kind, "stage": self.stage}
        conditions = {name: to_json(value) for name, value in vars(self.conditions).items()}
        return {**about, **conditions, **slower}


def conditions_of(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> list[ProcessRow]:
    """A row for each finished process that was observed.

    A machine that was slow throughout a process shows only beside the other processes of the run.
    """
    rows = [
        ProcessRow(system.collection, system.system.name, stage.kind, stage.label, conditions)
        for system in systems
        for stage in (system.build, *system.latency, *system.extras)
        for artefact in (done[stage.key].artefact,)
        for conditions in (conditions_met(artefact, stage.function) if artefact is not None else None,)
        if conditions is not None
    ]
    readings = [reading for reading in (row.best_reading() for row in rows) if reading is not None]
    if readings:
        quietest = min(processor for processor, _ in readings), min(memory for _, memory in readings)
        rows = [_compared(row, quietest) for row in rows]
    return _flag_not_in_turns(rows)


def _compared(row: ProcessRow, quietest: tuple[float, float]) -> ProcessRow:
    reading = row.best_reading()
    if reading is None:
        return row
    slower = max(own / best - 1 for own, best in zip(reading, quietest, strict=True))
    row = replace(row, slower_than_quietest=slower)
    if row.conditions.disturbance or slower <= TOLERANCE:
        return row
    return row.disturbed_by(f"the machine was {slower:.0%} slower throughout than in the quietest process")


def _flag_not_in_turns(rows: Sequence[ProcessRow]) -> list[ProcessRow]:
    """Flag each latency that was not measured in turns with most systems of its collection."""
    rounds: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        if row.kind == "latency":
            rounds.setdefault(row.collection, {}).setdefault(row.system, []).append(row.round)

    def alone(row: ProcessRow) -> bool:
        systems = rounds[row.collection]
        own = systems[row.system]
        beside = sum(own == theirs and "" not in own for theirs in systems.values())
        return len(systems) > 1 and beside <= len(systems) / 2

    return [row.disturbed_by(NOT_IN_TURNS) if row.kind == "latency" and alone(row) else row for row in rows]


def notes_of(rows: Iterable[ProcessRow]) -> list[str]:
    """One sentence for each process that was disturbed or did what was not asked for."""
    notes = []
    for row in rows:
        again = f", {row.attempts} times in a row" if row.attempts > 1 else ""
        for word, text in (("disturbed", row.conditions.disturbance), ("not as asked", row.conditions.violation)):
            if text:
                notes.append(f"{row.stage}: {word}{again}: {text}.")
    return notes


def builds_of(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> dict[str, str]:
    """How the libraries were built that the latency processes had loaded, and what reading the clock took in them."""
    latencies = [
        stored_result(artefact, TimedLatency)
        for system in systems
        for stage in system.latency
        for artefact in (done[stage.key].artefact,)
        if artefact is not None
    ]
    builds: dict[str, str] = {}
    for latency in latencies:
        builds |= latency.builds
    if clock := [latency.timer_overhead_seconds for latency in latencies]:
        between = f"{min(clock) * 1e9:.0f} to {max(clock) * 1e9:.0f} ns"
        builds["reading the clock twice"] = f"{between}, part of every latency"
    return builds
