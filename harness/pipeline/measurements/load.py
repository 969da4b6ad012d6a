"""The highest load that keeps latency under a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.pipeline.measurements import MeasurementBase, add_mean, register, results_of
from harness.pipeline.stage import STEPS
from harness.pipeline.steps.serving import LoadSearch

if TYPE_CHECKING:
    from harness.pipeline.measurements import Add, Results, Subject
    from harness.pipeline.stage import Stage


PERCENTILES = ("p50", "p99", "p99.9")


@register("load")
class HighestLoad(MeasurementBase):
    """Queries arrive at random times; the rate is raised until the 99th percentile of latency passes a bound."""

    def stages(self, subject: Subject) -> list[Stage]:
        """One stage a process, each with arrivals of its own."""
        measure = subject.measure
        return [
            subject.timed_stage(
                "load",
                f"highest load, process {process + 1},",
                f"{STEPS}.serving:open_loop",
                queries=measure.queries,
                bound=measure.load_bound,
                arrivals=measure.load_queries,
                warmup=measure.warmup,
                seed=subject.latency.arguments["seed"],
                process=process,
            )
            for process in range(measure.processes)
        ]

    def records(self, results: Results, add: Add) -> None:
        """The highest bearable rate, and the latencies at it; means over processes."""
        searches = results_of(results, "load", LoadSearch)
        if not searches:
            return
        bound, rates = searches[0].bound, [search.rate for search in searches]
        method = (
            f"Poisson arrivals; at 99 % confidence p99 from the intended start is at most {bound * 1e3:g} ms; at least "
            f"{min(tried.arrivals for search in searches for tried in search.tried):,} arrivals a rate; mean over "
            "processes, each with arrivals of its own; interval by t"
        )
        if min(rates) > 0:
            add_mean(add, "highest_load", rates, method)
        else:  # no logarithm, and no interval
            add("highest_load", sum(rates) / len(rates), method, n=len(rates))
        borne = [[tried for tried in search.tried if tried.rate == search.rate] for search in searches]
        at_highest = [offered[-1].percentiles for offered in borne if offered]
        for name in PERCENTILES:
            seconds = [percentiles[name] for percentiles in at_highest if name in percentiles]
            if len(seconds) == len(searches):
                add_mean(add, f"loaded_latency/{name}", seconds, "at the highest bearable load; mean over processes")
