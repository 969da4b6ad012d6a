"""Batches at one thread and at all threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.measure.machine.environment import usable_cores
from harness.pipeline.measurements import MeasurementBase, add_mean, register, results_of
from harness.pipeline.stage import STEPS
from harness.pipeline.steps.serving import BatchTimes

if TYPE_CHECKING:
    from harness.pipeline.measurements import Add, Results, Subject
    from harness.pipeline.stage import Stage


@register("throughput")
class Throughput(MeasurementBase):
    """Queries a second where all queries are one batch."""

    def stages(self, subject: Subject) -> list[Stage]:
        """In each process one stage with one thread, and one with as many threads as there are processors."""
        measure = subject.measure
        return [
            subject.timed_stage(
                f"throughput/{name}",
                f"throughput at {name} thread(s), process {process + 1},",
                f"{STEPS}.serving:throughput",
                threads=threads,
                queries=measure.queries,
                repeats=max(measure.repeats, 2),
                attempts=measure.attempts,
                component=name,
                process=process,
            )
            for process in range(measure.processes)
            for name, threads in (("1", 1), ("all", usable_cores()))
        ]

    def records(self, results: Results, add: Add) -> None:
        """Queries a second of each side, mean over processes; a process counts once, with the mean of its passes."""
        for name in ("1", "all"):
            batches = results_of(results, f"throughput/{name}", BatchTimes)
            if not batches:
                continue
            method = (
                f"all queries as one batch, {batches[0].threads} thread(s), mean over passes, mean over processes; "
                "interval by t over processes"
            )
            sides = {
                "encode": [(batch.queries, batch.encode) for batch in batches],
                "search": [(batch.queries, batch.search) for batch in batches],
            }
            for side, measured in sides.items():
                rates = [queries / float(np.mean(seconds)) for queries, seconds in measured]
                add_mean(add, f"throughput_{side}/{name}", rates, method)
