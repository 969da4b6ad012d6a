"""Records of the measurements that a spec asks for by `measure.also`, and a note for each that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.records import Record, record
from harness.stats.levels import hierarchical

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage_outcome import Done

Row = dict[str, Any]
SIDES = ("encode", "search")


def extra_records(run: str, one: SystemStages, done: Mapping[str, Done]) -> list[Record]:
    """What the finished ones of a system found.

    Starting, first answers and processor time come from the latency processes.
    """
    results: dict[str, list[Row]] = {}
    for stage in (*one.latency, *one.extras):
        artefact = done[stage.key].artefact
        if artefact is not None:
            results.setdefault(stage.kind, []).append(artefact.result)
    records: list[Record] = []

    def add(name: str, value: float, method: str, **more: Any) -> None:
        records.append(record(run, one.collection, one.system.name, name, value, method=method, **more))

    for kind, rows in results.items():
        RECORDS[kind](rows, add)
    return records


def extra_notes(systems: Sequence[SystemStages], done: Mapping[str, Done]) -> list[str]:
    """A sentence for each one that has no result."""
    return [
        f"{stage.label}: {found.status}: {found.reason}."
        for one in systems
        for stage in one.extras
        for found in (done[stage.key],)
        if found.status != "ok"
    ]


def _warm(rows: list[Row], add: Callable[..., None]) -> None:
    for name in ("load_seconds", "first_query_seconds"):
        _mean(name, [row[name] for row in rows], "mean over processes, files cached as they were; interval by t", add)
    clock = [row["timer_overhead_seconds"] for row in rows if "timer_overhead_seconds" in row]
    if clock:
        _mean("timer_overhead", clock, "median of 1,000 readings in a process, mean over processes; interval by t", add)
    passes = {side: [np.asarray(row[f"{side}_cpu"]) for row in rows if f"{side}_cpu" in row] for side in SIDES}
    passes["total"] = [encode + search for encode, search in zip(passes["encode"], passes["search"], strict=True)]
    method = "processor time of all threads, mean over queries, median over passes, mean over processes; interval by t"
    for side, found in passes.items():
        values = [float(np.median(one)) for one in found]
        if values and min(values) > 0:
            _mean(f"{side}_cpu", values, method, add)


def _cold(rows: list[Row], add: Callable[..., None]) -> None:
    left = max(row["cached_after"] / max(row["size"], 1) for row in rows)
    method = f"mean over processes; page cache dropped by advice, {left:.1%} of the files' bytes stayed; interval by t"
    for name in ("cold_load_seconds", "cold_first_query_seconds"):
        _mean(name, [row[name.removeprefix("cold_")] for row in rows], method, add)


def _throughput(rows: list[Row], add: Callable[..., None]) -> None:
    for row in rows:
        for side in ("encode", "search"):
            passes = np.asarray(row[side])
            value, low, high = hierarchical(passes[:, None], {})["mean"]
            method = f"all queries as one batch, {row['threads']} thread(s), mean over passes; interval by t"
            bounds = (row["queries"] / high, row["queries"] / low)
            n = row["queries"] * len(passes)
            add(f"throughput_{side}/{row['component']}", row["queries"] / value, method, n=n, interval=bounds)


def _load(rows: list[Row], add: Callable[..., None]) -> None:
    for row in rows:
        method = (
            f"Poisson arrivals, p99 from the intended start at most {row['bound'] * 1e3:g} ms, "
            f"{row['arrivals']} queries a rate, rates halved {len(row['tried'])} times"
        )
        add("highest_load", row["rate"], method, n=row["arrivals"] * len(row["tried"]))


def _encoder_memory(rows: list[Row], add: Callable[..., None]) -> None:
    for row in rows:
        method = "smaps_rollup and smaps of newly mapped files, fresh process with the same libraries loaded"
        add("encoder_file_bytes", row["file_bytes"], "size of the model's files")
        add("encoder_resident_bytes", row["anonymous"] + row["file"], method)
        add("encoder_resident_bytes/anonymous", row["anonymous"], method)
        add("encoder_resident_bytes/file", row["file"], method)
        method = f"VmHWM above the resident size before, a batch of {row['batch']} documents, {row['tokens']} tokens"
        add("encoder_activation_bytes", row["activation"], method)


def _exact(rows: list[Row], add: Callable[..., None]) -> None:
    for row in rows:
        method = "held against brute force over the float32 vectors"
        for k, value in row["recall"].items():
            add(f"recall_vs_exact@{k}", value, method, n=row["queries"])
        add("ndcg_exact@10", row["ndcg@10"], "ir_measures over the results of brute force", n=row["queries"])


def _mean(name: str, values: list[float], method: str, add: Callable[..., None]) -> None:
    value, low, high = hierarchical(np.asarray(values)[:, None], {})["mean"]
    add(name, value, method, n=len(values), interval=(low, high) if len(values) > 1 else None)


RECORDS: dict[str, Callable[[list[Row], Callable[..., None]], None]] = {
    "latency": _warm,
    "truth": lambda rows, add: None,
    "exact": _exact,
    "cold": _cold,
    "throughput": _throughput,
    "load": _load,
    "encoder-memory": _encoder_memory,
}
