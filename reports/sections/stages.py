"""The stages of a run by kind, and one by one those that failed or took longest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.formatting import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runs.facts import StageFacts

LISTED = 60
"""Stages that the page lists; where a run has more, it chooses some, and all are in run.json."""


@dataclass(frozen=True)
class Stages:
    """What the page shows: a headline, the rows of `by_kind`, the stages it lists, and how many it leaves out.

    `kinds` is empty where every stage is listed.
    """

    headline: str
    kinds: Sequence[tuple[str, ...]]
    listed: Sequence[StageFacts]
    left_out: int


def section(stages: Sequence[StageFacts]) -> Stages:
    """The stages of a run; of more than `LISTED`, those that are not ok and then the longest."""
    bad = [stage for stage in stages if stage["status"] != "ok"]
    chosen = list(stages)
    if len(stages) > LISTED:
        longest = sorted((stage for stage in stages if stage["status"] == "ok"), key=lambda stage: -stage["seconds"])
        chosen = [*bad[:LISTED], *longest[: max(LISTED - len(bad), 0)]]
    return Stages(
        headline=f"{len(stages):,} stages" + (f", {len(bad)} of them not ok" if bad else ""),
        kinds=by_kind(stages) if len(stages) > len(chosen) else [],
        listed=chosen,
        left_out=len(stages) - len(chosen),
    )


def by_kind(stages: Sequence[StageFacts]) -> list[tuple[str, ...]]:
    """(kind, stages, stored before, not ok, seconds in all, of the longest, highest peak) in the order of the run."""
    kinds: dict[str, list[StageFacts]] = {}
    for stage in stages:
        kinds.setdefault(str(stage["kind"]), []).append(stage)
    return [
        (
            kind, f"{len(own):,}", f"{sum(bool(stage['reused']) for stage in own):,}",
            f"{sum(stage['status'] != 'ok' for stage in own):,}", f"{sum(stage['seconds'] for stage in own):,.1f}",
            f"{max(stage['seconds'] for stage in own):,.1f}", number(peak, "bytes") if peak else "–",
        )
        for kind, own in kinds.items()
        for peak in (max(stage.get("peak_bytes") or 0 for stage in own),)
    ]  # fmt: skip
