"""Records of the measurements that a spec asks for by `measure.also`, and a note for each that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.pipeline.measurements import add_mean, registry
from harness.records import Record, record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.pipeline.measurements import Add
    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage import Stage
    from harness.pipeline.stage_outcome import Done
    from harness.records import Source

Row = dict[str, Any]
SIDES = ("encode", "search")


def extra_records(run: str, one: SystemStages, done: Mapping[str, Done]) -> list[Record]:
    """What the finished measurements of a system give.

    Starting, first answers and processor time come from the latency processes.
    """
    records: list[Record] = []

    def add(
        name: str,
        value: float,
        method: str,
        *,
        n: int = 1,
        interval: tuple[float, float] | None = None,
        source: Source = "measured",
    ) -> None:
        about = (run, one.collection, one.system.name)
        records.append(record(*about, name, value, method=method, n=n, interval=interval, source=source))

    _warm(_results(one.latency, done).get("latency", []), add)
    for name, stages in one.measurements.items():
        registry.get(name)().records(_results(stages, done), add)
    return records


def _results(stages: Sequence[Stage], done: Mapping[str, Done]) -> dict[str, list[Row]]:
    """What the finished ones of these stages returned, by kind."""
    results: dict[str, list[Row]] = {}
    for stage in stages:
        artefact = done[stage.key].artefact
        if artefact is not None:
            results.setdefault(stage.kind, []).append(artefact.result)
    return results


def extra_notes(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> list[str]:
    """A sentence for each one that has no result."""
    return [
        f"{stage.label}: {found.status}: {found.reason}."
        for one in systems
        for stage in one.extras
        for found in (done[stage.key],)
        if found.status != "ok"
    ]


def _warm(rows: list[Row], add: Add) -> None:
    if not rows:
        return
    for name in ("load_seconds", "first_query_seconds"):
        method = "mean over processes, files cached as they were; interval by t"
        add_mean(add, name, [row[name] for row in rows], method)
    clock = [row["timer_overhead_seconds"] for row in rows if "timer_overhead_seconds" in row]
    if clock:
        method = "median of 1,000 readings in a process, mean over processes; interval by t"
        add_mean(add, "timer_overhead", clock, method)
    passes = {side: [np.asarray(row[f"{side}_cpu"]) for row in rows if f"{side}_cpu" in row] for side in SIDES}
    passes["total"] = [encode + search for encode, search in zip(passes["encode"], passes["search"], strict=True)]
    method = "processor time of all threads, mean over queries, median over passes, mean over processes; interval by t"
    for side, found in passes.items():
        values = [float(np.median(one)) for one in found]
        if values and min(values) > 0:
            add_mean(add, f"{side}_cpu", values, method)
