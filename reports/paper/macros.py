"""Every number of runs as a LaTeX macro."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.claims.judge_run import claims_of, verdicts
from harness.claims.verdict import RATIOS
from harness.claims.words import reduction_digits
from harness.metrics import over_suite
from harness.runs.suites import over, suites_and_others, systems_of
from harness.spec.suite import Suite
from reports.formatting import interval, number, ratio
from reports.latex import Tex, escaped
from reports.paper.names import macro_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.claims import Verdict
    from harness.records import Record
    from harness.runs.read import RunData
    from harness.spec.claim import ClaimSpec
    from reports.paper.names import Key

RULE = (
    "Numbers are rounded as the report page rounds them: shares and ratios to 3 decimals; times, bytes and operations "
    "to 3 digits or 2 decimals of a unit that fits; counts to whole numbers, below 1,000 with one decimal. Ratios of "
    "claims have 3 digits. Reductions are in per cent with 1 decimal, or 3 where these alone tell them from the bound. "
    "A comment gives every number as it was measured."
)


@dataclass(frozen=True)
class Macro:
    """One macro.

    Attributes:
        key: What it is about.
        text: What it prints.
        note: The unrounded number, its unit and where it comes from, in one line.
        repeats: A repetition of the experiment must give the same text; times and facts of the machine may differ.
        name: Without the backslash.
    """

    key: Key
    text: Tex
    note: str
    repeats: bool
    name: str = ""


def macros(runs: Sequence[tuple[str, RunData]]) -> list[Macro]:
    """The macros of runs; those of all runs but the first have the run's name in front.

    Args:
        runs: With a name each.
    """
    rows = [row for place, (name, run) in enumerate(runs) for row in _of_run(run, name if place else "")]
    names = macro_names(dict.fromkeys(row.key for row in rows))
    known: dict[Key, Macro] = {}
    for row in rows:  # a task of two suites is given once
        known.setdefault(row.key, Macro(row.key, row.text, row.note, row.repeats, names[row.key]))
    return list(known.values())


def _of_run(run: RunData, name: str) -> Iterator[Macro]:
    yield from _facts(run, name)
    for verdict in verdicts(run):
        yield from _of_verdict(run, name, verdict)
    for row in [*run.records, *_of_suites(run)]:
        yield from _of_record(run, name, row)


def _facts(run: RunData, name: str) -> Iterator[Macro]:
    facts = run.facts
    provenance = facts["provenance"]
    about = {
        "date": facts["created"][:10], "version": provenance.get("laconic-bench", ""),
        "revision": provenance.get("git revision", "")[:12],
    }  # fmt: skip
    about |= {f"machine {key}": text for key, text in facts["environment"].get("Machine", {}).items()}
    about |= {f"software {key}": text for key, text in facts["environment"].get("Software", {}).items()}
    for key, text in about.items():
        if text:
            yield Macro((name, key), escaped(text), "recorded", repeats=False)
    for key, value in facts.get("measure", {}).items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield Macro((name, "measure", key), escaped(f"{value:,}"), "setting", repeats=True)
    for collection in run.collections():
        counts = facts["collections"].get(collection, {})
        for key, count in {"documents": counts.get("documents"), "queries": counts.get("queries"),
                           "judgements": counts.get("judgements")}.items():  # fmt: skip
            if count is not None:
                yield Macro((name, key, collection), escaped(f"{count:,}"), f"{count} of {collection}", repeats=True)


def _of_suites(run: RunData) -> Iterator[Record]:
    """The values over suites and over the tasks of several parts, of metrics that have such a value."""
    for suite in suites_and_others(run)[0]:
        tasks = [Suite(task, {part: (part,) for part in own}) for task, own in suite.tasks.items() if len(own) > 1]
        for whole in (suite, *tasks):
            for system in systems_of(run, whole):
                for name in dict.fromkeys(row.metric for row in run.records if row.system == system):
                    if over_suite(name, run.metric(name)) and (row := over(run, whole, system, name)) is not None:
                        yield row


def _of_record(run: RunData, name: str, row: Record) -> Iterator[Macro]:
    key = (name, row.metric, row.system, row.collection)
    repeats = not run.metric(row.metric).timed
    yield Macro(key, _text(number(row.value, row.unit)),
                f"{row.value!r} {row.unit}, {row.source}, n = {row.n}, {row.method}", repeats)  # fmt: skip
    if ends := interval(row):
        note = f"{row.ci_low!r} to {row.ci_high!r}, {100 * run.confidence:g}% interval"
        yield Macro((*key, "Interval"), _text(ends), note, repeats)


def _of_verdict(run: RunData, name: str, verdict: Verdict) -> Iterator[Macro]:
    claim = next(claim for claim in claims_of(run) if claim.name == verdict.claim)
    key = (name, "claim", verdict.claim, verdict.collection)
    repeats = not run.metric(claim.metric).timed
    yield Macro((*key, "Verdict"), escaped(verdict.word), verdict.sentence, repeats)
    yield Macro((*key, "Bound"), _bounded(run, claim, verdict.bound), f"{verdict.bound!r}, {claim.relation}", True)
    if verdict.value is None:
        return
    digits = reduction_digits(verdict.value, verdict.bound)
    yield Macro((*key, "Value"), _bounded(run, claim, verdict.value, digits), repr(verdict.value), repeats)
    if None not in (verdict.low, verdict.high) and verdict.low != verdict.high:
        low, high = (_bounded(run, claim, float(end or 0), digits) for end in (verdict.low, verdict.high))
        note = f"{verdict.low!r} to {verdict.high!r}; the comment of the verdict names the confidence"
        yield Macro((*key, "Interval"), Tex(f"[{low}, {high}]"), note, repeats)


def _bounded(run: RunData, claim: ClaimSpec, value: float, digits: int = 1) -> Tex:
    """The quantity that a claim bounds: a reduction in per cent with `digits`, a ratio, or a value with its unit."""
    if claim.relation == "reduction_at_least":
        return Tex(rf"{100 * value:.{digits}f}\,\%".replace("-", "$-$"))
    if claim.relation in RATIOS:
        return Tex(ratio(value))
    sign = "$-$" * (value < 0)
    return Tex(sign + _text(number(abs(value), run.metric(claim.metric).unit)))


def _text(shown: str) -> Tex:
    """A number with its unit, which no line break parts."""
    return Tex(escaped(shown).replace(" ", "~").replace(",~", ", "))
