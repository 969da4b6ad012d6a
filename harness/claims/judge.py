"""Judge a claim by measured values, with an interval wherever chance plays a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.claims.estimates import estimate_of
from harness.claims.evidence import disturbance, obstacle, sides_of, unmeasured
from harness.claims.suite import judge_suite
from harness.claims.verdict import RATIOS, Verdict, Word, point, word_of
from harness.claims.words import finding, floor, hidden, smallest, unsettled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.claims.evidence import Evidence, Side
    from harness.spec.claim import ClaimSpec


def judge(claim: ClaimSpec, evidence: Evidence, baseline: Evidence | None = None) -> list[Verdict]:
    """One verdict a collection that the claim is about, or one verdict on its suite.

    Supported: the whole interval satisfies the relation. Contradicted: none of it does. Inconclusive: neither, or a
    value that varies from run to run was measured once or in one process, or the bound lies nearer to the value than
    the null control could have shown. Not comparable: a side failed or lacks the metric, the claim is about another
    codec, data or settings differ or are not known, the times are of two runs, a value is an estimate, or the timing
    was disturbed. Not measured: the run left out what the metric belongs to, or the only system of the claim has no
    value. Sizes have no interval; counts that are means over queries (FLOPs, postings) have one.

    Args:
        claim: From a spec.
        evidence: Of the run.
        baseline: Of the run that the baseline is taken from; by default the same.
    """
    if claim.suite is not None:
        return [judge_suite(claim, claim.suite, evidence, baseline or evidence)]
    collections = [claim.collection] if claim.collection else sorted({cell[0] for cell in evidence.statuses})
    return [_judge_on(claim, sides_of(claim, name, evidence, baseline or evidence)) for name in collections]


def _judge_on(claim: ClaimSpec, sides: Sequence[Side]) -> Verdict:
    on = sides[0].cell[0]

    def verdict(word: Word, sentence: str, *numbers: float | None) -> Verdict:
        return Verdict(claim.name, on, word, f"On {on}: {sentence}", claim.bound, *numbers)

    rows = [row for row in (side.record(claim.metric) for side in sides) if row is not None]
    if why := unmeasured(claim, sides):
        return verdict("not measured", f"not measured, {why}.")
    if why := obstacle(claim, sides):
        word: Word = "not measured" if len(sides) == 1 else "not comparable"
        return verdict(word, f"{word}, {why}.")
    if claim.relation in RATIOS and rows[1].value <= 0:
        reason = f"{claim.baseline} has {claim.metric} = {rows[1].value:g}, and nothing can be divided by it"
        return verdict("not comparable", f"not comparable, {reason}.")
    estimate = estimate_of(claim, sides, rows)
    value = point(claim.relation, *(row.value for row in rows)) if estimate is None else estimate.value
    ends = None if estimate is None else (estimate.low, estimate.high)
    interval = () if estimate is None else (estimate.ends, estimate.interval)
    sentence = finding(claim, sides, rows[0], value, *interval)
    if disturbed := disturbance(claim, sides):
        sentence = f"{sentence}. Not comparable: the timing was disturbed ({disturbed})."
        return verdict("not comparable", sentence, value, *(ends or ()))
    if estimate is None:
        sentence = f"{sentence}. {unsettled(claim, sides)}, so nothing is settled.{floor(claim)}"
        return verdict("inconclusive", sentence, value)
    effect = smallest(claim, sides)
    if effect is not None and _margin(claim, value, rows[-1].value) < effect:
        return verdict("inconclusive", f"{sentence}. {hidden(effect)}, so nothing is settled.", value, *(ends or ()))
    word = word_of(claim.relation, claim.bound, estimate.low, estimate.high)
    return verdict(word, f"{sentence}. The claim is {word}.{floor(claim, effect)}", value, estimate.low, estimate.high)


def _margin(claim: ClaimSpec, value: float, theirs: float) -> float:
    """How far the value lies from the nearest bound of the claim, as a share of what is measured; NaN for no share."""
    if claim.relation == "reduction_at_least":
        return abs((1 - value) / (1 - claim.bound) - 1)
    if claim.baseline is None or claim.relation in RATIOS:
        return abs(value / claim.bound - 1) if claim.bound else float("nan")
    bounds = (-claim.bound, claim.bound) if claim.relation == "equivalent_within" else (claim.bound,)
    return min(abs(value - bound) for bound in bounds) / theirs if theirs > 0 else float("nan")
