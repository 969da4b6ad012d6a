"""What the timed processes met, a line a system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]
COLUMNS = (
    "Processes", "Disturbed", "Processors", "Threads at work / asked", "Waited for a processor",
    "Other processes' share", "Stolen by the host", "Put aside", "Pages read from disk", "Sentinel's slowest",
)  # fmt: skip


def disturbed(rows: Sequence[Row]) -> dict[tuple[str, str], str]:
    """By (collection, system): how many of its latency processes were disturbed, and by what in the worst."""
    found = {}
    for cell, own in _by_system(rows).items():
        bad = [row for row in own if row["disturbance"] or row["violation"]]
        if bad:
            worst = max(bad, key=lambda row: float(row["waited_share"]))
            what = "; ".join(filter(None, (worst["disturbance"], worst["violation"])))
            found[cell] = f"{len(bad)} of {len(own)} processes, {what}"
    return found


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
        for (collection, system), own in _by_system(rows).items()
    ]


def _by_system(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["kind"] == "latency":
            found.setdefault((row["collection"], row["system"]), []).append({**row, "slower": _slower(row)})
    return found


def _slower(row: Row) -> float:
    """The sentinel's slowest reading in a process over its quickest, minus 1."""
    values = [(reading["processor"], reading["memory"]) for reading in row["sentinel"]]
    return float(max(max(column) / min(column) - 1 for column in zip(*values, strict=True)))


def _processors(row: Row) -> str:
    names = " ".join(map(str, row["processors"]))
    return names if row["pinned"] else f"any of {names}"


def _most(rows: Sequence[Row], name: str) -> float:
    return max(float(row[name]) for row in rows)
