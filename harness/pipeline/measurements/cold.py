"""Starting with a cold page cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.pipeline.measurements import MeasurementBase, add_mean, register, results_of
from harness.pipeline.stage import STEPS
from harness.pipeline.steps.serving import ColdTimes

if TYPE_CHECKING:
    from harness.pipeline.measurements import Add, Results, Subject
    from harness.pipeline.stage import Stage


@register("cold")
class ColdStart(MeasurementBase):
    """Opening and the first answer after the files were dropped from the page cache, in several processes."""

    def stages(self, subject: Subject) -> list[Stage]:
        """One stage a process."""
        return [
            subject.timed_stage("cold", f"cold start {number + 1}", f"{STEPS}.serving:cold_start", process=number)
            for number in range(subject.measure.processes)
        ]

    def records(self, results: Results, add: Add) -> None:
        """Means over processes."""
        starts = results_of(results, "cold", ColdTimes)
        if not starts:
            return
        left = max(start.cached_after / max(start.size, 1) for start in starts)
        method = (
            f"mean over processes; page cache dropped by advice, {left:.1%} of the files' bytes stayed; interval by t"
        )
        add_mean(add, "cold_load_seconds", [start.load_seconds for start in starts], method)
        add_mean(add, "cold_first_query_seconds", [start.first_query_seconds for start in starts], method)
