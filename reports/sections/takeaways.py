"""What a reader takes away in ten seconds: who is best, smallest and fastest, and the order and signs of verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.metrics import metric
from harness.stats.pareto import pareto_front
from reports.formatting import number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Record

WORST = ("contradicted", "inconclusive", "not comparable", "not measured", "supported")
SIGNS = {"supported": "✓", "contradicted": "✗", "inconclusive": "?", "not comparable": "–", "not measured": "–"}
HIGHLIGHTS = (
    ("ndcg@10", "Best ranking", "nDCG@10 {}"),
    ("index_bytes_per_document", "Smallest index", "{} a document"),
    ("latency_total/p50", "Fastest query", "median {}"),
)
"""Metric, heading, words for a value."""
NAMED = 6
"""Dominated systems that a sentence names; where there are more, it names the others."""


def takeaways(records: Mapping[tuple[str, str], Record], best: Mapping[str, str | None]) -> list[tuple[str, str]]:
    """The heading and sentence of each highlight.

    Args:
        records: By (system, metric).
        best: The system that is best beyond chance, by metric; None where none is.
    """
    sentences = []
    for name, heading, words in HIGHLIGHTS:
        rows = [row for (_, own), row in records.items() if own == name]
        if len(rows) < 2:
            continue
        rows.sort(key=lambda row: row.value, reverse=metric(name).direction == "higher")
        first, second = rows[:2]
        value, other = (number(row.value, row.unit) for row in (first, second))
        chance = "" if metric(name).exact else " beyond chance" if best.get(name) else " not shown to be beyond chance"
        reached = f"{words.format(value)}{',' * bool(chance)}{chance}"
        sentences.append((heading, f"{first.system}: {reached}. Then {second.system}, {other}."))
    pairs = [
        (system, row, records[system, "index_bytes_per_document"])
        for (system, name), row in records.items()
        if name == "ndcg@10" and (system, "index_bytes_per_document") in records
    ]
    front = pareto_front([cost.value for *_, cost in pairs], [gain.value for _, gain, _ in pairs])
    beaten = [system for (system, *_), on in zip(pairs, front, strict=True) if not on]
    if beaten:
        who = "; ".join(beaten)
        if len(beaten) > NAMED:
            who = f"{len(beaten)} of {len(pairs)} systems, all but {'; '.join(_others(pairs, beaten))}"
        sentences.append(("Dominated", f"{who}: another system ranks at least as well in no more memory."))
    return sentences


def _others(pairs: Sequence[tuple[str, Record, Record]], beaten: Sequence[str]) -> list[str]:
    """The systems on the Pareto front, smallest first."""
    undominated = [(cost.value, system) for system, _, cost in pairs if system not in beaten]
    return [system for _, system in sorted(undominated)]
