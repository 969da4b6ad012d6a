"""Which timed processes of a run were disturbed, and by what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.runs import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.runs.facts import ConditionRow, TimedRow

NEEDED = (
    "processors", "pinned", "threads_busy", "threads_asked", "waited_share", "others_share", "steal_share",
    "involuntary_switches", "major_faults", "disturbance", "violation", "sentinel",
)  # fmt: skip
"""Keys that a reader of a run uses of a latency process."""


def disturbed(rows: Sequence[ConditionRow]) -> dict[tuple[str, str], str]:
    """By (collection, system): how many of its latency processes were disturbed, and by what in the worst."""
    disturbances = {}
    for cell, own in by_system(rows).items():
        bad = [row for row in own if row["disturbance"] or row["violation"]]
        if bad:
            worst = max(bad, key=lambda row: float(row["waited_share"]))
            what = "; ".join(filter(None, (worst["disturbance"], worst["violation"])))
            disturbances[cell] = f"{len(bad)} of {len(own)} processes, {what}"
    return disturbances


def by_system(rows: Sequence[ConditionRow]) -> dict[tuple[str, str], list[TimedRow]]:
    """Rows of latency processes by (collection, system), each with the sentinel's slowest reading as `slower`."""
    timed: dict[tuple[str, str], list[TimedRow]] = {}
    for row in rows:
        if row["kind"] == "latency":
            _check(row)
            timed.setdefault((row["collection"], row["system"]), []).append({**row, "slower": _slower(row)})
    return timed


def _check(row: ConditionRow) -> None:
    """Raise where the row of a latency process is not whole.

    Raises:
        UserError: A key is missing; it is named.
    """
    lacking = [key for key in NEEDED if key not in row]
    if lacking or not all("processor" in reading and "memory" in reading for reading in row["sentinel"]):
        what = lacking[0] if lacking else "sentinel"
        stage = row.get("stage", row["system"])
        raise UserError(
            f"{stage} has no whole {what!r}", file=Path(layout.CONDITIONS), remedy="run the experiment again"
        )


def _slower(row: ConditionRow) -> float:
    """The sentinel's slowest reading in a process over its quickest, minus 1."""
    values = [(reading["processor"], reading["memory"]) for reading in row["sentinel"]]
    return float(max(max(column) / min(column) - 1 for column in zip(*values, strict=True)))
