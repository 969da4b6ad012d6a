"""Judge a claim by what was measured, with an interval wherever there is chance in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from harness.records import metric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from harness.records import Record
    from harness.spec.claim import ClaimSpec, Relation

Word: TypeAlias = Literal["supported", "contradicted", "inconclusive", "not comparable"]
Estimate: TypeAlias = tuple[float, float, float]
"""(value, low, high)."""
Cell: TypeAlias = tuple[str, str]
"""(collection, system)."""

RATIOS = ("reduction_at_least", "ratio_at_most", "ratio_at_least")


@dataclass(frozen=True)
class Evidence:
    """All that a verdict may rest on.

    `records` by (collection, system, metric); `statuses` (status, reason) by cell; `quality` {query: value} by
    (collection, system, metric); `latency` by cell: {"encode", "search", "total"} -> seconds, float64 of
    processes x queries x repeats. `disturbed` says of a cell what disturbed its timing.
    """

    records: Mapping[tuple[str, str, str], Record]
    statuses: Mapping[Cell, tuple[str, str]]
    quality: Mapping[tuple[str, str, str], Mapping[str, float]] = field(default_factory=dict)
    latency: Mapping[Cell, Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)
    disturbed: Mapping[Cell, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What became of a claim on one collection.

    `value`, `low` and `high` are of the quantity that the relation bounds (reduction, ratio or difference); None where
    nothing could be compared. `sentence` can be quoted.
    """

    claim: str
    collection: str
    word: Word
    sentence: str
    bound: float
    value: float | None = None
    low: float | None = None
    high: float | None = None


def judge(claim: ClaimSpec, evidence: Evidence) -> list[Verdict]:
    """One verdict a collection that the claim is about.

    Supported: the whole interval satisfies the relation. Contradicted: none of it does. Inconclusive: neither, or a
    value that varies from run to run was measured once. Counts (bytes, FLOPs, postings) have no interval.
    """
    collections = [claim.collection] if claim.collection else sorted({cell[0] for cell in evidence.statuses})
    return [_judge_on(claim, collection, evidence) for collection in collections]


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0: all supported; 1: one is contradicted; 2: one is inconclusive or not comparable, or there are none."""
    words = {verdict.word for verdict in verdicts}
    if "contradicted" in words:
        return 1
    return 0 if words == {"supported"} else 2


def _judge_on(claim: ClaimSpec, collection: str, evidence: Evidence) -> Verdict:
    def not_comparable(why: str) -> Verdict:
        return Verdict(
            claim.name, collection, "not comparable", f"On {collection}: not comparable, {why}.", claim.bound
        )

    rows = []
    for system in (claim.system, claim.baseline):
        status, reason = evidence.statuses.get((collection, system), ("not run", ""))
        if status != "ok":
            return not_comparable(f"{system} is {status}{f' ({reason})' if reason else ''}")
        found = evidence.records.get((collection, system, claim.metric))
        if found is None:
            return not_comparable(f"{system} has no {claim.metric}")
        rows.append(found)
    ours, theirs = rows
    if claim.relation in RATIOS and theirs.value <= 0:
        return not_comparable(
            f"{claim.baseline} has {claim.metric} = {theirs.value:g}, and nothing can be divided by it"
        )
    estimate = _estimate(claim, collection, ours, theirs, evidence)
    if estimate is None:
        value = _point(claim.relation, ours.value, theirs.value)
        why = "it was measured once and varies from run to run, so nothing is settled"
        sentence = f"On {collection}: {_says(claim, value, None)}; {why}.{_doubt(claim, collection, evidence)}"
        return Verdict(claim.name, collection, "inconclusive", sentence, claim.bound, value)
    value, low, high = estimate
    word = _word(claim.relation, claim.bound, low, high)
    sentence = f"On {collection}: {_says(claim, value, (low, high))}; the claim is {word}."
    sentence += _doubt(claim, collection, evidence)
    return Verdict(claim.name, collection, word, sentence, claim.bound, value, low, high)


def _estimate(claim: ClaimSpec, collection: str, ours: Record, theirs: Record, evidence: Evidence) -> Estimate | None:
    base, _, part = claim.metric.partition("/")
    if metric(base).exact:
        value = _point(claim.relation, ours.value, theirs.value)
        return value, value, value
    pair = tuple(evidence.quality.get((collection, system, claim.metric)) for system in (claim.system, claim.baseline))
    if pair[0] and pair[1]:
        queries = sorted(set(pair[0]) & set(pair[1]))
        first, second = (np.asarray([values[query] for query in queries]) for values in pair if values)
        return _of_queries(claim, first, second)
    side = base.removeprefix("latency_")
    times = [evidence.latency.get((collection, system), {}).get(side) for system in (claim.system, claim.baseline)]
    if base.startswith("latency_") and times[0] is not None and times[1] is not None and claim.relation in RATIOS:
        from harness.stats.levels import percentile_ratio

        q = None if part == "mean" else float(part.removeprefix("p")) / 100
        return _as_relation(claim.relation, percentile_ratio(times[0], times[1], q, confidence=claim.confidence))
    if None in (ours.ci_low, ours.ci_high, theirs.ci_low, theirs.ci_high) or claim.relation in RATIOS:
        return None
    # Both intervals at their worst: wider than needed, never too narrow.
    low, high = (
        float(ours.ci_low or 0) - float(theirs.ci_high or 0),
        float(ours.ci_high or 0) - float(theirs.ci_low or 0),
    )
    return ours.value - theirs.value, low, high


def _doubt(claim: ClaimSpec, collection: str, evidence: Evidence) -> str:
    """Sentences on disturbed timing and on the smallest effect, where the claim rests on times."""
    base, _, part = claim.metric.partition("/")
    if not base.startswith("latency_"):
        return ""
    name = f"smallest_effect/{base.removeprefix('latency_')} {part}"
    rows = [evidence.records.get((collection, system, name)) for system in (claim.system, claim.baseline)]
    effect = max((row.value for row in rows if row is not None), default=None)
    floor = "" if effect is None else f" Differences below {effect:.1%} cannot be shown here (null control)."
    found = [(name, evidence.disturbed.get((collection, name), "")) for name in (claim.system, claim.baseline)]
    said = "; ".join(f"{name}: {what}" for name, what in found if what)
    return floor + (f" Its timing was disturbed ({said})." if said else "")


def _of_queries(claim: ClaimSpec, first: NDArray[np.float64], second: NDArray[np.float64]) -> Estimate:
    from harness.stats.bootstrap import paired_difference, paired_ratio

    if claim.relation in RATIOS:
        return _as_relation(claim.relation, paired_ratio(first, second, confidence=claim.confidence))
    return paired_difference(first, second, confidence=claim.confidence)


def _as_relation(relation: Relation, ratio: Estimate) -> Estimate:
    value, low, high = ratio
    return (1 - value, 1 - high, 1 - low) if relation == "reduction_at_least" else (value, low, high)


def _point(relation: Relation, ours: float, theirs: float) -> float:
    if relation in RATIOS:
        return 1 - ours / theirs if relation == "reduction_at_least" else ours / theirs
    return ours - theirs


def _word(relation: Relation, bound: float, low: float, high: float) -> Word:
    if relation == "equivalent_within":
        inside, outside = -bound < low and high < bound, high <= -bound or low >= bound
    elif relation.endswith("at_least"):
        inside, outside = low >= bound, high < bound
    else:
        inside, outside = high <= bound, low > bound
    return "supported" if inside else "contradicted" if outside else "inconclusive"


def _says(claim: ClaimSpec, value: float, interval: tuple[float, float] | None) -> str:
    label = metric(claim.metric).label
    part = claim.metric.partition("/")[2]
    what = f"{label} {part}".strip()
    percent = claim.relation == "reduction_at_least"

    def text(number: float) -> str:
        return f"{number:.1%}" if percent else f"{number:.4g}"

    bounds = "" if interval is None or interval[0] == interval[1] else f" [{text(interval[0])}, {text(interval[1])}]"
    if percent:
        direction = "below" if value >= 0 else "above"
        shown = f"{text(abs(value))} {direction}" if value < 0 else f"{text(value)} {direction}"
        return f"{what} of {claim.system} is {shown} that of {claim.baseline}{bounds}, {text(claim.bound)} was claimed"
    form = "times" if claim.relation in RATIOS else "away from"
    words = {"equivalent_within": "within ±", "ratio_at_most": "at most ", "difference_at_most": "at most "}
    return (
        f"{what} of {claim.system} is {text(value)} {form} that of {claim.baseline}{bounds}, "
        f"{words.get(claim.relation, 'at least ')}{text(claim.bound)} was claimed"
    )
