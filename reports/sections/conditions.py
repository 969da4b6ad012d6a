"""The conditions of the timed processes, a line a system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.runs.disturbed import by_system

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runs.facts import ConditionRow, TimedRow

COLUMNS = (
    "Processes", "Disturbed", "Processors", "Threads at work / asked", "Waited for a processor",
    "Other processes' share", "Stolen by the host", "Put aside", "Pages read from disk", "Sentinel's slowest",
)  # fmt: skip


@dataclass(frozen=True)
class SystemConditions:
    """One system on one collection: a cell a column of `COLUMNS`."""

    name: str
    cells: Sequence[str]


def table(rows: Sequence[ConditionRow]) -> list[SystemConditions]:
    """A row for each system on each collection; shares and readings are those of its worst process."""
    return [
        SystemConditions(
            f"{system} / {collection}",
            [
                str(len(own)),
                str(sum(bool(row["disturbance"]) for row in own)),
                ", ".join(sorted({_processors(row) for row in own})),
                f"{max(row['threads_busy'] for row in own):.0f} / {max(row['threads_asked'] for row in own):.0f}",
                f"{max(row['waited_share'] for row in own):.1%}",
                f"{max(row['others_share'] for row in own):.0%}",
                f"{max(row['steal_share'] for row in own):.1%}",
                f"{sum(row['involuntary_switches'] for row in own):,}",
                f"{sum(row['major_faults'] for row in own):,}",
                f"+{max(row['slower'] for row in own):.0%}",
            ],
        )
        for (collection, system), own in by_system(rows).items()
    ]


def _processors(row: TimedRow) -> str:
    names = " ".join(map(str, row["processors"]))
    return names if row["pinned"] else f"any of {names}"
