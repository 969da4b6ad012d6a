"""What a run did not measure, and why, in a sentence for each part of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.metrics import Group
    from harness.runs.read import RunData

LEFT_OUT: Mapping[Group, tuple[str, str]] = {
    "quality": ("Quality", "Quality was not measured"),
    "memory": ("Memory", "Resident memory and the memory of the service were not measured"),
    "latency": ("Latency", "Times of queries, energy and cost were not measured"),
    "work": ("Work", "What an engine does for a query was not counted"),
}
"""Heading of the part and the beginning of its sentence, by the group that a spec can leave out."""


def left_out(run: RunData) -> dict[str, str]:
    """A sentence by the heading that it stands under; empty where everything was measured."""
    only = run.facts.get("measure", {}).get("only")
    why: dict[Group, str] = dict(run.facts.get("unmeasured", {}))
    if only:
        reason = f"the spec measures only {' and '.join(only)} (measure.only)"
        why |= dict.fromkeys(LEFT_OUT.keys() - only, reason)
    return {heading: f"{what}: {why[group]}." for group, (heading, what) in LEFT_OUT.items() if group in why}
