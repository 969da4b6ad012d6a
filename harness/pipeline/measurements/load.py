"""The highest load that keeps latency under a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.pipeline.measurements import MeasurementBase, register, results_of
from harness.pipeline.stage import STEPS
from harness.pipeline.steps.serving import LoadSearch

if TYPE_CHECKING:
    from harness.pipeline.measurements import Add, Results, Subject
    from harness.pipeline.stage import Stage


@register("load")
class HighestLoad(MeasurementBase):
    """Queries arrive at random times; the rate is raised until the 99th percentile of latency passes a bound."""

    def stages(self, subject: Subject) -> list[Stage]:
        """One stage."""
        measure = subject.measure
        return [
            subject.timed_stage(
                "load",
                "highest load",
                f"{STEPS}.serving:open_loop",
                queries=measure.queries,
                bound=measure.load_bound,
                arrivals=measure.load_queries,
                warmup=measure.warmup,
                seed=subject.latency.arguments["seed"],
            )
        ]

    def records(self, results: Results, add: Add) -> None:
        """The highest rate that was bearable."""
        for search in results_of(results, "load", LoadSearch):
            method = (
                f"Poisson arrivals, p99 from the intended start at most {search.bound * 1e3:g} ms, "
                f"{search.arrivals} queries a rate, rates halved {len(search.tried)} times"
            )
            add("highest_load", search.rate, method, n=search.arrivals * len(search.tried))
