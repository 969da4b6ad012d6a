"""What the answers of one claim rest on: the run, the claim, and the verdict that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.runs.metrics import metric_of
from harness.runs.suites import over

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.claims import Verdict
    from harness.records import Record
    from harness.runs.facts import SystemFacts
    from harness.runs.read import RunData
    from harness.spec.claim import ClaimSpec
    from harness.spec.suite import Suite

Family: TypeAlias = Literal["quality", "memory", "time", "work"]
"""What a metric is about."""


@dataclass(frozen=True)
class Scope:
    """One claim on one collection or suite."""

    run: RunData
    claim: ClaimSpec
    verdict: Verdict

    @property
    def where(self) -> str:
        """Name of the collection or suite."""
        return self.verdict.collection

    @cached_property
    def suite(self) -> Suite | None:
        """The suite of a claim that is about one."""
        if self.claim.suite is None:
            return None
        return next((suite for suite in self.run.suites if suite.name == self.where), None)

    @cached_property
    def collections(self) -> Sequence[str]:
        """The collections of the suite that the run has, or the one collection."""
        there = set(self.run.collections())
        return [self.where] if self.suite is None else [name for name in self.suite.collections if name in there]

    def record(self, system: str, name: str) -> Record | None:
        """A system's value on the collection, or over the whole suite."""
        if self.suite is None:
            return self.run.cells().get((self.where, system, name))
        return over(self.run, self.suite, system, name)

    def facts(self, system: str) -> SystemFacts:
        """What the run says of a system; empty where it has none of this name."""
        for row in self.run.systems:
            if row["name"] == system and row["collection"] in self.collections:
                return row
        return {}

    @cached_property
    def family(self) -> Family:
        """What the claim's metric is about."""
        base = self.claim.metric.partition("/")[0]
        row = next((row for row in self.run.records if row.metric.partition("/")[0] == base), None)
        if row is None:
            return "work"
        kind = metric_of(row)
        if kind.unit == "bytes":
            return "memory"
        if (kind.unit, kind.direction) == ("fraction", "higher"):
            return "quality"
        return "time" if kind.clocked else "work"
