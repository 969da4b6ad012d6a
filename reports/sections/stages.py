"""What was done for a run: its stages by kind, and of many stages those that went wrong or took longest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports.formatting import number

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]
LISTED = 60
"""So many stages stand one by one; of more, so many are chosen (all are in run.json)."""


def section(stages: Sequence[Row]) -> dict[str, Any]:
    """Headline, a row a kind, and the stages that are listed one by one with what they are."""
    bad = [stage for stage in stages if stage["status"] != "ok"]
    chosen = list(stages)
    if len(stages) > LISTED:
        longest = sorted((stage for stage in stages if stage["status"] == "ok"), key=lambda one: -one["seconds"])
        chosen = [*bad[:LISTED], *longest[: max(LISTED - len(bad), 0)]]
    return {
        "headline": f"{len(stages):,} stages" + (f", {len(bad)} of them not ok" if bad else ""),
        "kinds": by_kind(stages) if len(stages) > len(chosen) else [],
        "listed": chosen,
        "left_out": len(stages) - len(chosen),
    }


def by_kind(stages: Sequence[Row]) -> list[tuple[str, ...]]:
    """(kind, stages, stored before, not ok, seconds in all, of the longest, highest peak) in the order of the run."""
    kinds: dict[str, list[Row]] = {}
    for stage in stages:
        kinds.setdefault(str(stage["kind"]), []).append(stage)
    return [
        (
            kind, f"{len(own):,}", f"{sum(bool(one['reused']) for one in own):,}",
            f"{sum(one['status'] != 'ok' for one in own):,}", f"{sum(one['seconds'] for one in own):,.1f}",
            f"{max(one['seconds'] for one in own):,.1f}", number(peak, "bytes") if peak else "–",
        )
        for kind, own in kinds.items()
        for peak in (max(one.get("peak_bytes") or 0 for one in own),)
    ]  # fmt: skip
