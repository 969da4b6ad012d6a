"""Judge a claim on a whole suite: one value over all its collections, with an interval over the queries of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.claims.estimates import interval_confidence
from harness.claims.evidence import obstacle, sides_of, unmeasured
from harness.claims.verdict import RATIOS, Estimate, Verdict, Word, as_relation, point, word_of
from harness.claims.words import finding, unsettled
from harness.metrics import over_suite
from harness.runs.metrics import metric_of
from harness.runs.suites import method_of, weights_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.claims.evidence import Evidence, Side
    from harness.records import Record
    from harness.spec.claim import ClaimSpec
    from harness.spec.suite import Suite

Sides: TypeAlias = "Sequence[Side]"
"""The system of a claim on one collection, and its baseline where it has one."""


def judge_suite(claim: ClaimSpec, name: str, evidence: Evidence, baseline: Evidence) -> Verdict:
    """The verdict on a claim over a suite; a suite of which something is missing has no value and is not judged.

    Args:
        claim: From a spec.
        name: Of the suite.
        evidence: Of the run.
        baseline: Of the run that the baseline is taken from.
    """

    def verdict(word: Word, sentence: str, *numbers: float | None) -> Verdict:
        return Verdict(claim.name, name, word, f"On {name}: {sentence}", claim.bound, *numbers)

    suite = evidence.suites.get(name)
    if suite is None:
        return verdict("not measured", "not measured, this run has no such suite.")
    sides = {collection: sides_of(claim, collection, evidence, baseline) for collection in suite.collections}
    if why := next(filter(None, (unmeasured(claim, own) for own in sides.values())), ""):
        return verdict("not measured", f"not measured, {why}.")
    missing = {collection: why for collection, own in sides.items() if (why := obstacle(claim, own))}
    if missing:
        word: Word = "not measured" if claim.baseline is None else "not comparable"
        return verdict(word, f"{word}, the suite is incomplete. {_listed(missing)}.{_partial(claim, suite, sides)}")
    rows = {
        collection: [row for row in (side.record(claim.metric) for side in own) if row]
        for collection, own in sides.items()
    }
    how = over_suite(claim.metric, metric_of(rows[suite.collections[0]][0]))
    if not how:
        return verdict("not measured", f"not measured, {claim.metric} has no value over a suite.")
    weights = weights_of(suite, how, evidence.documents)
    if weights is None:
        return verdict("not comparable", "not comparable, it is not known how many documents each collection has.")
    values = _combined(weights, rows)
    if claim.relation in RATIOS and values[1] <= 0:
        return verdict("not comparable", f"not comparable, {claim.baseline} has {claim.metric} = {values[1]:g}.")
    value = point(claim.relation, *values)
    first = rows[suite.collections[0]][0]
    estimate = _estimate(claim, suite, sides, first, value)
    whole = sides_of(claim, name, evidence, baseline)
    if estimate is None:
        text = finding(claim, whole, first, value)
        one_of_many = sides[suite.collections[0]]
        return verdict("inconclusive", f"{text}. {unsettled(claim, one_of_many)}, so nothing is settled.", value)
    word = word_of(claim.relation, claim.bound, estimate.low, estimate.high)
    text = finding(claim, whole, first, value, estimate.ends, estimate.interval)
    return verdict(word, f"{text} ({method_of(suite, how)}). The claim is {word}.", value, estimate.low, estimate.high)


def _listed(missing: Mapping[str, str]) -> str:
    """What is missing, the collections of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for collection, why in missing.items():
        by_reason.setdefault(why, []).append(collection)
    return "; ".join(f"{', '.join(collections)}: {why}" for why, collections in by_reason.items())


def _partial(claim: ClaimSpec, suite: Suite, sides: Mapping[str, Sides]) -> str:
    """The mean of the tasks that are there, labelled; empty where none is, or where the metric is no mean."""
    there = suite.only([collection for collection, own in sides.items() if not obstacle(claim, own)])
    rows = {
        collection: [row for side in sides[collection] if (row := side.record(claim.metric))]
        for collection in there.collections
    }
    if not rows or over_suite(claim.metric, metric_of(next(iter(rows.values()))[0])) != "mean":
        return ""
    means = _combined(there.weights(), rows)
    names = [side.name for side in next(iter(sides.values()))]
    texts = " and ".join(f"{mean:.4g} ({name})" for mean, name in zip(means, names, strict=True))
    return f" Partial mean of the {len(there.tasks)} of {len(suite.tasks)} tasks that are there: {texts}."


def _combined(weights: Mapping[str, float], rows: Mapping[str, Sequence[Record]]) -> list[float]:
    """The value of the suite, of each side."""
    sides = zip(*(rows[collection] for collection in weights), strict=True)
    return [math.fsum(w * row.value for w, row in zip(weights.values(), side, strict=True)) for side in sides]


def _estimate(claim: ClaimSpec, suite: Suite, sides: Mapping[str, Sides], row: Record, value: float) -> Estimate | None:
    from harness.stats.means import DIFFERENCE, FRACTION
    from harness.stats.strata import suite_mean, suite_ratio

    if metric_of(row).exact:
        return Estimate(value, value, value)
    by_query = [[side.quality(claim.metric) for side in sides[collection]] for collection in suite.collections]
    if not all(values for own in by_query for values in own):
        return None
    queries = [sorted(own[0]) for own in by_query]
    first, *others = (
        [np.asarray([own[place][query] for query in asked]) for own, asked in zip(by_query, queries, strict=True)]
        for place in range(len(by_query[0]))
    )
    weights, confidence = list(suite.weights().values()), interval_confidence(claim)
    fractions = metric_of(row).unit == "fraction"
    if not others:
        numbers = suite_mean(first, weights, confidence=confidence, limits=FRACTION if fractions else None)
    elif claim.relation in RATIOS:
        ratio = suite_ratio(first, others[0], weights, confidence=confidence, fractions=fractions)
        numbers = as_relation(claim.relation, ratio)
    else:
        gaps = [ours - theirs for ours, theirs in zip(first, others[0], strict=True)]
        numbers = suite_mean(gaps, weights, confidence=confidence, limits=DIFFERENCE if fractions else None)
    return Estimate(*numbers, f"{100 * confidence:g}% interval over queries within tasks")
