"""What would change a verdict: another bound, other codecs, more terms, other collections, more queries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.claims.memory import DENSE
from reports.formatting import number, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.claims import Verdict
    from reports.answers.scope import Scope

SIZES = ("index_bytes_per_document", "index_bytes")
"""Metrics of memory that arithmetic can predict for another codec."""
NAMED = 2
"""Codecs that a sentence names."""
MOST = 100_000
"""Queries that somebody could collect; an estimate beyond them is given as "more than"."""


def would_change(scope: Scope, verdicts: Sequence[Verdict]) -> str:
    """One or more sentences; `verdicts` are all of this claim."""
    verdict = scope.verdict
    if verdict.value is None or verdict.word in ("not comparable", "not measured"):
        needs = "a run that measures it" if verdict.word == "not measured" else "a run that measures both sides alike"
        parts = [f"{needs[0].upper()}{needs[1:]}."]
    elif verdict.word == "inconclusive":
        parts = [_settled_by(scope)]
    else:
        parts = [_of_memory(scope) or _other_bound(scope)]
    return " ".join(filter(None, (*parts, _elsewhere(verdict, verdicts))))


def _other_bound(scope: Scope) -> str:
    """The bound up to which the word stays the same."""
    verdict, relation = scope.verdict, scope.claim.relation
    if verdict.low is None or verdict.high is None:
        return ""
    supported, at_least = verdict.word == "supported", relation.endswith("at_least")
    if relation == "equivalent_within":
        ends = abs(verdict.low), abs(verdict.high)
        if supported:
            return f"A margin down to {_bound(scope, max(ends))} is supported as well."
        return f"Every margin below {_bound(scope, min(ends))} is contradicted."
    limit = _bound(scope, verdict.low if at_least is supported else verdict.high)
    if supported:
        return f"A bound {'up' if at_least else 'down'} to {limit} is supported as well."
    return f"Every bound {'above' if at_least else 'below'} {limit} is contradicted."


def _bound(scope: Scope, value: float) -> str:
    relation = scope.claim.relation
    if relation == "reduction_at_least":
        return f"{value:.1%} less" if value >= 0 else f"{-value:.1%} more"
    if relation.startswith("ratio"):
        return f"{ratio(value)} times"
    row = scope.record(scope.claim.system, scope.claim.metric)
    unit = row.unit if row is not None else "count"
    sign = "-" if value < 0 else "+" if relation.startswith("difference") else ""
    return f"{sign}{number(abs(value), unit)}"


def _of_memory(scope: Scope) -> str:
    """Other codecs of the baseline by arithmetic, and the number of terms at which the word changes; "" elsewhere."""
    claim = scope.claim
    if claim.metric not in SIZES or claim.baseline is None or scope.suite is not None:
        return ""
    if claim.relation not in ("reduction_at_least", "ratio_at_most"):
        return ""
    ours, theirs = (scope.record(system, claim.metric) for system in (claim.system, claim.baseline))
    if ours is None or theirs is None or ours.value <= 0:
        return ""
    ratio = 1 - claim.bound if claim.relation == "reduction_at_least" else claim.bound
    verb = "would refute it" if scope.verdict.word == "supported" else "would support it"
    codecs = _other_codecs(scope, ours.value, theirs.value, ratio)
    terms = scope.record(claim.system, "active_terms_document")
    count = ""
    if terms is not None:
        most = terms.value * ratio * theirs.value / ours.value
        amount = "more than" if scope.verdict.word == "supported" else "at most"
        count = f"{amount} about {most:.0f} terms a document instead of {terms.value:.0f}"
    if not codecs:
        return f"{count[0].upper()}{count[1:]} {verb} (estimated in proportion)." if count else ""
    text = f"{claim.baseline} stored as {codecs} {verb} (analytic)"
    return f"{text}; {count} {verb} as well (estimated in proportion)." if count else f"{text}."


def _other_codecs(scope: Scope, ours: float, theirs: float, ratio: float) -> str:
    """The codecs of the baseline's vectors with which the word would be another one; "" where there are none."""
    dimensions = scope.record(str(scope.claim.baseline), "dimensions")
    documents = scope.run.facts["collections"].get(scope.where, {}).get("documents", 0)
    if dimensions is None or not documents:
        return ""
    per = documents if scope.claim.metric == "index_bytes_per_document" else 1
    sizes = {codec.label: codec.size(documents, int(dimensions.value)) / per for codec in DENSE.values()}
    now = ours <= ratio * theirs
    other = [
        f"{codec} ({_less(1 - ours / size)})" for codec, size in sizes.items() if (ours <= ratio * size) is not now
    ]
    more = f", or in {len(other) - NAMED} other ways," if len(other) > NAMED else ""
    return f"{' or '.join(other[:NAMED])}{more}" if other else ""


def _less(reduction: float) -> str:
    return f"{reduction:.0%} less" if reduction >= 0 else f"{-reduction:.0%} more"


def _settled_by(scope: Scope) -> str:
    """What an inconclusive verdict lacks."""
    verdict, family = scope.verdict, scope.family
    if verdict.low is None or verdict.high is None or verdict.value is None:
        return "Several processes, or a metric with an interval, would settle it."
    if family == "time":
        return "More processes on a quieter machine would settle it: the bound lies within the interval."
    row = scope.record(scope.claim.system, scope.claim.metric)
    queries = row.n if row is not None else 0
    bounds = [scope.claim.bound]
    if scope.claim.relation == "equivalent_within":
        bounds.append(-scope.claim.bound)
    bound = min(bounds, key=lambda end: abs(verdict.value - end) if verdict.value is not None else 0.0)
    margin = abs(verdict.value - bound)
    half = max(verdict.value - verdict.low, verdict.high - verdict.value)
    if not queries or not margin or not math.isfinite(half):
        return "Many more queries would settle it: the value lies on the bound."
    needed = queries * (half / margin) ** 2
    count = f"about {needed:,.0f}" if needed <= MOST else f"more than {MOST:,}"
    return f"With {count} queries instead of {queries:,} it would be settled, if the value stays (estimated)."


def _elsewhere(verdict: Verdict, verdicts: Sequence[Verdict]) -> str:
    """The collections on which the word is another one."""
    by_word: dict[str, list[str]] = {}
    for other in verdicts:
        if other.word != verdict.word:
            by_word.setdefault(other.word, []).append(other.collection)
    if not by_word:
        return ""
    texts = (f"{word} on {', '.join(names[:4])}{' and others' * (len(names) > 4)}" for word, names in by_word.items())
    return f"The verdict differs on other collections: {'; '.join(texts)}."
