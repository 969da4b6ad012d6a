"""What stages will take, guessed from what such stages took in this store before. Estimates, and labelled so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.pipeline.stage import Stage
    from harness.pipeline.store.local import Artefact, Store

Basis: TypeAlias = Literal["stored", "the same stage before", "stages of this kind before", "unknown"]


@dataclass(frozen=True)
class Estimate:
    """Seconds, peak bytes of the process and bytes on disk of one stage, and what the guess rests on."""

    stage: Stage
    basis: Basis
    seconds: float = 0.0
    peak_bytes: int = 0
    disk_bytes: int = 0


def note(store: Store, artefact: Artefact) -> None:
    """Remember what a stage took: one line, written in one piece, so that two runs may write at once."""
    row = {
        "kind": artefact.kind,
        "label": artefact.label,
        "seconds": round(artefact.seconds, 3),
        "peak_bytes": artefact.peak_bytes,
        "disk_bytes": artefact.bytes,
    }
    with (store.root / "timings.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def estimate(store: Store, stages: Sequence[Stage]) -> list[Estimate]:
    """An estimate for each stage: nothing for what is stored, the last time of the same label, or its kind's median."""
    rows = _read(store)
    by_label = {(row["kind"], row["label"]): row for row in rows}
    found = []
    for stage in stages:
        same = by_label.get((stage.kind, stage.label))
        alike = [row for row in rows if row["kind"] == stage.kind]
        if store.has(stage.key):
            found.append(Estimate(stage, "stored"))
        elif same is not None:
            found.append(
                Estimate(stage, "the same stage before", same["seconds"], same["peak_bytes"], same["disk_bytes"])
            )
        elif alike:
            middle = {name: median(row[name] for row in alike) for name in ("seconds", "peak_bytes", "disk_bytes")}
            size = {name: int(middle[name]) for name in ("peak_bytes", "disk_bytes")}
            found.append(Estimate(stage, "stages of this kind before", seconds=middle["seconds"], **size))
        else:
            found.append(Estimate(stage, "unknown"))
    return found


def _read(store: Store) -> list[dict[str, Any]]:
    """Every line that is whole; a killed writer may have left a broken last one."""
    rows = []
    try:
        lines = (store.root / "timings.jsonl").read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []
    for line in lines:
        try:
            row = json.loads(line)
            rows.append({name: row[name] for name in ("kind", "label", "seconds", "peak_bytes", "disk_bytes")})
        except (ValueError, KeyError, TypeError):
            continue
    return rows
