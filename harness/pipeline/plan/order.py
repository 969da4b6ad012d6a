"""The order in which stages run: each after what it needs, and what is timed last, in turns."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from harness.pipeline.plan.fit_stages import with_inputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.pipeline.plan.fusion_stages import FusionStages
    from harness.pipeline.plan.system_stages import SystemStages
    from harness.pipeline.stage import Stage

UNTIMED = ("prepare", "fit", "check", "encode", "build", "search", "work", "quality")


def in_order(systems: Sequence[SystemStages], seed: int, fusions: Sequence[FusionStages] = ()) -> list[Stage]:
    """All stages once, each after what it needs; timed ones last, round by round.

    Within a round systems start in a seeded order that the next round reverses (A B B A); there they take turns.
    """
    return unique([*_untimed(systems, fusions), *_timed(systems, seed), *_summaries(systems, fusions)])


def unique(stages: Iterable[Stage]) -> list[Stage]:
    """Stages without repetition; each stays at its first place."""
    return list({stage.key: stage for stage in stages}.values())


def _untimed(systems: Sequence[SystemStages], fusions: Sequence[FusionStages]) -> Iterator[Stage]:
    for system in systems:
        yield from system.build.after  # it takes long where nothing is compiled yet, and needs nothing
    for name in UNTIMED:
        for system in systems:
            stage: Stage | None = getattr(system, name) if system.measures(name) else None
            if stage is not None:
                yield from with_inputs(stage)
    for fusion in fusions:
        if fusion.measures("quality"):
            yield from (*fusion.quality.inputs.values(), fusion.quality)
    extras = {stage.key for system in systems for stage in system.extras}
    for system in systems:
        for stage in system.extras:  # a measurement may need results of a group that is left out
            yield from (needed for needed in stage.inputs.values() if needed.key not in extras)


def _timed(systems: Sequence[SystemStages], seed: int) -> Iterator[Stage]:
    yield from (system.memory for system in systems if system.measures("memory"))
    order = list(systems)
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    collections = [system.collection for system in systems]
    order.sort(key=lambda system: collections.index(system.collection))
    rounds = max((len(system.latency) for system in systems), default=0)  # all or none are timed
    for number in range(rounds):
        yield from (system.latency[number] for system in (order if number % 2 == 0 else reversed(order)))
    for number in range(max((len(system.extras) for system in systems), default=0)):
        yield from (system.extras[number] for system in order if number < len(system.extras))


def _summaries(systems: Sequence[SystemStages], fusions: Sequence[FusionStages]) -> Iterator[Stage]:
    yield from (system.summary for system in systems if system.measures("summary"))
    yield from (fusion.summary for fusion in fusions if fusion.measures("summary"))
