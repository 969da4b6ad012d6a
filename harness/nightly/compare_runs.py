"""Two finished runs, held against each other where they may be."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.history.entry import machine_of
from harness.nightly.changes import CONFIDENCE, Change, Word, changes
from harness.runs.read import load_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.runs.read import RunData
    from harness.spec.nightly import ThresholdSpec

SHOWN_QUERIES = 5


def compare_runs(
    base: Path,
    head: Path,
    given: Mapping[str, ThresholdSpec] | None = None,
    *,
    force: bool = False,
    confidence: float = CONFIDENCE,
) -> list[Change]:
    """A verdict on every metric of two finished runs.

    Args:
        base: Folder of the earlier run.
        head: Folder of the later run.
        given: Thresholds; by default those in the later run's own spec.
        force: Compare although data or machine differ; every verdict then says so.
        confidence: Of the intervals of what varies.

    Raises:
        UserError: A folder holds no finished run; data or machine differ and `force` is not given.
    """
    old, new = load_run(base), load_run(head)
    different = differences(old, new)
    if different and not force:
        raise UserError(
            f"these runs cannot be compared: {'; '.join(different)}",
            file=head,
            remedy="compare runs of one machine on the same data, or give --force; every verdict then says so",
        )
    limits = thresholds_of(new) if given is None else given
    return changes(old, new, limits, "; ".join(different), confidence)


def differences(base: RunData, head: RunData) -> list[str]:
    """What forbids a comparison: another machine, other data under the same name."""
    reasons = []
    machines = [machine_of(run.facts) for run in (base, head)]
    if machines[0] != machines[1]:
        reasons.append(f"the machines differ ({machines[0]}, {machines[1]})")
    for name, facts in base.facts["collections"].items():
        other = head.facts["collections"].get(name)
        if other is not None and other.get("revision") != facts.get("revision"):
            reasons.append(f"the data of {name} differ")
    if not set(base.facts["collections"]) & set(head.facts["collections"]):
        reasons.append("the runs have no collection in common")
    return reasons


def thresholds_of(run: RunData) -> dict[str, ThresholdSpec]:
    """The thresholds in the spec that a run was made of; none where it cannot be read any more."""
    import tomllib

    from pydantic import ValidationError

    from harness.spec.nightly import NightlySpec

    try:
        table = tomllib.loads(run.facts["spec_text"]).get("nightly", {})
        return dict(NightlySpec.model_validate(table).thresholds)
    except (tomllib.TOMLDecodeError, ValidationError, KeyError):
        return {}


def lines(compared: Sequence[Change], *, all_metrics: bool = False) -> list[str]:
    """The comparison as text: what changed, worst first, with the queries that moved, and a count of each verdict.

    Args:
        compared: The changes.
        all_metrics: Show what did not change, too.
    """
    order: tuple[Word, ...] = ("regressed", "inconclusive", "not comparable", "improved", "within noise", "no change")
    quiet = ("no change", "within noise")
    shown = [change for change in compared if all_metrics or change.word not in quiet or change.queries]
    text = []
    for change in sorted(shown, key=lambda change: order.index(change.word)):
        text.append(change.sentence)
        text += [f"  {query}: {before:.4f} to {after:.4f}" for query, before, after in change.queries[:SHOWN_QUERIES]]
        if len(change.queries) > SHOWN_QUERIES:
            text.append(f"  and {len(change.queries) - SHOWN_QUERIES} more")
    counts = Counter(change.word for change in compared)
    text.append(", ".join(f"{counts[word]} {word}" for word in order if counts[word]) or "nothing to compare")
    return text


def exit_code(compared: Sequence[Change]) -> int:
    """0: nothing regressed; 1: something did; 2: something could not be compared."""
    words = {change.word for change in compared}
    return 1 if "regressed" in words else 2 if words & {"inconclusive", "not comparable"} or not compared else 0
