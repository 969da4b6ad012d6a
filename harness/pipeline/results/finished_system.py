"""One system whose stages all succeeded, with the results of its stages by attribute."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.pipeline.steps.encode import Encoded
from harness.pipeline.steps.evaluate import LatencySummary, Quality
from harness.pipeline.steps.fit import Fitted
from harness.pipeline.steps.footprint import ServedMemory
from harness.pipeline.steps.index import Built, CountedWork
from harness.pipeline.steps.per_query import read_per_query
from harness.pipeline.steps.prepare import Prepared
from harness.pipeline.steps.timing import TimedLatency
from harness.pipeline.stored_result import stored_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from harness.pipeline.plan.fusion_stages import FusionStages
    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done
    from harness.pipeline.store.local import Artefact
    from harness.pipeline.stored_result import R


def failed_stage(stages: SystemStages | FusionStages, done: Mapping[str, Done]) -> Done | None:
    """The first stage of a system or fusion that did not end well; None where all did."""
    return next((done[stage.key] for stage in stages.all() if done[stage.key].status != "ok"), None)


@dataclass(frozen=True)
class FinishedSystem:
    """A system on a collection, all stages of which have artefacts; each result is read once.

    Args:
        stages: Of the system.
        done: How every stage of the run ended, by key.
    """

    stages: SystemStages
    done: Mapping[str, Done]

    @property
    def name(self) -> str:
        """Of the system."""
        return self.stages.system.name

    @property
    def collection(self) -> str:
        """Its name."""
        return self.stages.collection

    def measures(self, part: str) -> bool:
        """Whether the stage of this part was run; the properties below of a part that was not are not there."""
        return self.stages.measures(part)

    @cached_property
    def prepared(self) -> Prepared:
        """The collection."""
        return self._result(self.stages.prepare, Prepared)

    @cached_property
    def fitted(self) -> Fitted:
        """The model."""
        return self._result(self.stages.fit, Fitted)

    @cached_property
    def encoded(self) -> Encoded:
        """The vectors."""
        return self._result(self.stages.encode, Encoded)

    @cached_property
    def built(self) -> Built:
        """The index."""
        return self._result(self.stages.build, Built)

    @cached_property
    def work(self) -> CountedWork:
        """What the engine did for all queries."""
        return self._result(self.stages.work, CountedWork)

    @cached_property
    def memory(self) -> ServedMemory:
        """Resident memory of the index."""
        return self._result(self.stages.memory, ServedMemory)

    @cached_property
    def latencies(self) -> tuple[TimedLatency, ...]:
        """Of each timed process."""
        return tuple(self._result(stage, TimedLatency) for stage in self.stages.latency)

    @cached_property
    def summary(self) -> LatencySummary:
        """Latencies of all processes."""
        return self._result(self.stages.summary, LatencySummary)

    @cached_property
    def quality(self) -> Quality:
        """Every metric of quality."""
        return self._result(self.stages.quality, Quality)

    def by_query(self) -> Iterator[tuple[str, dict[str, float]]]:
        """(metric, {query: value}) of everything that a step or a measurement left by query."""
        own = [stage for name in ("quality", "work") if self.measures(name) for stage in (getattr(self.stages, name),)]
        for stage in (*own, *self.stages.extras):
            artefact = self.done[stage.key].artefact
            if artefact is not None:  # a measurement may have failed
                yield from read_per_query(artefact.files).items()

    @property
    def quality_files(self) -> Path:
        """Folder of the TREC run, the values by query and the explanations."""
        return self._artefact(self.stages.quality).files

    @property
    def sample_files(self) -> Path:
        """Folder of the samples of latency."""
        return self._artefact(self.stages.summary).files

    def _artefact(self, stage: Stage) -> Artefact:
        artefact = self.done[stage.key].artefact
        assert artefact is not None  # noqa: S101 - all stages succeeded
        return artefact

    def _result(self, stage: Stage, kind: type[R]) -> R:
        return stored_result(self._artefact(stage), kind)
