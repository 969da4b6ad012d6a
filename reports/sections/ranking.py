"""Which system is best, and where the difference is more than chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.runs.read import RunData

ALPHA = 0.05


def ranked(run: RunData, collection: str, name: str) -> list[str]:
    """Systems that have this metric, best first; empty where no direction is better."""
    direction = run.metric(name).direction
    if direction == "neither":
        return []
    values = [(row.value, row.system) for row in run.records_with(collection, name)]
    return [system for _, system in sorted(values, key=lambda pair: pair[0], reverse=direction == "higher")]


def superiors(run: RunData, collection: str, name: str, alpha: float = ALPHA) -> dict[str, list[str]]:
    """For each system, those that it beats significantly on a per-query quality metric.

    Paired randomisation test over the queries that all have, Holm's correction over all pairs of systems.
    """
    return run.once(("superiors", collection, name, alpha), lambda: _superiors(run, collection, name, alpha))


def best(run: RunData, collection: str, name: str) -> str | None:
    """The system that is best beyond chance: tested over queries, or intervals apart, or exact and alone."""
    order = ranked(run, collection, name)
    if len(order) < 2 or not run.metric(name).decides:
        return None
    if (collection, order[0], name) in run.quality:
        beats = run.once(("best", collection, name), lambda: _beats_all(run, collection, name, order))
        return order[0] if beats else None
    cells = run.cells()
    first, second = cells[collection, order[0], name], cells[collection, order[1], name]
    if run.metric(name).exact:
        return order[0] if first.value != second.value else None
    if run.metric(name).timed and not all(settled(run, collection, system) for system in order[:2]):
        return None
    ends = (first.ci_low, first.ci_high, second.ci_low, second.ci_high)
    if None in ends:
        return None
    low, high, other_low, other_high = (float(end or 0.0) for end in ends)
    apart = high < other_low if first.direction == "lower" else low > other_high
    return order[0] if apart else None


def against_first(run: RunData, collection: str, name: str, order: Sequence[str]) -> NDArray[np.float64]:
    """P-values of the randomisation test of the first of these systems against each of the others, not corrected."""
    from harness.stats.paired import randomisations

    def p_values() -> NDArray[np.float64]:
        _, table = run.shared(collection, name, order)
        assert table is not None  # noqa: S101 - only systems that have the metric come here
        return randomisations(table[:1] - table[1:])

    return run.once(("against first", collection, name, tuple(order)), p_values)


def _beats_all(run: RunData, collection: str, name: str, order: Sequence[str]) -> bool:
    """The first against each of the others, Holm's correction over these tests."""
    from harness.stats.paired import holm, randomisations

    queries, table = run.shared(collection, name, order)
    if table is None or not queries:
        return False
    known = ("against first", collection, name, tuple(order)) in run.known
    if not known and randomisations(table[:1] - table[1:2])[0] >= ALPHA:  # a correction only raises it
        return False
    return max(holm(against_first(run, collection, name, order).tolist())) < ALPHA


def settled(run: RunData, collection: str, system: str) -> bool:
    """Whether several processes timed the system and none was disturbed; one process says nothing about the next."""
    times = run.latency.get((collection, system))
    return times is not None and len(times["total"]) > 1 and (collection, system) not in run.disturbed


def _superiors(run: RunData, collection: str, name: str, alpha: float) -> dict[str, list[str]]:
    from harness.stats.paired import holm, randomisations

    systems = [system for system in run.names(collection) if (collection, system, name) in run.quality]
    better: dict[str, list[str]] = {system: [] for system in systems}
    pairs = [(i, j) for i in range(len(systems)) for j in range(i + 1, len(systems))]
    _, table = run.shared(collection, name, systems)
    if not pairs or table is None or not table.size:
        return better
    first_of_pair, second_of_pair = np.asarray(pairs).T
    differences = table[first_of_pair] - table[second_of_pair]
    p_values = holm(randomisations(differences).tolist())
    for (first, second), p, mean in zip(pairs, p_values, differences.mean(axis=1), strict=True):
        if p < alpha:
            winner, loser = (first, second) if mean > 0 else (second, first)
            better[systems[winner]].append(systems[loser])
    return better
