"""What several collections of a run are combined over: the tasks of a suite, or collections that belong to none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.runs.suites import combined, over, suites_and_others
from harness.spec.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Record
    from harness.runs.read import RunData

ALL = "all collections"
OTHERS = "the other collections"


@dataclass(frozen=True)
class Span:
    """Collections whose means are shown; `official` where they are a suite, and not just what a spec has."""

    suite: Suite
    official: bool = True
    weights: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", self.suite.weights())

    @property
    def what(self) -> str:
        """What a mean is over."""
        return f"{len(self.suite.tasks)} {'tasks' if self.official else 'collections'}"

    def value(self, run: RunData, system: str, name: str) -> Record | None:
        """Of a system that has all of it."""
        if self.official:
            return over(run, self.suite, system, name)
        method = "mean over collections"
        return combined(run, self.weights, system, name, collection=self.suite.name, method=method)


def spans(run: RunData) -> list[Span]:
    """The suites of a run, then the collections that belong to none, where there are at least two."""
    suites, others = suites_and_others(run)
    rest = Suite(OTHERS if suites else ALL, {name: (name,) for name in others})
    return [*map(Span, suites), *([Span(rest, official=False)] if len(others) > 1 else [])]


def means(run: RunData, span: Span, systems: Sequence[str], name: str) -> dict[str, Record]:
    """Means of the systems that have all."""
    values = {system: span.value(run, system, name) for system in systems}
    return {system: row for system, row in values.items() if row is not None}
