"""How sure the differences in quality are, and what a family of systems costs at equal quality."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.formatting import TOO_WIDE, label, number, says_nothing
from reports.ranking import pairs, ranked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from harness.runs.read import RunData

MARGIN = 0.02
COMPARED = 30
EQUAL = (
    ("index_bytes_per_document", "ndcg@10"), ("index_bytes_per_document", "recall@100"),
    ("latency_total/p50", "recall@100"), ("latency_search/p50", "recall@100"),
)  # fmt: skip


@dataclass(frozen=True)
class AgainstBest:
    """Every other system against the best one, over the queries that all have.

    A row holds system, difference with its interval, p, effect size, detectable difference, and equivalence.
    """

    best: str
    metric: str
    margin: float
    queries: int
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class EqualQuality:
    """What a family of systems costs where it ranks as well as another system, and that system's own cost."""

    what: str
    value: str
    interval: str
    theirs: str
    ratio: str
    ratio_interval: str
    note: str


def against_best(run: RunData, collection: str, name: str = "ndcg@10") -> AgainstBest | None:
    """Every system against the best on a per-query metric; None without two systems that share queries.

    The margin of equivalence is that of the run's claims on this metric, else `MARGIN`.
    """
    from harness.stats.means import DIFFERENCE
    from harness.stats.paired import compare

    order = [s for s in ranked(run, collection, name) if (collection, s, name) in run.quality][:COMPARED]
    if len(order) < 2:
        return None
    queries, table = run.shared(collection, name, order)
    if table is None or len(queries) < 2:
        return None
    stated = [claim.get("equivalent_within") for claim in run.facts["claims"] if claim["metric"] == name]
    margin = next((float(given) for given in stated if given), MARGIN)
    limits = DIFFERENCE if run.metric(name).unit == "fraction" else None
    comparisons = compare(table[1:] - table[:1], margin, limits=limits)
    tested = pairs(run, collection, name)
    corrected = [1.0 if tested is None else tested.p_value(order[0], system) for system in order[1:]]
    rows = [
        (
            system,
            f"{compared.difference:+.4f} [{compared.low:+.4f}, {compared.high:+.4f}]",
            _p(p),
            "–" if math.isinf(compared.effect) else f"{compared.effect:+.2f}",
            f"{compared.detectable:.4f}",
            f"{'yes' if compared.equivalence < 0.05 else 'not shown'} ({_p(compared.equivalence)})",
        )
        for system, compared, p in zip(order[1:], comparisons, corrected, strict=True)
    ]
    return AgainstBest(order[0], label(name), margin, len(queries), rows)


def at_equal_quality(run: RunData, collection: str) -> list[EqualQuality]:
    """What each family (systems of one encoder, at least two costs) costs where it equals the best, or a baseline."""
    return [row for cost, gain in EQUAL for row in _matched(run, collection, cost, gain)]


def _matched(run: RunData, collection: str, cost: str, gain: str) -> Iterator[EqualQuality]:
    from harness.stats.matching import drawn_means, matched_means

    cells = run.cells()
    families: dict[str, list[str]] = {}
    for system in run.systems:
        key = (collection, system["name"])
        if system["collection"] == collection and (*key, cost) in cells and (*key, gain) in run.quality:
            families.setdefault(system.get("encoder_base", system["encoder"]), []).append(system["name"])
    known = {system: family for family, members in families.items() for system in members}
    baselines = [other for claim in run.facts["claims"] if (other := claim["baseline"]) is not None]
    wanted = baselines + ranked(run, collection, gain)[:1]
    queries, table = run.shared(collection, gain, tuple(known))
    if table is None or len(queries) < 2:
        return
    place = {system: number for number, system in enumerate(known)}
    means = table.mean(axis=1)
    moved = run.once(("drawn gains", collection, gain, tuple(known)), lambda: drawn_means(table))
    drawn = _drawn(run, collection, cost, tuple(known))
    for family, members in families.items():
        costs = [cells[collection, system, cost].value for system in members]
        for target in dict.fromkeys(wanted):
            if known.get(target, family) == family or len(set(costs)) < 2 or min(costs) <= 0:
                continue
            there, sides = cells[collection, target, cost], [*members, target]
            if there.value <= 0 or not (drawn is None or drawn.keys() >= {*sides}):
                continue
            prices = None if drawn is None else np.stack([drawn[system] for system in sides], axis=1)
            own = [place[system] for system in sides]
            (value, *ends), (ratio, *reach) = matched_means(costs, means[own], moved[:, own], there.value, drawn=prices)
            apart = [system for system in sides if (collection, system) in run.disturbed] if drawn is not None else []
            yield EqualQuality(
                what=f"{label(cost)} of {family} ({len(members)} systems) at the {label(gain)} of {target}",
                value=_cost(value, there.unit, costs),
                interval=_ends(value, ends, there.unit, costs),
                theirs=number(there.value, there.unit),
                ratio=_times(ratio),
                ratio_interval=f"[{', '.join(map(_times, reach))}]",
                note=f"timing disturbed: {', '.join(apart)}" if apart else "",
            )


def _drawn(run: RunData, collection: str, cost: str, systems: Sequence[str]) -> dict[str, NDArray[np.float64]] | None:
    """Resampled times of the systems that have samples; None where the cost is a count."""
    from harness.stats.levels import drawn_percentiles

    base, _, part = cost.partition("/")
    if not base.startswith("latency_"):
        return None
    side, q = base.removeprefix("latency_"), float(part.removeprefix("p")) / 100
    times = {system: run.latency[collection, system][side] for system in systems if (collection, system) in run.latency}
    if len({table.shape[1] for table in times.values()}) != 1:  # none, or they were not asked the same queries
        return {}
    percentiles = drawn_percentiles(list(times.values()), q)
    return dict(zip(times, percentiles.T, strict=True))


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def _times(ratio: float) -> str:
    return "out of reach" if math.isinf(ratio) else f"{ratio:.3g}×"


def _ends(value: float, ends: Sequence[float], unit: str, costs: Sequence[float]) -> str:
    if math.isfinite(ends[1]) and says_nothing(value, ends[1], unit):
        return TOO_WIDE
    return f"[{', '.join(_cost(end, unit, costs) for end in ends)}]"


def _cost(value: float, unit: str, costs: Sequence[float]) -> str:
    if math.isinf(value):
        return "out of reach"
    return ("at most " if value <= min(costs) * (1 + 1e-9) else "") + number(value, unit)
