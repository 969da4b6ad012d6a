"""Starting with a cold page cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.pipeline.measurements import MeasurementBase, add_mean, register
from harness.pipeline.stage import STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.pipeline.measurements import Add, Subject
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

    def records(self, results: Mapping[str, Sequence[Any]], add: Add) -> None:
        """Means over processes."""
        starts = results.get("cold", ())
        if not starts:
            return
        left = max(start["cached_after"] / max(start["size"], 1) for start in starts)
        method = (
            f"mean over processes; page cache dropped by advice, {left:.1%} of the files' bytes stayed; interval by t"
        )
        for name in ("load_seconds", "first_query_seconds"):
            add_mean(add, f"cold_{name}", [start[name] for start in starts], method)
