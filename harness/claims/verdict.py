"""Judge a claim by measured values, with an interval wherever chance plays a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from harness.claims.evidence import Evidence, Side, disturbance, in_one_process, obstacle
from harness.claims.words import RATIOS, finding, floor, hidden, smallest, unsettled
from harness.runs.metrics import metric_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from harness.records import Record
    from harness.spec.claim import ClaimSpec, Relation

Word: TypeAlias = Literal["supported", "contradicted", "inconclusive", "not comparable"]
Floats: TypeAlias = "NDArray[np.float64]"
Numbers: TypeAlias = tuple[float, float, float]
"""(value, low, high)."""


@dataclass(frozen=True)
class Estimate:
    """A reduction, ratio or difference with its interval, and what the reader is told of the interval."""

    value: float
    low: float
    high: float
    interval: str = ""
    """Such as "95% interval"; empty where the value is exact."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim on one collection.

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


def judge(claim: ClaimSpec, evidence: Evidence, baseline: Evidence | None = None) -> list[Verdict]:
    """One verdict a collection that the claim is about.

    Supported: the whole interval satisfies the relation. Contradicted: none of it does. Inconclusive: neither, or a
    value that varies from run to run was measured once or in one process, or the bound lies nearer to the value than
    the null control could have shown. Not comparable: a side failed or lacks the metric, the claim is about another
    codec, data or settings differ or are not known, the times are of two runs, or the timing was disturbed. Sizes
    have no interval; counts that are means over queries (FLOPs, postings) have one.

    Args:
        claim: From a spec.
        evidence: Of the run.
        baseline: Of the run that the baseline is taken from; by default the same.
    """
    collections = [claim.collection] if claim.collection else sorted({cell[0] for cell in evidence.statuses})
    return [
        _judge_on(claim, Side((name, claim.system), evidence), Side((name, claim.baseline), baseline or evidence))
        for name in collections
    ]


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0: all supported; 1: one is contradicted; 2: one is inconclusive or not comparable, or there are none."""
    words = {verdict.word for verdict in verdicts}
    if "contradicted" in words:
        return 1
    return 0 if words == {"supported"} else 2


def _judge_on(claim: ClaimSpec, ours: Side, theirs: Side) -> Verdict:
    on = ours.cell[0]

    def verdict(word: Word, sentence: str, *numbers: float | None) -> Verdict:
        return Verdict(claim.name, on, word, f"On {on}: {sentence}", claim.bound, *numbers)

    why = obstacle(claim, ours, theirs)
    rows = ours.record(claim.metric), theirs.record(claim.metric)
    if why or rows[0] is None or rows[1] is None:
        return verdict("not comparable", f"not comparable, {why}.")
    if claim.relation in RATIOS and rows[1].value <= 0:
        reason = f"{claim.baseline} has {claim.metric} = {rows[1].value:g}, and nothing can be divided by it"
        return verdict("not comparable", f"not comparable, {reason}.")
    estimate = _estimate(claim, ours, theirs, rows[0], rows[1])
    ends = None if estimate is None else (estimate.low, estimate.high)
    value = _point(claim.relation, rows[0].value, rows[1].value) if estimate is None else estimate.value
    if estimate is not None and estimate.interval:
        sentence = finding(claim, ours, theirs, rows[0], value, ends, estimate.interval)
    else:
        sentence = finding(claim, ours, theirs, rows[0], value)
    disturbed = disturbance(claim, ours, theirs)
    if disturbed:
        sentence = f"{sentence}. Not comparable: the timing was disturbed ({disturbed})."
        return verdict("not comparable", sentence, value, *(ends or ()))
    if estimate is None:
        sentence = f"{sentence}. {unsettled(claim, ours, theirs)}, so nothing is settled.{floor(claim)}"
        return verdict("inconclusive", sentence, value)
    effect = smallest(claim, ours, theirs)
    if effect is not None and _margin(claim, value, rows[1].value) < effect:
        return verdict("inconclusive", f"{sentence}. {hidden(effect)}, so nothing is settled.", value, *(ends or ()))
    word = _word(claim.relation, claim.bound, estimate.low, estimate.high)
    return verdict(word, f"{sentence}. The claim is {word}.{floor(claim, effect)}", value, estimate.low, estimate.high)


def _estimate(claim: ClaimSpec, ours: Side, theirs: Side, our_row: Record, their_row: Record) -> Estimate | None:
    base, _, part = claim.metric.partition("/")
    if metric_of(our_row).exact:
        value = _point(claim.relation, our_row.value, their_row.value)
        return Estimate(value, value, value)
    first, second = ours.quality(claim.metric), theirs.quality(claim.metric)
    if first and second:
        return _of_queries(claim, first, second, fractions=metric_of(our_row).unit == "fraction")
    if in_one_process(claim, ours, theirs):
        return None
    our_times, their_times = (side.times(base.removeprefix("latency_")) for side in (ours, theirs))
    if our_times is not None and their_times is not None and claim.relation in RATIOS:
        return _of_times(claim, our_times, their_times, part)
    ends = (our_row.ci_low, our_row.ci_high, their_row.ci_low, their_row.ci_high)
    known = min(side.evidence.confidence for side in (ours, theirs))
    if None in ends or claim.confidence > known:
        return None
    # Both intervals at their worst: wider than needed, never too narrow.
    low, high, their_low, their_high = (float(end or 0) for end in ends)
    interval = f"both {known:.0%} intervals at their worst"
    if claim.relation not in RATIOS:
        return Estimate(our_row.value - their_row.value, low - their_high, high - their_low, interval)
    if their_low <= 0:
        return None
    worst = (our_row.value / their_row.value, low / their_high, high / their_low)
    return Estimate(*_as_relation(claim.relation, worst), interval)


def _of_times(claim: ClaimSpec, ours: Floats, theirs: Floats, part: str) -> Estimate:
    """The ratio of a percentile or mean of latencies, or (no part) of processor times, whose passes' median counts.

    Runs hold processor times as means over the queries, so their interval is over processes.
    """
    from harness.stats.levels import percentile_ratio

    q = None if part == "mean" else float(part.removeprefix("p")) / 100 if part else 0.5
    ratio = percentile_ratio(ours, theirs, q, confidence=claim.confidence)
    return Estimate(*_as_relation(claim.relation, ratio), f"{claim.confidence:.0%} interval")


def _of_queries(
    claim: ClaimSpec, ours: Mapping[str, float], theirs: Mapping[str, float], *, fractions: bool
) -> Estimate:
    from harness.stats.means import DIFFERENCE, difference, ratio

    queries = sorted(ours)
    first, second = (np.asarray([values[query] for query in queries]) for values in (ours, theirs))
    # Two one-sided tests at this confidence decide as the interval at twice the error does (Schuirmann 1987).
    confidence = 2 * claim.confidence - 1 if claim.relation == "equivalent_within" else claim.confidence
    if claim.relation in RATIOS:
        numbers = _as_relation(claim.relation, ratio(first, second, confidence=confidence, fractions=fractions))
    else:
        numbers = difference(first, second, confidence=confidence, limits=DIFFERENCE if fractions else None)
    return Estimate(*numbers, f"{confidence:.0%} interval")


def _margin(claim: ClaimSpec, value: float, theirs: float) -> float:
    """How far the value lies from the nearest bound of the claim, as a share of what is measured; NaN for no share."""
    if claim.relation == "reduction_at_least":
        return abs((1 - value) / (1 - claim.bound) - 1)
    if claim.relation in RATIOS:
        return abs(value / claim.bound - 1)
    bounds = (-claim.bound, claim.bound) if claim.relation == "equivalent_within" else (claim.bound,)
    return min(abs(value - bound) for bound in bounds) / theirs if theirs > 0 else float("nan")


def _as_relation(relation: Relation, ratio: Numbers) -> Numbers:
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
