"""Which system is best, and where the difference is more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.runs.disturbed import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    Over the queries that all have; see `Pairs`.
    """
    compared = pairs(run, collection, name)
    if compared is None:
        return {}
    return {
        winner: [loser for loser in compared.systems if compared.beats(winner, loser, alpha)]
        for winner in compared.systems
    }


def best(run: RunData, collection: str, name: str) -> str | None:
    """The system that is best beyond chance: tested over queries, or intervals apart, or exact and alone."""
    order = ranked(run, collection, name)
    if len(order) < 2 or not run.metric(name).decides:
        return None
    if (collection, order[0], name) in run.quality:
        compared = pairs(run, collection, name)
        beaten = compared is not None and {*order} <= {*compared.systems} and compared.beats_all(order[0])
        return order[0] if beaten else None
    cells = run.cells()
    first, second = cells[collection, order[0], name], cells[collection, order[1], name]
    if run.metric(name).exact:
        return order[0] if first.value != second.value else None
    if run.metric(name).timed and not all(settled(run, collection, system, name) for system in order[:2]):
        return None
    ends = (first.ci_low, first.ci_high, second.ci_low, second.ci_high)
    if None in ends:
        return None
    low, high, other_low, other_high = (float(end or 0.0) for end in ends)
    apart = high < other_low if first.direction == "lower" else low > other_high
    return order[0] if apart else None


@dataclass(frozen=True)
class Pairs:
    """Every pair of systems on a per-query metric: adjusted p-values and mean gains, systems x systems.

    The gain of row i, column j is that of system i over system j: more than 0 where i is the better one. The p-values
    belong to the intervals of `harness.stats.means`. Holm's correction is over all pairs, because the same data showed
    which system is the best.
    """

    systems: tuple[str, ...]
    p_values: NDArray[np.float64]
    gains: NDArray[np.float64]

    def p_value(self, one: str, other: str) -> float:
        """Of the difference of two systems, adjusted."""
        return float(self.p_values[self.systems.index(one), self.systems.index(other)])

    def beats_all(self, system: str) -> bool:
        """Whether a system is better beyond chance than each of the others."""
        return all(self.beats(system, other) for other in self.systems if other != system)

    def beats(self, winner: str, loser: str, alpha: float = ALPHA) -> bool:
        """Whether a system is better beyond chance than another one."""
        i, j = self.systems.index(winner), self.systems.index(loser)
        return bool(self.p_values[i, j] < alpha and self.gains[i, j] > 0)


def pairs(run: RunData, collection: str, name: str) -> Pairs | None:
    """All pairs of the systems that have this metric for each query; None without queries that all have."""
    return run.once(("pairs", collection, name), lambda: _pairs(run, collection, name))


def _pairs(run: RunData, collection: str, name: str) -> Pairs | None:
    from harness.stats.means import DIFFERENCE, p_values
    from harness.stats.paired import holm

    systems = [system for system in run.names(collection) if (collection, system, name) in run.quality]
    _, table = run.shared(collection, name, systems)
    if table is None or not table.size:
        return None
    count, kind = len(systems), run.metric(name)
    differences, p = np.zeros((count, count)), np.ones((count, count))
    for place in range(count - 1):  # one system against all later ones: all pairs at once would fill the memory
        rows = table[place] - table[place + 1 :]
        p[place, place + 1 :] = p_values(rows, limits=DIFFERENCE if kind.unit == "fraction" else None)
        differences[place, place + 1 :] = rows.mean(axis=1)
    upper = np.triu_indices(count, 1)
    p[upper] = holm(p[upper].tolist())
    better = differences - differences.T
    return Pairs(tuple(systems), np.minimum(p, p.T), -better if kind.direction == "lower" else better)


def pairs_over(run: RunData, weights: Mapping[str, float], name: str) -> Pairs | None:
    """As `pairs`, of the mean over several collections by these weights; of the systems that have all of them."""
    return run.once(("pairs", tuple(weights.items()), name), lambda: _pairs_over(run, weights, name))


def _pairs_over(run: RunData, weights: Mapping[str, float], name: str) -> Pairs | None:
    from harness.stats.paired import holm
    from harness.stats.strata import stratified

    systems = [
        system
        for system in dict.fromkeys(system["name"] for system in run.systems)
        if all((collection, system, name) in run.quality for collection in weights)
    ]
    tables = [run.shared(collection, name, systems)[1] for collection in weights]
    known = [table for table in tables if table is not None and table.size]
    if len(known) < len(tables):
        return None
    count = len(systems)
    gains, p = np.zeros((count, count)), np.ones((count, count))
    upper = np.triu_indices(count, 1)
    for i, j in zip(*upper, strict=True):
        gains[i, j], p[i, j] = stratified([table[i] - table[j] for table in known], list(weights.values()))
    p[upper] = holm(p[upper].tolist())
    better = gains - gains.T
    return Pairs(tuple(systems), np.minimum(p, p.T), -better if run.metric(name).direction == "lower" else better)


def superiors_over(run: RunData, weights: Mapping[str, float], name: str) -> dict[str, list[str]]:
    """As `superiors`, of the mean over several collections by these weights."""
    compared = pairs_over(run, weights, name)
    if compared is None:
        return {}
    return {
        winner: [loser for loser in compared.systems if compared.beats(winner, loser)] for winner in compared.systems
    }


def settled(run: RunData, collection: str, system: str, name: str = "latency_total") -> bool:
    """Whether several processes measured the metric and none was disturbed; one process says nothing about the next.

    Of a metric that no watch observes the latency processes tell.
    """
    if run.metric(name).process in ("", "latency"):
        times = run.latency.get((collection, system))
        several = times is not None and len(times["total"]) > 1
        return several and (collection, system, "latency") not in run.disturbances
    kind = kind_of(collection, system, name, run.metric(name), run.processes)
    return kind is not None and run.processes[kind] > 1 and kind not in run.disturbances
