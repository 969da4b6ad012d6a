"""Which timed processes of a run were disturbed, and by what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]


def disturbed(rows: Sequence[Row]) -> dict[tuple[str, str], str]:
    """By (collection, system): how many of its latency processes were disturbed, and by what in the worst."""
    found = {}
    for cell, own in by_system(rows).items():
        bad = [row for row in own if row["disturbance"] or row["violation"]]
        if bad:
            worst = max(bad, key=lambda row: float(row["waited_share"]))
            what = "; ".join(filter(None, (worst["disturbance"], worst["violation"])))
            found[cell] = f"{len(bad)} of {len(own)} processes, {what}"
    return found


def by_system(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows of latency processes by (collection, system), each with the sentinel's slowest reading as `slower`."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["kind"] == "latency":
            found.setdefault((row["collection"], row["system"]), []).append({**row, "slower": _slower(row)})
    return found


def _slower(row: Row) -> float:
    """The sentinel's slowest reading in a process over its quickest, minus 1."""
    values = [(reading["processor"], reading["memory"]) for reading in row["sentinel"]]
    return float(max(max(column) / min(column) - 1 for column in zip(*values, strict=True)))
