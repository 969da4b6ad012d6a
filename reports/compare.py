"""Which system is best, and where the difference is more than chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.records import metric

if TYPE_CHECKING:
    from reports.load import RunData


def ranked(run: RunData, collection: str, name: str) -> list[str]:
    """Systems that have this metric, best first; empty where no direction is better."""
    direction = metric(name).direction
    found = [(r.value, r.system) for r in run.records if r.collection == collection and r.metric == name]
    return (
        []
        if direction == "neither"
        else [s for _, s in sorted(found, key=lambda p: p[0], reverse=direction == "higher")]
    )


def superiors(run: RunData, collection: str, name: str, alpha: float = 0.05) -> dict[str, list[str]]:
    """For each system, those that it beats significantly on a per-query quality metric.

    Paired randomisation test over the queries, Holm's correction over all pairs of systems.
    """
    from harness.stats import holm, paired_randomisation

    systems = [s for s in run.names(collection) if (collection, s, name) in run.quality]
    pairs = [(a, b) for i, a in enumerate(systems) for b in systems[i + 1 :]]
    means: dict[str, float] = {}
    p_values = []
    for first, second in pairs:
        one, other = run.quality[collection, first, name], run.quality[collection, second, name]
        queries = sorted(set(one) & set(other))
        p_values.append(paired_randomisation([one[q] for q in queries], [other[q] for q in queries]))
    for system in systems:
        values = run.quality[collection, system, name].values()
        means[system] = sum(values) / max(len(values), 1)
    better: dict[str, list[str]] = {system: [] for system in systems}
    for (first, second), p in zip(pairs, holm(p_values), strict=True):
        if p < alpha:
            winner, loser = (first, second) if means[first] > means[second] else (second, first)
            better[winner].append(loser)
    return better
