"""Four answers to each claim: is it true here, under which assumptions, at what cost, and what would change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.claims.judge_run import claims_of, verdicts
from reports.answers.assumptions import assumptions
from reports.answers.changes import would_change
from reports.answers.costs import costs
from reports.answers.scope import Scope
from reports.sections.takeaways import SIGNS, WORST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.claims import Verdict
    from harness.runs.read import RunData
    from harness.spec.claim import ClaimSpec

ANSWERS = {
    "supported": "Yes", "contradicted": "No", "inconclusive": "Not settled", "not comparable": "Not comparable",
    "not measured": "Not measured",
}  # fmt: skip
"""The answer to "is it true here?", by the word of the verdict."""
TRUE, ASSUMED, COST, CHANGE = (
    "Is it true here?",
    "Under which assumptions?",
    "What does it cost?",
    "What would change the answer?",
)


@dataclass(frozen=True)
class ClaimAnswers:
    """One claim and its answers.

    Attributes:
        claim: In words.
        word: Of the verdict that decides: the worst one.
        title: A sign and that word, as people read it.
        share: On how many of several collections the word is the same; "" of one.
        run: Name of the run, where several are shown.
        answers: Question and answer; the first is the verdict's sentence.
        others: The sentences of the other collections, worst first.
    """

    claim: str
    word: str
    title: str
    share: str
    run: str
    answers: Sequence[tuple[str, str]]
    others: Sequence[str]


def answers(run: RunData, name: str = "") -> list[ClaimAnswers]:
    """The claims of a run in the spec's order.

    Args:
        run: A finished run.
        name: Of the run, where several are shown.
    """
    by_claim: dict[str, list[Verdict]] = {}
    for verdict in verdicts(run):
        by_claim.setdefault(verdict.claim, []).append(verdict)
    specs = {claim.name: claim for claim in claims_of(run)}
    return [_of(run, specs[claim], own, name) for claim, own in by_claim.items()]


def _of(run: RunData, claim: ClaimSpec, own: Sequence[Verdict], name: str) -> ClaimAnswers:
    first, *others = sorted(own, key=lambda verdict: WORST.index(verdict.word))
    alike = sum(verdict.word == first.word for verdict in own)
    scope = Scope(run, claim, first)
    pairs = (
        (TRUE, _plain(first)),
        (ASSUMED, assumptions(scope)),
        (COST, costs(scope)),
        (CHANGE, would_change(scope, own)),
    )
    return ClaimAnswers(
        claim=claim.name,
        word=first.word,
        title=f"{SIGNS[first.word]} {first.word.capitalize()}",
        share="" if len(own) == 1 else f" on {alike} of {len(own)} collections",
        run=name,
        answers=pairs,
        others=[verdict.sentence for verdict in others],
    )


def _plain(verdict: Verdict) -> str:
    """The verdict's sentence behind "Yes" or "No", which say what its end repeats."""
    text = verdict.sentence.replace(f" The claim is {verdict.word}.", "")
    return f"{ANSWERS[verdict.word]}. {text}"
