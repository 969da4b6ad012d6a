"""The null control in words: how far a system's times differ from its own, and what that means for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.formatting import interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Record


def sentences(records: Sequence[Record], collection: str) -> list[str]:
    """One sentence for each system that was timed twice, and one on the smallest effect; or that there is none."""
    rows = {(r.system, r.metric): r for r in records if r.collection == collection and r.metric.startswith("null_")}
    if not rows:
        return [
            "No null control: how small a difference this machine can show is not known. "
            "laconic-bench run --null times every system against itself (in two processes or more)."
        ]
    lines = []
    for (system, name), row in rows.items():
        if row.ci_low is None or row.ci_high is None:
            continue
        word = "no difference" if row.ci_low <= 1 <= row.ci_high else "a difference where there is none"
        part = name.partition("/")[2]
        lines.append(f"{system} against itself, {part}: {row.value:.3f} times {interval(row)}: {word}.")
    effects = smallest(records, collection)
    listed = ", ".join(f"{part} {value:.1%}" for part, value in effects.items())
    return [*lines, f"This run cannot distinguish smaller differences than these from none: {listed}."]


def smallest(records: Sequence[Record], collection: str) -> dict[str, float]:
    """The largest smallest effect of all systems, by side and percentile."""
    effects: dict[str, float] = {}
    for row in records:
        base, _, part = row.metric.partition("/")
        if row.collection == collection and base == "smallest_effect":
            effects[part] = max(effects.get(part, 0.0), row.value)
    return effects
