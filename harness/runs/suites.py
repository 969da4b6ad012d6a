"""Values of a run over a whole suite, and what of the suite is missing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.metrics import over_suite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.metrics import Combination
    from harness.records import Record
    from harness.runs.read import RunData
    from harness.spec.suite import Suite

METHODS: Mapping[Combination, str] = {
    "mean": "mean over {tasks} tasks",
    "sum": "sum over {collections} collections",
    "per document": "all bytes over all documents of {collections} collections",
}


def over(run: RunData, suite: Suite, system: str, name: str) -> Record | None:
    """A system's value of a metric over a suite; see `harness.metrics.over_suite`.

    Metrics that have no such value are given as the mean over the tasks, for tables that show what was measured.

    Args:
        run: Of the system.
        suite: Of which every collection counts.
        system: Its name.
        name: Of the metric, with a component after a slash where one applies.

    Returns:
        None where a collection has no value, or where bytes are to be shared among unknown numbers of documents.
    """
    how = over_suite(name, run.metric(name)) or "mean"
    weights = weights_of(suite, how, documents_of(run))
    if weights is None:
        return None
    return combined(run, weights, system, name, collection=suite.name, method=method_of(suite, how))


def documents_of(run: RunData) -> dict[str, int]:
    """How many documents each collection of a run has, where that is known."""
    return {name: about["documents"] for name, about in run.facts["collections"].items() if "documents" in about}


def weights_of(suite: Suite, how: Combination, documents: Mapping[str, int]) -> dict[str, float] | None:
    """What the value of each collection is multiplied with; None where its number of documents is needed and not known.

    Args:
        suite: Of which every collection counts.
        how: See `harness.metrics.over_suite`.
        documents: How many each collection has, where that is known.
    """
    weights = suite.weights()
    if how == "sum":
        return dict.fromkeys(weights, 1.0)
    if how != "per document":
        return weights
    counts = {collection: documents.get(collection, 0) for collection in weights}
    total = sum(counts.values())
    return {collection: count / total for collection, count in counts.items()} if all(counts.values()) else None


def method_of(suite: Suite, how: Combination) -> str:
    """How the values of the collections become one, in words."""
    return METHODS[how].format(tasks=len(suite.tasks), collections=len(suite.collections))


def combined(
    run: RunData, weights: Mapping[str, float], system: str, name: str, *, collection: str, method: str
) -> Record | None:
    """The weighted sum of a system's values on several collections; None where one has none.

    The interval is over the queries within the collections where all have values by query; else those of the records
    are joined as independent (MOVER).

    Args:
        run: Of the system.
        weights: By collection.
        system: Its name.
        name: Of the metric.
        collection: What the record names as its collection.
        method: What the record says.
    """
    cells = run.cells()
    cells_of_parts = [cells.get((part, system, name)) for part in weights]
    rows = [row for row in cells_of_parts if row is not None]
    if not rows or len(rows) < len(cells_of_parts):
        return None
    value = math.fsum(weight * row.value for weight, row in zip(weights.values(), rows, strict=True))
    low, high = _interval(run, weights, rows) or (None, None)
    source = rows[0].source if len({row.source for row in rows}) == 1 else "estimated"
    n = sum(row.n for row in rows)
    # Not `harness.records.record`: a metric that no installed package defines has its unit from the run.
    return replace(
        rows[0], collection=collection, value=value, method=method, source=source, n=n, ci_low=low, ci_high=high
    )


def _interval(run: RunData, weights: Mapping[str, float], rows: Sequence[Record]) -> tuple[float, float] | None:
    from harness.stats.means import FRACTION
    from harness.stats.strata import suite_mean

    by_query = [run.quality.get((row.collection, row.system, row.metric)) for row in rows]
    known = [values for values in by_query if values]
    if len(known) == len(rows) and math.isclose(sum(weights.values()), 1):
        limits = FRACTION if rows[0].unit == "fraction" else None
        strata = [np.fromiter(values.values(), np.float64) for values in known]
        _, low, high = suite_mean(strata, list(weights.values()), confidence=run.confidence, limits=limits)
        return (low, high) if math.isfinite(low) and math.isfinite(high) else None
    ends = [(row.ci_low, row.ci_high) for row in rows]
    if any(None in pair for pair in ends):
        return None
    pairs = list(zip(weights.values(), rows, strict=True))
    value = math.fsum(weight * row.value for weight, row in pairs)
    low = math.hypot(*(weight * (row.value - float(row.ci_low or 0)) for weight, row in pairs))
    high = math.hypot(*(weight * (float(row.ci_high or 0) - row.value) for weight, row in pairs))
    return value - low, value + high


def suites_and_others(run: RunData) -> tuple[list[Suite], list[str]]:
    """The suites of which the run has a collection, and its collections that belong to none of them, in order."""
    present = run.collections()
    suites = [suite for suite in run.suites if set(suite.collections) & set(present)]
    within = {name for suite in suites for name in suite.collections}
    return suites, [name for name in present if name not in within]


def systems_of(run: RunData, suite: Suite) -> list[str]:
    """The systems that were to run on at least one collection of a suite, in order."""
    within = set(suite.collections)
    return list(dict.fromkeys(system["name"] for system in run.systems if system["collection"] in within))


def missing(run: RunData, suite: Suite, system: str, name: str) -> dict[str, str]:
    """Why a collection of a suite has no value of a metric, by collection; empty where all have one."""
    cells = run.cells()
    facts = {row["collection"]: row for row in run.systems if row["name"] == system}
    reasons = {}
    for collection in suite.collections:
        row = facts.get(collection)
        if row is None:
            reasons[collection] = "not run"
        elif row["status"] != "ok":
            reasons[collection] = f"{row['status']}: {row['reason']}"
        elif (collection, system, name) not in cells:
            reasons[collection] = f"no {name}"
    return reasons


def incomplete(run: RunData, suite: Suite, system: str, name: str) -> str:
    """A sentence on a suite of which a system has not all: what is missing, and the partial mean; empty where it has.

    Args:
        run: Of the system.
        suite: The suite.
        system: Its name.
        name: Of a metric whose mean over the tasks is given.
    """
    lacking = missing(run, suite, system, name)
    if not lacking:
        return ""
    by_reason: dict[str, list[str]] = {}
    for collection, why in lacking.items():
        by_reason.setdefault(why, []).append(_task(suite, collection))
    listed = "; ".join(f"{', '.join(dict.fromkeys(tasks))} ({why})" for why, tasks in by_reason.items())
    there = suite.only([part for part in suite.collections if part not in lacking])
    text = f"{system} has no mean over {suite.name}. Missing: {listed}."
    value = over(run, there, system, name) if there.tasks else None
    if value is None:
        return text
    what = f"{run.metric(name).label} over the {len(there.tasks)} of {len(suite.tasks)} tasks that are there"
    return f"{text} Partial mean of {what}: {value.value:.4f}."


def _task(suite: Suite, collection: str) -> str:
    """The task, or the part of it, that a collection is."""
    task = next(task for task, parts in suite.tasks.items() if collection in parts)
    return task if len(suite.tasks[task]) == 1 else f"{task}: {collection}"
