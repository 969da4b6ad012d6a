"""Batches at one thread and at all threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.measure.machine.environment import usable_cores
from harness.pipeline.measurements import MeasurementBase, register, results_of
from harness.pipeline.stage import STEPS
from harness.pipeline.steps.serving import BatchTimes
from harness.stats.levels import hierarchical

if TYPE_CHECKING:
    from harness.pipeline.measurements import Add, Results, Subject
    from harness.pipeline.stage import Stage


@register("throughput")
class Throughput(MeasurementBase):
    """Queries a second where all queries are one batch."""

    def stages(self, subject: Subject) -> list[Stage]:
        """One stage with one thread, one with as many threads as there are processors."""
        measure = subject.measure
        return [
            subject.timed_stage(
                "throughput",
                f"throughput at {name} thread(s)",
                f"{STEPS}.serving:throughput",
                threads=threads,
                queries=measure.queries,
                repeats=max(measure.repeats, 2),
                attempts=measure.attempts,
                component=name,
            )
            for name, threads in (("1", 1), ("all", usable_cores()))
        ]

    def records(self, results: Results, add: Add) -> None:
        """Queries a second of each side, mean over passes."""
        for batch in results_of(results, "throughput", BatchTimes):
            for side, passes in (("encode", batch.encode), ("search", batch.search)):
                seconds, low, high = hierarchical(np.asarray(passes)[:, None], {})["mean"]
                queries = batch.queries
                method = f"all queries as one batch, {batch.threads} thread(s), mean over passes; interval by t"
                name = f"throughput_{side}/{batch.component}"
                bounds = (queries / high, queries / low)
                add(name, queries / seconds, method, n=queries * len(passes), interval=bounds)
