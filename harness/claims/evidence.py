"""The evidence of a verdict, and when its two sides are not comparable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from harness.metrics import METRICS, group_of
from harness.runs.disturbed import kind_of
from harness.runs.metrics import metric_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from harness.metrics import Group
    from harness.records import Record
    from harness.runs.disturbed import CellKind
    from harness.spec.claim import ClaimSpec
    from harness.spec.suite import Suite

Cell: TypeAlias = tuple[str, str]
"""(collection, system)."""

PROCESSES = 2
"""Processes that a verdict on times needs: what differs between two processes cannot be seen in one."""
SEARCHED = ("flops_search", "flops_query", "postings_touched", "documents_scored", "bounds_evaluated")
"""Metrics that depend on the number of documents that a search returns."""


@dataclass(frozen=True)
class Evidence:
    """The measured values that verdicts rest on.

    `records` by (collection, system, metric); `statuses` (status, reason) by cell; `quality` {query: value} by
    (collection, system, metric); `latency` by cell: {"encode", "search", "total"} -> seconds, float64 of
    processes x queries x repeats, and {"encode_cpu", "search_cpu", "total_cpu"} -> processor seconds of a query, mean
    over the queries, processes x 1 x passes. By (collection, system, kind of process) `disturbed` names what disturbed
    processes, and `processes` says how many there were (see `harness.runs.disturbed`). By cell `codecs` says how an
    index stores weights or vectors, and `settings` how it was measured, as far as known: "data" (the collection's
    revision), "k", "depth", "threads", "machine", "timed queries". `confidence` is that of the records' intervals.
    `suites` are the suites of the run by name, `documents` says how many a collection has, and `only` names the groups
    of metrics that were measured, or is empty where all were.
    """

    records: Mapping[tuple[str, str, str], Record]
    statuses: Mapping[Cell, tuple[str, str]]
    quality: Mapping[tuple[str, str, str], Mapping[str, float]] = field(default_factory=dict)
    latency: Mapping[Cell, Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)
    disturbed: Mapping[CellKind, str] = field(default_factory=dict)
    processes: Mapping[CellKind, int] = field(default_factory=dict)
    codecs: Mapping[Cell, str] = field(default_factory=dict)
    settings: Mapping[Cell, Mapping[str, str]] = field(default_factory=dict)
    confidence: float = 0.95
    suites: Mapping[str, Suite] = field(default_factory=dict)
    documents: Mapping[str, int] = field(default_factory=dict)
    only: Sequence[Group] = ()


@dataclass(frozen=True)
class Side:
    """One of the systems of a claim on one collection, with the evidence of its run."""

    cell: Cell
    evidence: Evidence

    @property
    def name(self) -> str:
        """The system."""
        return self.cell[1]

    @property
    def codec(self) -> str:
        """How its index stores weights or vectors; empty where that is not known."""
        return self.evidence.codecs.get(self.cell, "")

    def record(self, name: str) -> Record | None:
        """Its value of a metric."""
        return self.evidence.records.get((*self.cell, name))

    def quality(self, name: str) -> Mapping[str, float]:
        """Its value of a metric for each query; empty for a metric without values by query."""
        return self.evidence.quality.get((*self.cell, name), {})

    def times(self, name: str) -> NDArray[np.float64] | None:
        """Its samples of "encode", "search", "total" or of a processor time; None where there are none."""
        return self.evidence.latency.get(self.cell, {}).get(name)

    def disturbance(self, name: str) -> str:
        """What disturbed the processes that measured a metric; empty where nothing did or no watch says."""
        kind = self._kind(name)
        return self.evidence.disturbed.get(kind, "") if kind else ""

    def processes(self, name: str) -> int | None:
        """How many processes measured a metric; None where that is not known."""
        times = self.times(name.partition("/")[0].removeprefix("latency_"))
        if times is not None:
            return len(times)
        kind = self._kind(name)
        return self.evidence.processes.get(kind) if kind else None

    def _kind(self, name: str) -> CellKind | None:
        row, evidence = self.record(name), self.evidence
        return kind_of(*self.cell, name, metric_of(row), evidence.processes, evidence.disturbed) if row else None


def sides_of(claim: ClaimSpec, collection: str, evidence: Evidence, baseline: Evidence) -> list[Side]:
    """The system of a claim on one collection, and the baseline of a claim that has one.

    Args:
        claim: From a spec.
        collection: Its name, or that of a suite.
        evidence: Of the run.
        baseline: Of the run that the baseline is taken from.
    """
    ours = Side((collection, claim.system), evidence)
    return [ours] if claim.baseline is None else [ours, Side((collection, claim.baseline), baseline)]


def unmeasured(claim: ClaimSpec, sides: Sequence[Side]) -> str:
    """Which groups a run measured, where it left out the one of a claim's metric; empty where it did not."""
    known = METRICS.get(claim.metric.partition("/")[0])
    group = None if known is None else group_of(claim.metric, known)
    for side in sides:
        only, ran = side.evidence.only, side.evidence.statuses.get(side.cell, ("", ""))[0] == "ok"
        if ran and group is not None and only and group not in only and side.record(claim.metric) is None:
            return f"the run measures only {' and '.join(only)} (measure.only)"
    return ""


def _absent(claim: ClaimSpec, side: Side) -> str:
    """Why a system has no value of a claim's metric that a verdict can rest on; empty where it has one."""
    status, reason = side.evidence.statuses.get(side.cell, ("not run", ""))
    if status != "ok":
        return f"{side.name} is {status}{f' ({reason})' if reason else ''}"
    row = side.record(claim.metric)
    if row is None:
        return f"{side.name} has no {claim.metric}"
    return f"{claim.metric} of {side.name} is estimated ({row.method})" if row.source == "estimated" else ""


def obstacle(claim: ClaimSpec, sides: Sequence[Side]) -> str:
    """Why a side has no value, or two sides cannot be compared; empty where nothing stands in the way.

    `disturbance` covers disturbed timing.
    """
    settings: tuple[str, ...] = ()
    clocked = False
    for side in sides:
        row = side.record(claim.metric)
        if (why := _absent(claim, side)) or row is None:
            return why
        settings, clocked = _settings(row), metric_of(row).clocked
    if len(sides) == 1:
        return ""
    ours, theirs = sides
    for side, wanted in zip(sides, claim.codecs or (), strict=False):
        if side.codec != wanted:
            return (
                f"the claim is about {wanted}, and the index of {side.name} stores {side.codec or 'an unknown codec'}"
            )
    for name in settings:
        first, second = (side.evidence.settings.get(side.cell, {}).get(name) for side in sides)
        if first != second:
            return f"{name} differs: {first or 'unknown'} for {ours.name}, {second or 'unknown'} for {theirs.name}"
        if first is None and ours.evidence is not theirs.evidence:
            return f"{name} is unknown for both runs"
    if clocked and ours.evidence is not theirs.evidence:
        return "the times are of two runs, and a machine is faster on one day than on another (measure both in one run)"
    ours_asked, theirs_asked = ours.quality(claim.metric).keys(), theirs.quality(claim.metric).keys()
    if ours_asked != theirs_asked:
        shared = len(ours_asked & theirs_asked)
        return (
            f"they were asked different queries ({len(ours_asked)} and {len(theirs_asked)}, of which {shared} are the "
            "same)"
        )
    return ""


def in_one_process(claim: ClaimSpec, sides: Sequence[Side]) -> bool:
    """Whether a side was measured in fewer than `PROCESSES`, as far as that is known."""
    counts = [side.processes(claim.metric) for side in sides]
    return any(count is not None and count < PROCESSES for count in counts)


def disturbance(claim: ClaimSpec, sides: Sequence[Side]) -> str:
    """What disturbed the processes that measured a claim's metric; empty where nothing did or no watch says."""
    disturbances = {side.name: side.disturbance(claim.metric) for side in sides}
    return "; ".join(f"{name}: {what}" for name, what in disturbances.items() if what)


def _settings(row: Record) -> tuple[str, ...]:
    """The settings that must agree where this value is compared with another."""
    base, kind = row.metric.partition("/")[0], metric_of(row)
    if kind.timed:
        return ("data", "machine", "threads", "k", "timed queries")
    if base in SEARCHED:
        return ("data", "k")
    return ("data", "depth", "k") if kind.unit == "fraction" else ("data",)
