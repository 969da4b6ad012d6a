"""What tonight's run and the history say: regressions with the revision they came with, and suspicions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.measure.null_control import AGAIN
from harness.metrics import metric as metric_of
from harness.nightly.accepted import reason_for
from harness.nightly.changes import changes
from harness.nightly.thresholds import inside, threshold
from harness.stats.changes import DRIFT_ALARM, DRIFT_ALARM_ONCE, SUSPICION, drift, newest, steps
from reports.formatting import label, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.history.series import Key, Night
    from harness.nightly.accepted import Accepted
    from harness.runs.read import RunData
    from harness.spec.nightly import ThresholdSpec

DRIFT_LEAST = 0.03
"""A slow change is no drift below this."""


@dataclass(frozen=True)
class Finding:
    """Something that got worse and did not get better again.

    Attributes:
        key: (collection, system, metric).
        kind: changed (against the last good run), step or drift (in the history).
        sentence: What can be quoted.
        value: Where the metric stands now.
        first: Revision of the first run after it; `last` that of the run before.
        last: See `first`.
        accepted: Why it was accepted, "" where it was not.
        queries: (query, before, after) that moved, the largest first.
    """

    key: Key
    kind: Literal["changed", "step", "drift"]
    sentence: str
    value: float
    first: str
    last: str
    accepted: str = ""
    queries: tuple[tuple[str, float, float], ...] = ()


def suspects(history: Mapping[Key, Sequence[Night]], given: Mapping[str, ThresholdSpec]) -> set[str]:
    """Systems of which the last night's value, or a run of nights up to it, stands out for the worse, or has drifted.

    Args:
        history: Every series with tonight's value last.
        given: The spec's thresholds.
    """
    systems = set()
    for key, nights in history.items():
        limit = threshold(key[2], given)
        if limit is None or metric_of(key[2]).repeats or key[1].endswith(AGAIN):
            continue
        values, twice = _alike(nights)
        earlier = steps(values[:-1], twice=twice[:-1])
        stretch = values[earlier[-1].first :] if earlier else values
        step = newest(stretch, SUSPICION, 0.0)
        signs = _signs(key, limit)
        stepped = step is not None and any(step.score * sign > 0 for sign in signs)
        if stepped or any(drift(stretch, worse=sign) is not None for sign in signs):
            systems.add(key[1])
    return systems


def worse(metric: str) -> int:
    """1 where more is worse, -1 where less is."""
    return -1 if metric_of(metric).direction == "higher" else 1


def of_history(
    history: Mapping[Key, Sequence[Night]], given: Mapping[str, ThresholdSpec], accepted: Sequence[Accepted]
) -> list[Finding]:
    """Steps and drift for the worse since the last good run, in everything that varies from night to night."""
    findings = []
    for key, nights in history.items():
        limit = threshold(key[2], given)
        if limit is None or metric_of(key[2]).repeats or key[1].endswith(AGAIN) or metric_of(key[2]).unit == "fraction":
            continue
        finding = _step(key, nights, limit, accepted) or _drift(key, nights, limit, accepted)
        if finding is not None:
            findings.append(finding)
    return findings


def against(
    base: RunData, head: RunData, given: Mapping[str, ThresholdSpec], accepted: Sequence[Accepted]
) -> list[Finding]:
    """What is counted or computed, against the last good run: bytes, FLOPs, postings, quality."""
    findings = []
    for change in changes(base, head, given):
        kind = metric_of(change.key[2])
        if change.word != "regressed" or change.head is None or not (kind.repeats or kind.unit == "fraction"):
            continue
        first, last = (str(run.facts["provenance"].get("git revision", "")) for run in (head, base))
        reason = reason_for(change.key, change.head, accepted)
        findings.append(
            Finding(change.key, "changed", change.sentence, change.head, first, last, reason, change.queries)
        )
    return findings


def _alike(nights: Sequence[Night]) -> tuple[np.ndarray, list[bool]]:
    """Values of the nights that are comparable with the last one."""
    same = [night for night in nights if night.label == nights[-1].label]
    return np.asarray([night.value for night in same]), [night.twice for night in same]


def _good(nights: Sequence[Night]) -> int:
    """Place of the last night before this one whose state is good or that nobody judged; -1 where there is none."""
    return max((place for place, night in enumerate(nights[:-1]) if night.state in ("good", "")), default=-1)


def _signs(key: Key, limit: ThresholdSpec) -> tuple[int, ...]:
    """The directions that are regressions: 1 for more, -1 for less; the direction for the worse comes first."""
    sign = worse(key[2])
    return (sign,) if limit.sides == "one" else (sign, -sign)


def _step(key: Key, nights: Sequence[Night], limit: ThresholdSpec, accepted: Sequence[Accepted]) -> Finding | None:
    """The present level against the one before the first step that nobody accepted or mended.

    A step for the better sets the level that later ones are held against, unless both sides are regressions.
    """
    same = [night for night in nights if night.label == nights[-1].label]
    values, twice = _alike(nights)
    open_steps = [step for step in steps(values, twice=twice, least=limit.relative) if step.detected > _good(same)]
    if not open_steps:
        return None
    level, began = open_steps[0].before, None
    for step in open_steps:
        if limit.sides == "one" and (step.after - level) * worse(key[2]) <= 0:
            level, began = step.after, None
        elif inside(level, step.after, limit):
            began = None
        elif began is None:
            began = step
    if began is None:
        return None
    now = open_steps[-1].after
    first, last = same[began.first], same[began.last_before]
    since = f"first with revision {short(first.revision)}, last without {short(last.revision)}"
    if first.revision == last.revision:
        alike = short(first.revision)
        since = f"between nights of one revision ({alike}): the machine changed, or the step is a night off"
    mended = f", after {_number(key, began.after)} in between" if now != began.after else ""
    sentence = (
        f"{_title(key)}: regressed, {_number(key, level)} to {_number(key, now)} ({now / level - 1:+.1%}{mended}) "
        f"since {first.created:%Y-%m-%d}, {since}"
    )
    reason = reason_for(key, now, accepted)
    return Finding(key, "step", sentence, now, first.revision, last.revision, reason)


def _drift(key: Key, nights: Sequence[Night], limit: ThresholdSpec, accepted: Sequence[Accepted]) -> Finding | None:
    same = [night for night in nights if night.label == nights[-1].label]
    values, twice = _alike(nights)
    earlier = steps(values, twice=twice, least=limit.relative)
    # An earlier step was reported, and accepted or mended. A drift begins after it.
    same = same[earlier[-1].first :] if earlier else same
    alarm = DRIFT_ALARM if same[-1].twice else DRIFT_ALARM_ONCE
    drifts = (drift([night.value for night in same], worse=sign, alarm=alarm) for sign in _signs(key, limit))
    slow = next((change for change in drifts if change is not None), None)
    if slow is None or abs(slow.change) < DRIFT_LEAST or inside(slow.best, slow.now, limit):
        return None
    best = same[slow.best_at]
    sentence = (
        f"{_title(key)}: drifted, {_number(key, slow.best)} in the best week (until {best.created:%Y-%m-%d}, revision "
        f"{short(best.revision)}) to {_number(key, slow.now)} ({slow.change:+.1%})"
    )
    reason = reason_for(key, slow.now, accepted)
    return Finding(key, "drift", sentence, slow.now, same[-1].revision, best.revision, reason)


def short(revision: str) -> str:
    """A revision as people quote it."""
    return revision[:10] or "unknown"


def _title(key: Key) -> str:
    return f"{label(key[2])} of {key[1]} on {key[0]}"


def _number(key: Key, value: float) -> str:
    return number(value, metric_of(key[2]).unit)
