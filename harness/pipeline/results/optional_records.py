"""Records of the measurements that a spec asks for by `measure.also`, and a note for each that failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from harness.pipeline.measurements import add_mean, registry, results_of
from harness.pipeline.steps.timing import TimedLatency
from harness.pipeline.stored_result import read_result
from harness.records import Record, record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.pipeline.measurements import Add, Results
    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done
    from harness.records import Source


@dataclass(frozen=True)
class Adder:
    """Adds to the records of one system; see `harness.pipeline.measurements.Add`. `source` is that of most values."""

    about: tuple[str, str, str]
    confidence: float
    source: Source = "measured"
    records: list[Record] = field(default_factory=list)

    def __call__(
        self,
        name: str,
        value: float,
        method: str,
        *,
        n: int = 1,
        interval: tuple[float, float] | None = None,
        source: Source | None = None,
    ) -> None:
        """Add a value; where `source` is None, it is that of most values."""
        how: Source = source or self.source
        self.records.append(record(*self.about, name, value, method=method, n=n, interval=interval, source=how))


def extra_records(run: str, stages: SystemStages, done: Mapping[str, Done], confidence: float) -> list[Record]:
    """What the finished measurements of a system give.

    Starting, first answers and processor time come from the latency processes.

    Args:
        run: Name of the run.
        stages: Of the system.
        done: How every stage of the run ended, by key.
        confidence: Of all intervals, as the spec says.
    """
    add = Adder((run, stages.collection, stages.system.name), confidence)
    _warm(results_of(results_by_kind(stages.latency, done), "latency", TimedLatency), add)
    for name, own in stages.measurements.items():
        registry.get(name)().records(results_by_kind(own, done), add)
    return add.records


def results_by_kind(stages: Sequence[Stage], done: Mapping[str, Done]) -> Results:
    """What the finished ones of these stages returned, by kind of the stage."""
    results: dict[str, list[object]] = {}
    for stage in stages:
        artefact = done[stage.key].artefact
        if artefact is not None:
            results.setdefault(stage.kind, []).append(read_result(artefact, stage.function))
    return results


def extra_notes(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> list[str]:
    """A sentence for each stage of a measurement that has no result."""
    return [
        f"{stage.label}: {ended.status}: {ended.reason}."
        for system in systems
        for stage in system.extras
        for ended in (done[stage.key],)
        if ended.status != "ok"
    ]


def _warm(latencies: Sequence[TimedLatency], add: Add) -> None:
    """What the latency processes tell beside latency: starting, the clock, and processor time."""
    if not latencies:
        return
    method = "mean over processes, files cached as they were; interval by t"
    add_mean(add, "load_seconds", [latency.load_seconds for latency in latencies], method)
    first = [latency.first_query_seconds for latency in latencies if latency.first_query_seconds is not None]
    if first:
        add_mean(add, "first_query_seconds", first, method)
    method = "median of 1,000 readings in a process, mean over processes; interval by t"
    add_mean(add, "timer_overhead", [latency.timer_overhead_seconds for latency in latencies], method)
    passes = [
        (np.asarray(latency.encode_cpu), np.asarray(latency.search_cpu))
        for latency in latencies
        if latency.encode_cpu is not None and latency.search_cpu is not None
    ]
    sides = {
        "encode": [encode for encode, _ in passes],
        "search": [search for _, search in passes],
        "total": [encode + search for encode, search in passes],
    }
    method = "processor time of all threads, mean over queries, median over passes, mean over processes; interval by t"
    for side, seconds in sides.items():
        values = [float(np.median(of_process)) for of_process in seconds]
        if values and min(values) > 0:
            add_mean(add, f"{side}_cpu", values, method)
