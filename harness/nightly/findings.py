"""What tonight's run and the history say: regressions with the revision they came with, and suspicions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.measure.null_control import AGAIN
from harness.metrics import metric as metric_of
from harness.nightly.accepted import reason_for
from harness.nightly.changes import changes
from harness.nightly.thresholds import threshold
from harness.stats.changes import SUSPICION, drift, newest, steps
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
    """Systems of which the last night's value, or a run of nights up to it, stands out for the worse.

    Args:
        history: Every series with tonight's value last.
        given: The spec's thresholds.
    """
    systems = set()
    for key, nights in history.items():
        if threshold(key[2], given) is None or metric_of(key[2]).exact or key[1].endswith(AGAIN):
            continue
        values, twice = _alike(nights)
        earlier = steps(values[:-1], twice=twice[:-1])
        stretch = values[earlier[-1].first :] if earlier else values
        step = newest(stretch, SUSPICION, 0.0)
        if step is not None and step.score * worse(key[2]) > 0:
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
        if limit is None or metric_of(key[2]).exact or key[1].endswith(AGAIN) or metric_of(key[2]).unit == "fraction":
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
        if change.word != "regressed" or change.head is None or not (kind.exact or kind.unit == "fraction"):
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


def _step(key: Key, nights: Sequence[Night], limit: ThresholdSpec, accepted: Sequence[Accepted]) -> Finding | None:
    same = [night for night in nights if night.label == nights[-1].label]
    values, twice = _alike(nights)
    new = [step for step in steps(values, twice=twice, least=limit.relative) if step.detected > _good(same)]
    if not new or new[-1].score * worse(key[2]) < 0:
        return None
    step = new[-1]
    first, last = same[step.first], same[step.last_before]
    began = f"first with revision {short(first.revision)}, last without {short(last.revision)}"
    if first.revision == last.revision:
        alike = short(first.revision)
        began = f"between nights of one revision ({alike}): the machine changed, or the step is a night off"
    sentence = (
        f"{_title(key)}: regressed, {_number(key, step.before)} to {_number(key, step.after)} ({step.change:+.1%}) "
        f"since {first.created:%Y-%m-%d}, {began}"
    )
    reason = reason_for(key, step.after, accepted)
    return Finding(key, "step", sentence, step.after, first.revision, last.revision, reason)


def _drift(key: Key, nights: Sequence[Night], limit: ThresholdSpec, accepted: Sequence[Accepted]) -> Finding | None:
    same = [night for night in nights if night.label == nights[-1].label]
    values, twice = _alike(nights)
    earlier = steps(values, twice=twice, least=limit.relative)
    # An earlier step was reported, and accepted or mended. A drift begins after it.
    same = same[earlier[-1].first :] if earlier else same
    slow = drift([night.value for night in same], worse=worse(key[2]))
    if slow is None or abs(slow.change) < max(limit.relative, DRIFT_LEAST):
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
