"""Stages of one fusion on one collection: fuse the runs of its systems, evaluate the result, add up the latencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.pipeline.plan.search_stages import quality_stage
from harness.pipeline.stage import STEPS, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.pipeline.plan.system_stages import SystemStages
    from harness.spec.fusion import Fusion
    from harness.spec.models import Spec


@dataclass(frozen=True)
class FusionStages:
    """The stages of one fusion on one collection; `parts` are those of its systems, in its order.

    `timed` fuses results with the timed k, which metrics with a cut-off up to k rest on; None where they are the first
    of `fuse`.
    """

    fusion: Fusion
    collection: str
    parts: tuple[SystemStages, ...]
    fuse: Stage
    timed: Stage | None
    quality: Stage
    summary: Stage

    def all(self) -> tuple[Stage, ...]:
        """Its own stages, in an order that respects what needs what."""
        judged = (self.fuse, *([self.timed] if self.timed else []), self.quality)
        return (
            *(judged if self.measures("quality") else ()),
            *([self.summary] if self.measures("summary") else []),
        )

    def measures(self, part: str) -> bool:
        """Whether the stage of this part is run."""
        return self.parts[0].measures("quality" if part == "fuse" else part)

    def keys(self) -> dict[str, str]:
        """The key of each part's stage, as run.json names them."""
        named = {
            "prepare": self.parts[0].prepare, "fuse": self.fuse, "quality": self.quality, "summary": self.summary
        }  # fmt: skip
        return {name: stage.key for name, stage in named.items() if self.measures(name)}


def fusion_stages(spec: Spec, systems: Sequence[SystemStages]) -> list[FusionStages]:
    """The stages of every fusion of a spec on each of its collections.

    Args:
        spec: The experiment.
        systems: The stages of its systems; all that the fusions need are among them.
    """
    known = {(stages.collection, stages.system.name): stages for stages in systems}
    return [
        _stages_of(spec, fusion, collection, tuple(known[collection, name] for name in fusion.systems))
        for fusion in spec.fusions
        for collection in fusion.collections
    ]


def _stages_of(spec: Spec, fusion: Fusion, collection: str, parts: tuple[SystemStages, ...]) -> FusionStages:
    measure, label = spec.head.measure, f"{fusion.name} / {collection}"
    most = fusion.depth or measure.depth
    deep, short = min(most, measure.depth), min(most, measure.k)
    searches, prepare = [part.search for part in parts], parts[0].prepare
    timed_searches = [part.quality.inputs.get("timed", part.search) for part in parts]
    if deep <= measure.k:  # a search with the timed k gives all that counts
        fused, timed = _fuse(fusion, f"fuse {label}", timed_searches, prepare, deep, measure.depth), None
    else:
        fused = _fuse(fusion, f"fuse {label}", searches, prepare, deep, measure.depth)
        timed = _fuse(fusion, f"fuse {label} with the timed k", timed_searches, prepare, short, measure.k)
    inputs = {"collection": prepare, "hits": fused} | ({} if timed is None else {"timed": timed})
    quality = quality_stage(spec, fusion.name, label, inputs, fused=fusion.systems)
    encoders = [part.fit.key for part in parts]
    summary = Stage(
        "summary",
        f"add up latencies of {label}",
        f"{STEPS}.fuse:added_latencies",
        {
            "shared_encoders": [number for number, key in enumerate(encoders) if key in encoders[:number]],
            "confidence": measure.confidence,
            "seed": spec.head.seed,
        },
        {f"part{number}": part.summary for number, part in enumerate(parts)},
        libraries=("numpy", "scipy"),
    )
    return FusionStages(fusion, collection, parts, fused, timed, quality, summary)


def _fuse(fusion: Fusion, label: str, searches: Sequence[Stage], prepare: Stage, considered: int, depth: int) -> Stage:
    return Stage(
        "fuse",
        label,
        f"{STEPS}.fuse:fuse",
        {
            "method": fusion.method,
            "rank_constant": fusion.rank_constant,
            "normalisation": fusion.normalisation,
            "weights": list(fusion.weights),
            "considered": considered,
            "depth": depth,
        },
        {"collection": prepare} | {f"run{number}": search for number, search in enumerate(searches)},
        libraries=("numpy",),
    )
