"""Memory of the whole service."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from harness.pipeline.measurements import MeasurementBase, add_mean, register, results_of
from harness.pipeline.stage import STEPS
from harness.pipeline.steps.service_memory import ServiceMemory as ServiceMemoryResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.metrics import Group
    from harness.pipeline.measurements import Add, Results, Subject
    from harness.pipeline.stage import Stage

METHOD = (
    "smaps_rollup, smaps of newly mapped files and VmHWM, fresh process with the libraries loaded; mean over processes"
)


@register("service-memory")
class ServiceMemory(MeasurementBase):
    """What a process holds that answers queries from their text: encoder, index, identifiers and a query's peak."""

    group: ClassVar[Group] = "memory"

    def implied(self, subject: Subject) -> bool:
        """Always: the memory of an index alone does not tell what a service needs."""
        return True

    def stages(self, subject: Subject) -> list[Stage]:
        """One stage a process."""
        stages = []
        for number in range(subject.measure.processes):
            stage = subject.timed_stage(
                "service-memory",
                f"memory of the service {number + 1}",
                f"{STEPS}.service_memory:service_memory",
                measures="memory",
                index_params=subject.memory.arguments["params"],
                queries=subject.measure.queries,
                process=number,
            )
            inputs = {**stage.inputs, "vectors": subject.encode}
            # Systems that differ in name alone need the same memory: it is measured once, as that of an index is.
            stages.append(replace(stage, inputs=inputs, about=subject.memory.about, unshared=()))
        return stages

    def records(self, results: Results, add: Add) -> None:
        """Bytes in all and of each part, means over processes."""
        measured = results_of(results, "service-memory", ServiceMemoryResult)
        if not measured:
            return
        parts = {
            "encoder": [max(memory.encoder, 0) for memory in measured],
            "index": [max(memory.index, 0) for memory in measured],
            "identifiers": [max(memory.identifiers, 0) for memory in measured],
            "query": [memory.query for memory in measured],
        }
        _add(add, "service_bytes", [sum(sizes) for sizes in zip(*parts.values(), strict=True)])
        for part, sizes in parts.items():
            _add(add, f"service_bytes/{part}", sizes)


def _add(add: Add, name: str, sizes: Sequence[int]) -> None:
    """The mean, with an interval where every process has some; an interval on the log scale has no place for 0."""
    if min(sizes) > 0:
        add_mean(add, name, sizes, f"{METHOD}; interval by t" if len(sizes) > 1 else METHOD)
    else:
        add(name, sum(sizes) / len(sizes), METHOD, n=len(sizes))
