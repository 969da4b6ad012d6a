"""Memory of the encoder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from harness.pipeline.measurements import MeasurementBase, register, results_of
from harness.pipeline.stage import STEPS, VECTORS
from harness.pipeline.steps.footprint import EncoderMemory as EncoderMemoryResult

if TYPE_CHECKING:
    from harness.metrics import Group
    from harness.pipeline.measurements import Add, Results, Subject
    from harness.pipeline.stage import Stage


@register("encoder-memory")
class EncoderMemory(MeasurementBase):
    """What loading an encoder adds to a process, and what encoding a batch of documents takes at its peak."""

    group: ClassVar[Group] = "memory"

    def stages(self, subject: Subject) -> list[Stage]:
        """One stage, which does not open the index."""
        latency, measure = subject.latency, subject.measure
        encoder = {name: latency.arguments[name] for name in ("encoder_type", "encoder_params")}
        return [
            replace(
                subject.timed_stage(
                    "encoder-memory",
                    "memory of the encoder",
                    f"{STEPS}.footprint:encoder_memory",
                    measures="memory",
                ),
                arguments={**encoder, "threads": measure.threads, "batch": measure.batch},
                inputs={name: latency.inputs[name] for name in ("model", "collection")},
                modules=latency.inputs["model"].modules,
                libraries=(*latency.inputs["model"].libraries, *VECTORS),
                unshared=(),
            )
        ]

    def records(self, results: Results, add: Add) -> None:
        """Bytes of the files, bytes resident by kind, bytes of a batch."""
        for memory in results_of(results, "encoder-memory", EncoderMemoryResult):
            method = "smaps_rollup and smaps of newly mapped files, fresh process with the same libraries loaded"
            add("encoder_file_bytes", memory.file_bytes, "size of the model's files")
            add("encoder_resident_bytes", memory.anonymous + memory.file, method)
            add("encoder_resident_bytes/anonymous", memory.anonymous, method)
            add("encoder_resident_bytes/file", memory.file, method)
            batch = f"a batch of {memory.batch} documents, {memory.tokens} tokens"
            method = f"VmHWM above the resident size before, {batch}"
            add("encoder_activation_bytes", memory.activation, method)
