"""A run's tables as pandas DataFrames, and what their columns mean."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.metrics import over_suite
from harness.runs.suites import missing, over, systems_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from harness.runs.read import RunData
    from harness.spec.suite import Suite

COLUMNS: dict[str, dict[str, str]] = {
    "records": {
        "run": "name of the run",
        "collection": "name of the collection",
        "system": "name of the system",
        "metric": "name of the metric, with a part after a slash where it has parts (`latency_total/p50`)",
        "value": "the number",
        "unit": "its unit",
        "direction": "`lower` or `higher` is better, or `neither` is",
        "method": "how it was obtained",
        "source": "`measured`, `analytic` or `estimated`",
        "n": "number of observations behind it",
        "ci_low": "lower end of the interval; NaN for a value without chance",
        "ci_high": "upper end of the interval; NaN for a value without chance",
    },
    "per_query": {
        "collection": "name of the collection",
        "system": "name of the system",
        "query": "the query's identifier",
        "metric": "name of the metric of quality or of counted work",
        "value": "its value for this query",
    },
    "suites": {
        "suite": "name of the suite",
        "system": "name of the system",
        "metric": "name of the metric",
        "value": "over the whole suite; NaN if something of it is missing",
        "unit": "its unit",
        "method": "how the values of the collections are combined",
        "ci_low": "lower end of the interval, over queries within tasks; NaN for a value without chance",
        "ci_high": "upper end of the interval",
        "tasks": "number of tasks of the suite",
        "there": "number of its tasks that have a value",
        "partial": "mean of the tasks that are there, of a metric that is a mean; NaN if none is",
        "missing": "what is missing of the suite and why; empty if nothing is",
    },
    "latencies": {
        "collection": "name of the collection",
        "system": "name of the system",
        "process": "number of the fresh process, from 0",
        "query": "number of the timed query, from 0",
        "repeat": "number of the pass over the queries, from 0",
        "encode": "seconds to encode the query",
        "search": "seconds to search the index",
        "total": "seconds of both",
    },
    "conditions": {
        "collection": "name of the collection",
        "system": "name of the system",
        "kind": "kind of the stage that was watched, such as `build` or `latency`",
        "stage": "the stage in words",
        "seconds": "wall time",
        "cpu_seconds": "processor time",
        "load_before": "load average before",
        "load_after": "load average after",
        "others_share": "share of the processors' time that other processes used, 0 to 1",
        "steal_share": "share of the time that the hypervisor took, 0 to 1",
        "voluntary_switches": "context switches that the process asked for",
        "involuntary_switches": "context switches that the kernel forced",
        "minor_faults": "page faults without a read from disk",
        "major_faults": "page faults with a read from disk",
        "threads_total": "threads of the process",
        "threads_busy": "threads that used a processor",
        "parallelism": "processor time divided by wall time",
        "waited_share": "share of the time that it waited for a processor, 0 to 1",
        "throttled_share": "share of the time that a quota of its control group stopped it; NaN in older runs",
        "pinned": "whether the process was bound to its processors; NaN if the spec did not ask for it",
        "threads_asked": "threads that a query may use; NaN if the spec does not limit them",
        "slower_than_quietest": "how much slower the machine was than in its quietest process; NaN if not measured",
        "disturbance": "what disturbed the timing; empty if nothing did",
        "violation": "which setting did not hold; empty if all held",
    },
}
"""Columns of each table, in order, with their meaning."""


def records(run: RunData) -> pd.DataFrame:
    """All records, a row each."""
    return _frame("records", [asdict(row) for row in run.records])


def per_query(run: RunData) -> pd.DataFrame:
    """Quality of every query, a row for each metric."""
    rows = [
        {"collection": collection, "system": system, "query": query, "metric": metric, "value": value}
        for (collection, system, metric), values in run.quality.items()
        for query, value in values.items()
    ]
    return _frame("per_query", rows)


def suites(run: RunData) -> pd.DataFrame:
    """Every value over a suite, a row for each system and metric; times have none."""
    table = _frame("suites", [row for suite in run.suites for row in _of_suite(run, suite)])
    return table.astype(dict.fromkeys(("value", "ci_low", "ci_high", "partial"), float))


def _of_suite(run: RunData, suite: Suite) -> Iterator[dict[str, object]]:
    within = set(suite.collections)
    metrics = dict.fromkeys(row.metric for row in run.records if row.collection in within)
    combined = {name: how for name in metrics if (how := over_suite(name, run.metric(name)))}
    for system, (name, how) in itertools.product(systems_of(run, suite), combined.items()):
        lacking = missing(run, suite, system, name)
        there = suite.only([part for part in suite.collections if part not in lacking])
        value = over(run, suite, system, name)
        partial = over(run, there, system, name) if there.tasks and how == "mean" else None
        yield {
            "suite": suite.name,
            "system": system,
            "metric": name,
            "value": None if value is None else value.value,
            "unit": run.metric(name).unit,
            "method": "" if value is None else value.method,
            "ci_low": None if value is None else value.ci_low,
            "ci_high": None if value is None else value.ci_high,
            "tasks": len(suite.tasks),
            "there": len(there.tasks),
            "partial": None if partial is None else partial.value,
            "missing": "; ".join(f"{part} ({why})" for part, why in lacking.items()),
        }


def latencies(run: RunData) -> pd.DataFrame:
    """Every timed query, a row for each process and pass; times in seconds."""
    import numpy as np
    import pandas as pd

    tables = []
    for (collection, system), seconds in run.latency.items():
        shape = seconds["total"].shape
        places = dict(zip(("process", "query", "repeat"), (axis.ravel() for axis in np.indices(shape)), strict=True))
        times = {name: seconds[name].ravel() for name in ("encode", "search", "total")}
        tables.append(pd.DataFrame({"collection": collection, "system": system, **places, **times}))
    return pd.concat(tables, ignore_index=True) if tables else _frame("latencies", [])


def conditions(run: RunData) -> pd.DataFrame:
    """What every watched process met, a row each."""
    return _frame("conditions", run.conditions)


def _frame(table: str, rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(COLUMNS[table]))
