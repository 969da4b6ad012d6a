"""Several runs merged into one, so that one page shows them side by side; it holds only what is comparable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from harness.errors import UserError
from harness.runs.metrics import metric_of
from harness.runs.names import distinct
from harness.runs.read import RunData, load_run

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from pathlib import Path

    from harness.records import Record
    from harness.runs.facts import Facts, SystemFacts

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")

SAME_TIMING = ("k", "threads", "queries")


def load_runs(folders: Sequence[Path]) -> RunData:
    """One run, or several `merged`.

    Raises:
        UserError: A folder holds no finished run, or no collection is in two of them.
    """
    return merged([load_run(folder) for folder in folders])


def merged(runs: Sequence[RunData]) -> RunData:
    """One run, or several side by side: systems are renamed "SYSTEM (RUN)", and each run keeps its own claims.

    The first run that has a collection decides its revision; runs with another revision of it are left out there.
    Times and resident sizes are left out of runs whose machine, k, threads or timed queries differ from the first
    run's. The notes name everything that is left out.

    Raises:
        UserError: No collection is in two of the runs.
    """
    if len(runs) == 1:
        return runs[0]
    names = names_of(runs)
    revisions: dict[str, str | None] = {}
    holders: dict[str, int] = {}
    notes: list[str] = []
    parts = []
    for run, name in zip(runs, names, strict=True):
        comparable = set()
        for collection in run.collections():
            revision = run.facts["collections"].get(collection, {}).get("revision")
            if revisions.setdefault(collection, revision) == revision:
                comparable.add(collection)
                holders[collection] = holders.get(collection, 0) + 1
            else:
                notes.append(f"{collection} of {name} is left out: its revision is another.")
        timed = _timing(run) == _timing(runs[0])
        if not timed:
            notes.append(f"Times and resident sizes of {name} are left out: another machine, or other settings.")
        parts.append(_renamed(run, name, comparable, timed=timed))
    if max(holders.values(), default=0) < 2:
        raise UserError(
            "no collection is in two of these runs, in the same revision", remedy="give runs over the same collections"
        )
    return _merged(parts, names, notes)


def names_of(runs: Sequence[RunData]) -> list[str]:
    """The name of each run; equal ones are numbered."""
    return distinct([str(run.facts["name"]) for run in runs], " ", number_first=True)


def _timing(run: RunData) -> tuple[object, ...]:
    measure: Mapping[str, object] = run.facts.get("measure", {})
    return (run.facts.get("machine"), *(measure.get(name) for name in SAME_TIMING))


def _renamed(run: RunData, name: str, comparable: set[str], *, timed: bool) -> RunData:
    def renamed(system: str) -> str:
        return f"{system} ({name})"

    def by_cell(values: Mapping[tuple[str, str], V]) -> dict[tuple[str, str], V]:
        return {(c, renamed(system)): value for (c, system), value in values.items() if c in comparable}

    def wanted(row: Record) -> bool:
        return row.collection in comparable and (timed or not metric_of(row).timed)

    def described(system: SystemFacts) -> SystemFacts:
        facts: SystemFacts = {**system, "name": renamed(system["name"])}
        if "fused" in system:
            facts["fused"] = [renamed(part) for part in system["fused"]]
        return facts

    systems = [described(system) for system in run.systems if system["collection"] in comparable]
    return RunData(
        run.folder,
        {**run.facts, "systems": systems},
        [replace(row, system=renamed(row.system)) for row in run.records if wanted(row)],
        {(c, renamed(system), name): v for (c, system, name), v in run.quality.items() if c in comparable},
        by_cell(run.latency) if timed else {},
        {f"{encoder} ({name})": rows for encoder, rows in run.training.items()},
        by_cell(run.explained),
        by_cell(run.active),
        [
            {**row, "system": renamed(row["system"])}
            for row in run.conditions
            if timed and row["collection"] in comparable
        ],
    )


def _side_by_side(parts: Sequence[RunData], names: Sequence[str]) -> list[SystemFacts]:
    """Systems of all runs; equal names stand next to each other, in the order of the first run that has them."""
    by_name: dict[tuple[str, str], list[SystemFacts]] = {}
    for part, run in zip(parts, names, strict=True):
        for system in part.systems:
            name = str(system["name"]).removesuffix(f" ({run})")
            by_name.setdefault((system["collection"], name), []).append(system)
    return [system for alike in by_name.values() for system in alike]


def _merged(parts: Sequence[RunData], names: Sequence[str], notes: Sequence[str]) -> RunData:
    def joined(values_of: Callable[[RunData], Mapping[K, V]]) -> dict[K, V]:
        return {key: value for part in parts for key, value in values_of(part).items()}

    def labelled(groups_of: Callable[[RunData], Mapping[str, V]]) -> dict[str, V]:
        pairs = zip(names, parts, strict=True)
        return {f"{name}: {group}": facts for name, part in pairs for group, facts in groups_of(part).items()}

    first = parts[0].facts
    only = [part.facts.get("measure", {}).get("only") for part in parts]
    facts: Facts = {
        **first,
        "run": ", ".join(str(part.facts["run"]) for part in parts),
        "name": "-".join(names),
        "title": " | ".join(str(part.facts["title"]) for part in parts),
        "description": f"{len(parts)} runs side by side. Each claim is judged within its own run.",
        "created": ", ".join(str(part.facts["created"]) for part in parts),
        "spec_text": "\n\n".join(f"# {n}\n{part.facts['spec_text']}" for n, part in zip(names, parts, strict=True)),
        "spec_hash": ", ".join(str(part.facts["spec_hash"]) for part in parts),
        "overrides": [text for part in parts for text in part.facts["overrides"]],
        "command": "; ".join(str(part.facts["command"]) for part in parts),
        "provenance": labelled(lambda part: part.facts["provenance"]),
        "environment": labelled(lambda part: part.facts["environment"]),
        "collections": joined(lambda part: part.facts["collections"]),
        "suites": joined(lambda part: part.facts.get("suites", {})) | first.get("suites", {}),
        "pins": [],
        "unmeasured": {},
        "only": [],
        "measure": {**first.get("measure", {}), "only": only[0] if only.count(only[0]) == len(only) else None},
        "systems": _side_by_side(parts, names),
        "stages": [stage for part in parts for stage in part.facts["stages"]],
        "claims": [],
        "several": list(names),
        "notes": [*notes, *(note for part in parts for note in part.facts["notes"])],
    }
    return RunData(
        parts[0].folder,
        facts,
        [row for part in parts for row in part.records],
        joined(lambda part: part.quality),
        joined(lambda part: part.latency),
        joined(lambda part: part.training),
        joined(lambda part: part.explained),
        joined(lambda part: part.active),
        [row for part in parts for row in part.conditions],
    )
