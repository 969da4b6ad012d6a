"""Which timed processes of a run were disturbed, and by what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from harness.errors import UserError
from harness.runs import layout

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from harness.metrics import Metric
    from harness.runs.facts import ConditionRow, SystemFacts, TimedRow

CellKind: TypeAlias = tuple[str, str, str]
"""(collection, system, kind of the process)."""
NEEDED = (
    "processors", "pinned", "threads_busy", "threads_asked", "waited_share", "others_share", "steal_share",
    "involuntary_switches", "major_faults", "disturbance", "violation", "sentinel",
)  # fmt: skip
"""Keys that a reader of a run uses of a latency process."""
DECISIVE = ("waited_share", "disturbance", "violation")
"""Keys that a reader uses of every other process."""


def disturbances(rows: Sequence[ConditionRow]) -> dict[CellKind, str]:
    """How many processes of a kind were disturbed, and by what in the worst; kinds without such a process are left out.

    Raises:
        UserError: A row lacks a key; it is named.
    """
    texts = {}
    for cell, own in _by_kind(rows).items():
        bad = [row for row in own if row["disturbance"] or row["violation"]]
        if bad:
            worst = max(bad, key=lambda row: float(row["waited_share"]))
            what = "; ".join(filter(None, (worst["disturbance"], worst["violation"])))
            texts[cell] = f"{len(bad)} of {len(own)} processes, {what}"
    return texts


def of_fusions(disturbed: Mapping[CellKind, str], systems: Sequence[SystemFacts]) -> dict[CellKind, str]:
    """What disturbed the latency processes of the systems that a fusion fuses.

    Args:
        disturbed: What disturbed the processes of each system; see `disturbances`.
        systems: Of the run.
    """
    texts: dict[CellKind, str] = {}
    for system in systems:
        collection = system["collection"]
        cells = [(name, (collection, name, "latency")) for name in system.get("fused", ())]
        if bad := [f"{name}: {disturbed[cell]}" for name, cell in cells if cell in disturbed]:
            texts[collection, system["name"], "latency"] = "; ".join(bad)
    return texts


def kinds(name: str, metric: Metric) -> tuple[str, ...]:
    """The kinds of the processes that may measure a metric, the most exact first, such as ``throughput/all``.

    It is empty where no watch observes the metric. A component may have several parts (``loaded_latency/p99/2``), and
    one of them may name the kind (``load/2``). In earlier runs the kind without a part measured all components.

    Args:
        name: Of the metric, with the component after a slash.
        metric: What the name means.
    """
    parts = name.split("/")[1:]
    return (*(f"{metric.process}/{part}" for part in parts), metric.process) if metric.process else ()


def kind_of(collection: str, system: str, name: str, metric: Metric, *known: Container[CellKind]) -> CellKind | None:
    """The kind of the processes that measured a metric of a system; None where none of `kinds` is known.

    Args:
        collection: Its name.
        system: Its name.
        name: Of the metric, with the component after a slash.
        metric: What the name means.
        known: What a run knows by such kinds.
    """
    candidates = ((collection, system, kind) for kind in kinds(name, metric))
    return next((kind for kind in candidates if any(kind in each for each in known)), None)


def processes(rows: Sequence[ConditionRow]) -> dict[CellKind, int]:
    """How many processes of each kind a system has."""
    return {cell: len(own) for cell, own in _by_kind(rows).items()}


def _by_kind(rows: Sequence[ConditionRow]) -> dict[CellKind, list[ConditionRow]]:
    by_kind: dict[CellKind, list[ConditionRow]] = {}
    for row in rows:
        _check(row)
        by_kind.setdefault((row["collection"], row["system"], row["kind"]), []).append(row)
    return by_kind


def by_system(rows: Sequence[ConditionRow]) -> dict[tuple[str, str], list[TimedRow]]:
    """Rows of latency processes by (collection, system), each with the sentinel's slowest reading as `slower`."""
    timed: dict[tuple[str, str], list[TimedRow]] = {}
    for row in rows:
        if row["kind"] == "latency":
            _check(row)
            timed.setdefault((row["collection"], row["system"]), []).append({**row, "slower": _slower(row)})
    return timed


def _check(row: ConditionRow) -> None:
    """Raise where a row is not whole.

    Raises:
        UserError: A key is missing; it is named.
    """
    latency = row["kind"] == "latency"
    lacking = [key for key in (NEEDED if latency else DECISIVE) if key not in row]
    readings = row["sentinel"] if latency and not lacking else []
    if lacking or not all("processor" in reading and "memory" in reading for reading in readings):
        what = lacking[0] if lacking else "sentinel"
        stage = row.get("stage", row["system"])
        raise UserError(
            f"{stage} has no whole {what!r}", file=Path(layout.CONDITIONS), remedy="run the experiment again"
        )


def _slower(row: ConditionRow) -> float:
    """The sentinel's slowest reading in a process over its quickest, minus 1."""
    values = [(reading["processor"], reading["memory"]) for reading in row["sentinel"]]
    return float(max(max(column) / min(column) - 1 for column in zip(*values, strict=True)))
