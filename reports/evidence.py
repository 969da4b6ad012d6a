"""How sure the differences in quality are, and what a family of systems costs at equal quality."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reports.compare import ranked
from reports.values import label, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.load import RunData

MARGIN = 0.02
COMPARED = 30
EQUAL = (
    ("index_bytes_per_document", "ndcg@10"), ("index_bytes_per_document", "recall@100"),
    ("latency_total/p50", "recall@100"), ("latency_search/p50", "recall@100"),
)  # fmt: skip


def against_best(run: RunData, collection: str, name: str = "ndcg@10") -> dict[str, Any] | None:
    """Every system against the best on a per-query metric; None without two systems that share queries.

    The margin of equivalence is that of the run's claims on this metric, else `MARGIN`.
    """
    from harness.stats.paired import compare, holm

    order = [s for s in ranked(run, collection, name) if (collection, s, name) in run.quality][:COMPARED]
    if len(order) < 2:
        return None
    queries, table = run.shared(collection, name, order)
    if table is None or len(queries) < 2:
        return None
    margins = [
        c["equivalent_within"] for c in run.facts["claims"] if c["metric"] == name and c.get("equivalent_within")
    ]
    margin = float(margins[0]) if margins else MARGIN
    found = compare(table[1:] - table[:1], margin)
    corrected = holm([one.p_value for one in found])
    rows = [
        (
            system,
            f"{one.difference:+.4f} [{one.low:+.4f}, {one.high:+.4f}]",
            _p(p),
            "–" if math.isinf(one.effect) else f"{one.effect:+.2f}",
            f"{one.detectable:.4f}",
            f"{'yes' if one.equivalence < 0.05 else 'not shown'} ({_p(one.equivalence)})",
        )
        for system, one, p in zip(order[1:], found, corrected, strict=True)
    ]
    return {"best": order[0], "metric": label(name), "margin": margin, "queries": len(queries), "rows": rows}


def at_equal_quality(run: RunData, collection: str) -> list[dict[str, Any]]:
    """What each family (systems of one encoder, at least two costs) costs where it equals the best, or a baseline."""
    from harness.stats.matching import matched_cost

    cells, rows = run.cells(), []
    for cost, gain in EQUAL:
        families: dict[str, list[str]] = {}
        for system in run.systems:
            key = (collection, system["name"])
            if system["collection"] == collection and (*key, cost) in cells and (*key, gain) in run.quality:
                families.setdefault(system.get("encoder_base", system["encoder"]), []).append(system["name"])
        known = {system: family for family, members in families.items() for system in members}
        wanted = [claim["baseline"] for claim in run.facts["claims"]] + ranked(run, collection, gain)[:1]
        targets = [target for target in dict.fromkeys(wanted) if target in known]
        for family, members in families.items():
            costs = [cells[collection, system, cost].value for system in members]
            for target in targets:
                if known[target] == family or len(set(costs)) < 2 or min(costs) <= 0:
                    continue
                queries, table = run.shared(collection, gain, [*members, target])
                if table is None or len(queries) < 2:
                    continue
                found = matched_cost(costs, table[:-1], table[-1])
                there = cells[collection, target, cost]
                rows.append(
                    {
                        "what": f"{label(cost)} of {family} ({len(members)} systems) at the {label(gain)} of {target}",
                        "value": _cost(found.value, there.unit, costs),
                        "interval": f"[{_cost(found.low, there.unit, costs)}, {_cost(found.high, there.unit, costs)}]",
                        "theirs": number(there.value, there.unit),
                        "ratio": "–" if math.isinf(found.value) else f"{found.value / there.value:.3g}×",
                    }
                )
    return rows


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def _cost(value: float, unit: str, costs: Sequence[float]) -> str:
    if math.isinf(value):
        return "out of reach"
    return ("at most " if value <= min(costs) * (1 + 1e-9) else "") + number(value, unit)
