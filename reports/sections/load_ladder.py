"""What systems bear with one server and with several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.formatting import interval, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Record
    from harness.runs.read import RunData


@dataclass(frozen=True)
class Step:
    """One system with one number of servers.

    Attributes:
        text: The highest bearable load.
        interval: Of it.
        times: That load over the load of the fewest servers, such as "1.9 times"; "" for the fewest.
        latency: Percentiles at that load.
    """

    text: str
    interval: str
    times: str
    latency: str


@dataclass(frozen=True)
class Ladder:
    """`servers` heads the columns; `rows` holds (system, a step a column, None where it was not measured)."""

    servers: Sequence[int]
    rows: Sequence[tuple[str, Sequence[Step | None]]]


def section(run: RunData, collection: str) -> Ladder | None:
    """The table of a collection; None for a run that measured no system with several servers."""
    cells = run.cells()
    named = [row.metric.partition("/") for row in run.records_of(collection)]
    servers = sorted({int(part or 1) for base, _, part in named if base == "highest_load"})
    if not servers or servers[-1] == 1:
        return None
    rows = []
    for system in run.names(collection):
        loads = [cells.get((collection, system, _name("highest_load", count))) for count in servers]
        if not any(loads):
            continue
        least = next(row for row in loads if row is not None)
        percentiles = [
            [(q, cells.get((collection, system, _name(f"loaded_latency/{q}", count)))) for q in ("p99", "p99.9")]
            for count in servers
        ]
        steps = [_step(row, least, times) for row, times in zip(loads, percentiles, strict=True)]
        rows.append((system, steps))
    return Ladder(servers, rows)


def _step(row: Record | None, least: Record, percentiles: Sequence[tuple[str, Record | None]]) -> Step | None:
    if row is None:
        return None
    known = [f"{name} {number(time.value, time.unit)}" for name, time in percentiles if time is not None]
    times = f"{row.value / least.value:.2f} times" if row is not least and least.value > 0 else ""
    return Step(number(row.value, row.unit), interval(row), times, ", ".join(known))


def _name(metric: str, servers: int) -> str:
    return metric if servers == 1 else f"{metric}/{servers}"
