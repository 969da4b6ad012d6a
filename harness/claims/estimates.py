"""What a claim's relation bounds on one collection, with the interval that belongs to the metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.claims.evidence import in_one_process
from harness.claims.verdict import RATIOS, Estimate, as_relation, point
from harness.runs.metrics import metric_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from harness.claims.evidence import Side
    from harness.records import Record
    from harness.spec.claim import ClaimSpec

Floats: TypeAlias = "NDArray[np.float64]"


def estimate_of(claim: ClaimSpec, sides: Sequence[Side], rows: Sequence[Record]) -> Estimate | None:
    """The value, reduction, ratio or difference; None where a value that varies has no interval.

    Args:
        claim: From a spec.
        sides: Of its system, and of its baseline where it has one.
        rows: Their values of its metric.
    """
    if metric_of(rows[0]).exact:
        value = point(claim.relation, *(row.value for row in rows))
        return Estimate(value, value, value)
    by_query = [side.quality(claim.metric) for side in sides]
    if all(by_query):
        return _of_queries(claim, by_query, fractions=metric_of(rows[0]).unit == "fraction")
    if in_one_process(claim, sides):
        return None
    if len(sides) == 1:
        return _of_records(claim, sides, rows)
    base, _, part = claim.metric.partition("/")
    our_times, their_times = (side.times(base.removeprefix("latency_")) for side in sides)
    if our_times is not None and their_times is not None and claim.relation in RATIOS:
        return _of_times(claim, our_times, their_times, part)
    return _of_records(claim, sides, rows)


def _of_records(claim: ClaimSpec, sides: Sequence[Side], rows: Sequence[Record]) -> Estimate | None:
    """From the intervals of the records; those of two systems count at their worst: too wide, never too narrow."""
    known = min(side.evidence.confidence for side in sides)
    ends = [(row.ci_low, row.ci_high) for row in rows]
    if any(None in pair for pair in ends) or claim.confidence > known:
        return None
    low, high = (float(end or 0) for end in ends[0])
    if len(rows) == 1:
        return Estimate(rows[0].value, low, high, f"{100 * known:g}% interval")
    their_low, their_high = (float(end or 0) for end in ends[1])
    interval = f"both {100 * known:g}% intervals at their worst"
    if claim.relation not in RATIOS:
        return Estimate(rows[0].value - rows[1].value, low - their_high, high - their_low, interval)
    if their_low <= 0:
        return None
    worst = (rows[0].value / rows[1].value, low / their_high, high / their_low)
    return Estimate(*as_relation(claim.relation, worst), interval)


def _of_times(claim: ClaimSpec, ours: Floats, theirs: Floats, part: str) -> Estimate:
    """The ratio of a percentile or mean of latencies, or (no part) of processor times, whose passes' median counts.

    Runs hold processor times as means over the queries, so their interval is over processes.
    """
    from harness.stats.levels import percentile_ratio

    q = None if part == "mean" else float(part.removeprefix("p")) / 100 if part else 0.5
    ratio = percentile_ratio(ours, theirs, q, confidence=claim.confidence)
    return Estimate(*as_relation(claim.relation, ratio), f"{100 * claim.confidence:g}% interval")


def _of_queries(claim: ClaimSpec, by_query: Sequence[Mapping[str, float]], *, fractions: bool) -> Estimate:
    from harness.stats.means import DIFFERENCE, FRACTION, difference, mean_interval, ratio

    queries = sorted(by_query[0])
    first, *others = (np.asarray([values[query] for query in queries]) for values in by_query)
    confidence = interval_confidence(claim)
    if not others:
        low, high = mean_interval(first, confidence=confidence, limits=FRACTION if fractions else None)
        numbers = float(first.mean()), low, high
    elif claim.relation in RATIOS:
        numbers = as_relation(claim.relation, ratio(first, others[0], confidence=confidence, fractions=fractions))
    else:
        numbers = difference(first, others[0], confidence=confidence, limits=DIFFERENCE if fractions else None)
    return Estimate(*numbers, f"{100 * confidence:g}% interval")


def interval_confidence(claim: ClaimSpec) -> float:
    """Of the interval that decides a claim.

    Two one-sided tests at the claim's confidence decide as the interval at twice the error does (Schuirmann 1987).
    """
    return 2 * claim.confidence - 1 if claim.relation == "equivalent_within" else claim.confidence
