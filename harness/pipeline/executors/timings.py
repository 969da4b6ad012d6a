"""What stages will take, guessed from what such stages took in this store before. Estimates, and labelled so."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.pipeline.stage import Stage
    from harness.pipeline.store.local import Artefact, Store


@dataclass(frozen=True)
class Estimate:
    """Seconds, peak bytes of the process and bytes on disk of one stage, and what the guess rests on.

    `basis` is ``stored``, ``the same stage before``, ``stages of this kind before``, ``unknown``, or names a sample.
    `low` and `high` are the shortest and the longest of the `runs` stages that it rests on, in seconds.
    """

    stage: Stage
    basis: str
    seconds: float = 0.0
    peak_bytes: int = 0
    disk_bytes: int = 0
    low: float = 0.0
    high: float = 0.0
    runs: int = 0


@dataclass(frozen=True)
class Timing:
    """What a stage took: a line of ``timings.jsonl``."""

    kind: str
    label: str
    seconds: float
    peak_bytes: int
    disk_bytes: int


def note(store: Store, artefact: Artefact) -> None:
    """Remember what a stage took: one line, written in one piece, so that two runs may write at once."""
    seconds = round(artefact.seconds, 3)
    row = Timing(artefact.kind, artefact.label, seconds, artefact.peak_bytes, artefact.bytes)
    with (store.root / "timings.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def estimate(store: Store, stages: Sequence[Stage]) -> list[Estimate]:
    """An estimate for each stage: nothing for what is stored, the last time of the same label, or its kind's median."""
    rows = _read(store)
    estimates = []
    for stage in stages:
        alike = [row for row in rows if row.kind == stage.kind]
        same = [row for row in alike if row.label == stage.label]
        if store.has(stage.key):
            guess = Estimate(stage, "stored")
        elif same:
            last = same[-1]
            facts = (last.seconds, last.peak_bytes, last.disk_bytes)
            guess = Estimate(stage, "the same stage before", *facts, *_range(same))
        elif alike:
            guess = Estimate(
                stage,
                "stages of this kind before",
                median(row.seconds for row in alike),
                int(median(row.peak_bytes for row in alike)),
                int(median(row.disk_bytes for row in alike)),
                *_range(alike),
            )
        else:
            guess = Estimate(stage, "unknown")
        estimates.append(guess)
    return estimates


def _range(rows: Sequence[Timing]) -> tuple[float, float, int]:
    """The shortest time, the longest, and how many there are."""
    seconds = [row.seconds for row in rows]
    return min(seconds), max(seconds), len(seconds)


def highest_peaks(store: Store) -> dict[str, int]:
    """The most bytes that the process of a stage with this label took in this store."""
    peaks: dict[str, int] = {}
    for row in _read(store):
        peaks[row.label] = max(row.peak_bytes, peaks.get(row.label, 0))
    return peaks


def last_seconds(store: Store) -> dict[str, float]:
    """What the stage with each label took the last time in this store, in seconds."""
    return {row.label: row.seconds for row in _read(store)}


def _read(store: Store) -> list[Timing]:
    """Every line that is whole; a killed writer may have left a broken last one."""
    try:
        lines = (store.root / "timings.jsonl").read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []
    return [row for line in lines if (row := _timing(line)) is not None]


def _timing(line: str) -> Timing | None:
    try:
        match json.loads(line):
            case {
                "kind": str(kind),
                "label": str(label),
                "seconds": float() | int() as seconds,
                "peak_bytes": int(peak),
                "disk_bytes": int(disk),
            }:
                return Timing(kind, label, seconds, peak, disk)
    except (ValueError, RecursionError):
        pass
    return None
