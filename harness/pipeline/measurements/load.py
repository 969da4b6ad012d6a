"""The highest load that keeps latency under a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.measure.machine.environment import usable_cores
from harness.pipeline.measurements import MeasurementBase, add_mean, register, results_of
from harness.pipeline.stage import STEPS
from harness.pipeline.steps.serving import LoadSearch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.pipeline.measurements import Add, Results, Subject
    from harness.pipeline.stage import Stage
    from harness.spec.models import MeasureSpec


PERCENTILES = ("p50", "p99", "p99.9")
KIND = "load"


@register(KIND)
class HighestLoad(MeasurementBase):
    """Queries arrive at random times; the rate is raised until the 99th percentile of latency passes a bound."""

    def stages(self, subject: Subject) -> list[Stage]:
        """For each number of servers one stage a process, each with arrivals of its own.

        Raises:
            UserError: The servers have more threads than this machine has processors.
        """
        measure = subject.measure
        _check(measure)
        return [
            subject.timed_stage(
                _kind(servers),
                f"highest load{f' of {servers} servers' if servers > 1 else ''}, process {process + 1},",
                f"{STEPS}.serving:open_loop",
                processors=measure.threads * servers,
                queries=measure.queries,
                bound=measure.load_bound,
                arrivals=measure.load_queries,
                servers=servers,
                warmup=measure.warmup,
                seed=subject.latency.arguments["seed"],
                process=process,
            )
            for process in range(measure.processes)
            for servers in measure.load_servers
        ]

    def records(self, results: Results, add: Add) -> None:
        """For each number of servers the highest bearable rate, and the latencies at it; means over processes."""
        for kind in results:
            if kind.partition("/")[0] == KIND:
                _add(add, results_of(results, kind, LoadSearch))


def _check(measure: MeasureSpec) -> None:
    most, cores = max(measure.load_servers), usable_cores()
    if most > 1 and most * measure.threads > cores:
        raise UserError(
            f"{most} servers with {measure.threads} thread{'s' if measure.threads > 1 else ''} each cannot work at the "
            f"same time: this machine lends {cores} processor{'s' if cores > 1 else ''}",
            key="measure.load_servers",
            remedy=f"give no number above {max(cores // measure.threads, 1)}",
        )


def _kind(servers: int) -> str:
    """Of the stages; a number of servers is its own kind, as it is measured by processes of its own."""
    return KIND if servers == 1 else f"{KIND}/{servers}"


def _add(add: Add, searches: Sequence[LoadSearch]) -> None:
    """What processes with one number of servers found."""
    bound, servers = searches[0].bound, searches[0].servers
    rates = [search.rate for search in searches]
    part = "" if servers == 1 else f"/{servers}"
    several = "" if servers == 1 else f"{servers} servers in threads of one process; "
    method = (
        f"Poisson arrivals; {several}at 99 % confidence p99 from the intended start is at most {bound * 1e3:g} ms; at "
        f"least {min(tried.arrivals for search in searches for tried in search.tried):,} arrivals a rate; mean over "
        "processes, each with arrivals of its own; interval by t"
    )
    if min(rates) > 0:
        add_mean(add, f"highest_load{part}", rates, method)
    else:  # no logarithm, and no interval
        add(f"highest_load{part}", sum(rates) / len(rates), method, n=len(rates))
    borne = [[tried for tried in search.tried if tried.rate == search.rate] for search in searches]
    at_highest = [offered[-1].percentiles for offered in borne if offered]
    for name in PERCENTILES:
        seconds = [percentiles[name] for percentiles in at_highest if name in percentiles]
        if len(seconds) == len(searches):
            add_mean(add, f"loaded_latency/{name}{part}", seconds, "at the highest bearable load; mean over processes")
