"""The stages of one system on one collection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.measure.memory import readable
from harness.metrics import GROUPS
from harness.pipeline.plan.fit_stages import with_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.metrics import Group
    from harness.pipeline.stage import Stage
    from harness.spec.models import MeasureSpec, System

PARTS = ("prepare", "fit", "check", "encode", "build", "search", "work", "memory", "quality", "summary")

GROUP_OF_PART: Mapping[str, Group] = {
    "search": "quality", "quality": "quality", "work": "work", "memory": "memory", "latency": "latency",
    "summary": "latency",
}  # fmt: skip
"""Parts that a spec can leave out, by the group that it names."""


def measured_groups(measure: MeasureSpec) -> frozenset[Group]:
    """What a spec measures; without memory where the system does not tell it."""
    return measure.groups if readable() else measure.groups - {"memory"}


@dataclass(frozen=True)
class SystemStages:
    """The stages of one system on one collection, by their part in the result."""

    system: System
    collection: str
    prepare: Stage
    fit: Stage
    check: Stage | None
    encode: Stage
    build: Stage
    search: Stage
    work: Stage
    memory: Stage
    latency: tuple[Stage, ...]
    quality: Stage
    summary: Stage
    measurements: Mapping[str, tuple[Stage, ...]] = field(default_factory=dict)
    """The stages of each measurement of `measure.also`; the system's other results do not depend on them."""
    groups: frozenset[Group] = frozenset(GROUPS)
    """What is measured. The stages of other groups are not run."""

    def measures(self, part: str) -> bool:
        """Whether the stage of this part is run."""
        return GROUP_OF_PART.get(part) in (None, *self.groups)

    @property
    def extras(self) -> tuple[Stage, ...]:
        """The stages of all measurements."""
        return tuple(stage for stages in self.measurements.values() for stage in stages)

    def all(self) -> tuple[Stage, ...]:
        """Every stage of the system in an order that respects what needs what."""
        judged = (self.search, *(stage for name, stage in self.quality.inputs.items() if name == "timed"))
        shards = tuple(stage for name, stage in self.encode.inputs.items() if name.startswith("shard"))
        return (
            self.prepare,
            *(stage for stage in with_inputs(self.fit) if stage.key != self.prepare.key),
            *([self.check] if self.check else []),
            *shards,
            self.encode,
            *self.build.after,
            self.build,
            *(judged if self.measures("search") else ()),
            *([self.work] if self.measures("work") else []),
            *([self.memory] if self.measures("memory") else []),
            *self.latency,
            *([self.quality] if self.measures("quality") else []),
            *([self.summary] if self.measures("summary") else []),
        )

    def keys(self) -> dict[str, str]:
        """The key of each part's stage, as run.json names them; timed parts are numbered."""
        parts = {name: getattr(self, name) for name in PARTS if self.measures(name)}
        timed = {f"latency {number + 1}": stage for number, stage in enumerate(self.latency)}
        others = {f"{stage.kind} {number + 1}": stage for number, stage in enumerate(self.extras)}
        return {name: stage.key for name, stage in (parts | timed | others).items() if stage is not None}
