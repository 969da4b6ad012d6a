"""The stages of one system on one collection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.pipeline.stage import Stage
    from harness.spec.models import System

PARTS = ("prepare", "fit", "check", "encode", "build", "search", "work", "memory", "quality", "summary")


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

    @property
    def extras(self) -> tuple[Stage, ...]:
        """The stages of all measurements."""
        return tuple(stage for stages in self.measurements.values() for stage in stages)

    def all(self) -> tuple[Stage, ...]:
        """Every stage of the system in an order that respects what needs what."""
        pairs = tuple(stage for name, stage in self.fit.inputs.items() if name == "pairs")
        timed = tuple(stage for name, stage in self.quality.inputs.items() if name == "timed")
        shards = tuple(stage for name, stage in self.encode.inputs.items() if name.startswith("shard"))
        return (
            self.prepare,
            *pairs,
            self.fit,
            *([self.check] if self.check else []),
            *shards,
            self.encode,
            self.build,
            self.search,
            *timed,
            self.work,
            self.memory,
            *self.latency,
            self.quality,
            self.summary,
        )

    def keys(self) -> dict[str, str]:
        """The key of each part's stage, as run.json names them; timed parts are numbered."""
        parts = {name: getattr(self, name) for name in PARTS}
        timed = {f"latency {number + 1}": stage for number, stage in enumerate(self.latency)}
        others = {f"{stage.kind} {number + 1}": stage for number, stage in enumerate(self.extras)}
        return {name: stage.key for name, stage in (parts | timed | others).items() if stage is not None}
