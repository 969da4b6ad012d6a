"""What the timed processes met, a line a system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.runs.disturbed import Row, by_system

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = (
    "Processes", "Disturbed", "Processors", "Threads at work / asked", "Waited for a processor",
    "Other processes' share", "Stolen by the host", "Put aside", "Pages read from disk", "Sentinel's slowest",
)  # fmt: skip


def table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For each system on each collection: its cells (see `COLUMNS`; shares and readings are the worst)."""
    return [
        {
            "name": f"{system} / {collection}",
            "cells": [
                str(len(own)),
                str(sum(bool(row["disturbance"]) for row in own)),
                ", ".join(sorted({_processors(row) for row in own})),
                f"{_most(own, 'threads_busy'):.0f} / {_most(own, 'threads_asked'):.0f}",
                f"{_most(own, 'waited_share'):.1%}",
                f"{_most(own, 'others_share'):.0%}",
                f"{_most(own, 'steal_share'):.1%}",
                f"{sum(row['involuntary_switches'] for row in own):,}",
                f"{sum(row['major_faults'] for row in own):,}",
                f"+{_most(own, 'slower'):.0%}",
            ],
        }
        for (collection, system), own in by_system(rows).items()
    ]


def _processors(row: Row) -> str:
    names = " ".join(map(str, row["processors"]))
    return names if row["pinned"] else f"any of {names}"


def _most(rows: Sequence[Row], name: str) -> float:
    return max(float(row[name]) for row in rows)
