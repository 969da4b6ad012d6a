"""What became of each metric between two runs: a verdict, the change with its interval, the queries that moved."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from harness.metrics import metric
from harness.nightly.thresholds import inside, threshold
from harness.runs.metrics import metric_of
from reports.formatting import label, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from harness.metrics import Direction
    from harness.records import Record
    from harness.runs.read import RunData
    from harness.spec.nightly import ThresholdSpec

Word: TypeAlias = Literal["improved", "regressed", "no change", "within noise", "inconclusive", "not comparable"]
Key: TypeAlias = tuple[str, str, str]
"""(collection, system, metric)."""
CONFIDENCE = 0.99
"""Of an interval that decides a verdict: there are dozens of them on a page."""
PROCESSES = 2
"""Processes of each run that a verdict on times needs: what differs between two cannot be seen in one."""
ROUNDING = 1e-9
"""A query whose value differs by more than this has moved."""


@dataclass(frozen=True)
class Change:
    """One metric of one system, before and after.

    `low` and `high` bound head / base where there is chance in it; `queries` are (query, before, after), the largest
    move first; `note` says why there is no better verdict, and under which reservation there is one.
    """

    key: Key
    word: Word
    base: float | None
    head: float | None
    low: float | None = None
    high: float | None = None
    queries: tuple[tuple[str, float, float], ...] = ()
    note: str = ""
    unit: str = ""

    @property
    def relative(self) -> float | None:
        """Head / base - 1; None where there is nothing to divide."""
        if self.base is None or self.head is None:
            return None
        return self.head / self.base - 1 if self.base else 0.0 if self.head == self.base else math.inf

    @property
    def title(self) -> str:
        """The metric of the system, as people read it."""
        return f"{label(self.key[2])} of {self.key[1]} on {self.key[0]}"

    @property
    def sentence(self) -> str:
        """What can be quoted."""
        text = f"{self.title}: {self.word}"
        if self.base is not None and self.head is not None:
            text += f", {number(self.base, self.unit)} to {number(self.head, self.unit)}"
            if self.relative is not None and math.isfinite(self.relative):
                text += f" ({self.relative:+.2%}"
                text += f" [{self.low - 1:+.1%}, {self.high - 1:+.1%}])" if self.low and self.high else ")"
        if self.queries:
            text += f", {len(self.queries)} queries moved"
        return text + (f"; {self.note}" if self.note else "")


def changes(
    base: RunData,
    head: RunData,
    given: Mapping[str, ThresholdSpec],
    note: str = "",
    confidence: float = CONFIDENCE,
) -> list[Change]:
    """A verdict on every metric that either run has, but those without a threshold.

    Args:
        base: The earlier run.
        head: The later one.
        given: The spec's thresholds.
        note: A reservation that every verdict is under (the machines differ, say).
        confidence: Of the intervals of what varies.
    """
    before, after = base.cells(), head.cells()
    verdicts = []
    for key in [*before, *(key for key in after if key not in before)]:
        limit = threshold(key[2], given)
        if limit is not None:
            change = judge(key, before.get(key), after.get(key), limit, base, head, confidence)
            verdicts.append(replace(change, note="; ".join(part for part in (change.note, note) if part)))
    return verdicts


def judge(
    key: Key,
    old: Record | None,
    new: Record | None,
    limit: ThresholdSpec,
    base: RunData,
    head: RunData,
    confidence: float = CONFIDENCE,
) -> Change:
    """The verdict on one metric."""
    if old is None or new is None:
        side = "base" if old is None else "head"
        reason = _why_missing(key, base if old is None else head)
        return Change(
            key, "not comparable", old.value if old else None, new.value if new else None, note=f"not in {side}{reason}"
        )
    kind = metric_of(new)
    plain = Change(key, "no change", old.value, new.value, unit=kind.unit)
    if kind.direction == "neither":
        if old.value == new.value:
            return plain
        return replace(plain, word="not comparable", note="it changed, and neither direction is better")
    if kind.repeats:
        return replace(plain, word=word(old.value, new.value, limit, kind.direction))
    pair = base.quality.get(key), head.quality.get(key)
    if pair[0] and pair[1]:
        return _of_queries(plain, pair[0], pair[1], limit, kind.direction)
    return _of_times(plain, limit, base, head, kind.direction, confidence)


def of_processor(
    key: Key, base: NDArray[np.float64], head: NDArray[np.float64], limit: ThresholdSpec, confidence: float
) -> Change:
    """The verdict on processor time that was taken in turns: seconds, pairs x passes x queries."""
    from harness.stats.turns import coverage, ratio_in_turns

    before = float(np.median(base, axis=(0, 1)).mean())
    value, low, high = ratio_in_turns(head, base, confidence=confidence)
    kind = metric(key[2])
    change = Change(key, "no change", before, before * value, low, high, unit=kind.unit)
    if coverage(len(base)) < confidence:
        reached, wanted = (f"{100 * share:.4g}%" for share in (coverage(len(base)), confidence))
        note = f"{len(base)} pairs of processes make an interval of {reached}, not {wanted}"
        return replace(change, word="inconclusive", note=note)
    if low <= 1 <= high:
        return change
    return replace(change, word=word(before, before * value, limit, kind.direction))


def word(old: float, new: float, limit: ThresholdSpec, direction: Direction) -> Word:
    """The verdict on two values without noise."""
    if old == new:
        return "no change"
    if inside(old, new, limit):
        return "within noise"
    better = (new > old) == (direction == "higher")
    return "improved" if better and limit.sides == "one" else "regressed"


def _of_queries(
    plain: Change, old: Mapping[str, float], new: Mapping[str, float], limit: ThresholdSpec, direction: Direction
) -> Change:
    """Quality: the same queries, one by one."""
    if old.keys() != new.keys():
        return replace(plain, word="not comparable", note="the runs asked different queries")
    moved = [(query, old[query], new[query]) for query in old if abs(new[query] - old[query]) > ROUNDING]
    moved.sort(key=lambda move: (-abs(move[2] - move[1]), move[0]))
    before, after = (float(np.mean([values[query] for query in old])) for values in (old, new))
    verdict = word(before, after, limit, direction) if moved else "no change"
    note = "the mean is the same, single queries moved" if moved and verdict in ("no change", "within noise") else ""
    return replace(plain, word=verdict, base=before, head=after, queries=tuple(moved), note=note)


def _of_times(
    plain: Change, limit: ThresholdSpec, base: RunData, head: RunData, direction: Direction, confidence: float
) -> Change:
    """What varies from run to run: the interval of the ratio decides, where there are samples."""
    from harness.stats.levels import percentile_ratio

    collection, system, name = plain.key
    name, _, part = name.partition("/")
    side = name.removeprefix("latency_").removesuffix("_least")
    old, new = (run.latency.get((collection, system), {}).get(side) for run in (base, head))
    assert plain.base is not None  # noqa: S101 - `judge` has both values
    assert plain.head is not None  # noqa: S101
    if old is None or new is None or side == name:
        if inside(plain.base, plain.head, limit):
            return replace(plain, word="within noise", note="measured once in each run")
        return replace(plain, word=word(plain.base, plain.head, limit, direction), note="measured once in each run")
    if min(len(old), len(new)) < PROCESSES:
        note = "timed in one process, and processes differ (raise measure.processes)"
        return replace(plain, word="inconclusive", note=note)
    if old.shape[1] != new.shape[1]:
        return replace(plain, word="not comparable", note="the runs timed different numbers of queries")
    if name.endswith("_least"):
        old, new, part = old.min(axis=2), new.min(axis=2), "mean"
    q = None if part == "mean" else float(part.removeprefix("p")) / 100
    value, low, high = percentile_ratio(new, old, q, confidence=confidence)
    rows = old.reshape(len(old), -1)
    before = float((rows.mean(axis=1) if q is None else np.quantile(rows, q, axis=1)).mean())
    change = replace(plain, base=before, head=before * value, low=low, high=high)
    if low <= 1 <= high:
        return change
    return replace(change, word=word(before, before * value, limit, direction))


def _why_missing(key: Key, run: RunData) -> str:
    for system in run.systems:
        if (system["collection"], system["name"]) == key[:2]:
            return f" ({system['status']}: {system['reason']})" if system["status"] != "ok" else ""
    return " (no such system)"
