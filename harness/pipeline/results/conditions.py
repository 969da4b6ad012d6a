"""What every timed process of a run met, gathered: one row a process, and a note on each that was disturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.measure.machine.sentinel import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done

Row = dict[str, Any]
NOT_IN_TURNS = "it was not timed in turns with the other systems (--retry not-in-turns does that)"


def conditions_of(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> list[Row]:
    """A row for each finished process that was watched: where it belongs, its conditions, how the sentinel did.

    `slower_than_quietest` is the sentinel's best reading over the best of all processes of the run, minus 1: a machine
    that was slow throughout a process shows only there.
    """
    rows: list[Row] = []
    for one in systems:
        for stage in (one.build, *one.latency, *one.extras):
            artefact = done[stage.key].artefact
            if artefact is not None and "conditions" in artefact.result:
                rows.append(_row(one, stage, artefact.result["conditions"]))
    quietest: dict[str, float] = {}
    for name in ("processor", "memory"):
        best = [_best(row, name) for row in rows if row.get("sentinel")]
        quietest[name] = min(best, default=0.0)
    for row in rows:
        if row.get("sentinel"):
            row["slower_than_quietest"] = max(_best(row, name) / quietest[name] - 1 for name in quietest)
            if not row["disturbance"] and row["slower_than_quietest"] > TOLERANCE:
                row["disturbance"] = (
                    f"the machine was {row['slower_than_quietest']:.0%} slower throughout than in the quietest process"
                )
    _flag_not_in_turns(rows)
    return rows


def _flag_not_in_turns(rows: Iterable[Row]) -> None:
    """Say of each latency that was not taken in turns with most of its collection's that it was not."""
    rounds: dict[str, dict[str, list[str]]] = {}
    latencies = [row for row in rows if row["kind"] == "latency"]
    for row in latencies:
        rounds.setdefault(row["collection"], {}).setdefault(row["system"], []).append(row.get("round", ""))
    for row in latencies:
        systems = rounds[row["collection"]]
        own = systems[row["system"]]
        beside = sum(own == theirs and "" not in own for theirs in systems.values())
        if len(systems) > 1 and beside <= len(systems) / 2:
            row["disturbance"] = "; ".join(filter(None, (row["disturbance"], NOT_IN_TURNS)))


def notes_of(rows: Iterable[Row]) -> list[str]:
    """One sentence for each process that was disturbed or did what was not asked for."""
    notes = []
    for row in rows:
        for word, text in (("disturbed", row["disturbance"]), ("not as asked", row["violation"])):
            if text:
                again = f", {len(row['repeated']) + 1} times in a row" if row.get("repeated") else ""
                notes.append(f"{row['stage']}: {word}{again}: {text}.")
    return notes


def builds_of(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> dict[str, str]:
    """How the libraries were built that the latency processes had loaded, and what reading the clock took in them."""
    found: dict[str, str] = {}
    clock: list[float] = []
    for one in systems:
        for stage in one.latency:
            artefact = done[stage.key].artefact
            if artefact is not None:
                found |= artefact.result.get("builds", {})
                clock += [artefact.result[name] for name in ("timer_overhead_seconds",) if name in artefact.result]
    if clock:
        found["reading the clock twice"] = f"{min(clock) * 1e9:.0f} to {max(clock) * 1e9:.0f} ns, part of every latency"
    return found


def _row(one: SystemStages, stage: Stage, conditions: Mapping[str, Any]) -> Row:
    return {
        "collection": one.collection,
        "system": one.system.name,
        "kind": stage.kind,
        "stage": stage.label,
        **conditions,
    }


def _best(row: Row, name: str) -> float:
    return min(float(reading[name]) for reading in row["sentinel"])
