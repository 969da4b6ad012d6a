"""From a spec to its stages: what is done, from what, under which key."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import UserError, allowed
from harness.measure.energy import watts_of
from harness.pipeline.measurements import Subject
from harness.pipeline.plan.fit_stages import fit_stage, mine_stage, with_inputs
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.search_stages import SearchPlan
from harness.pipeline.plan.shared_stages import (
    check_stage,
    collection_stage,
    encode_stage,
    encoder_on,
    encoder_type,
)
from harness.pipeline.plan.system_stages import SystemStages

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.jsonvalue import JsonTable
    from harness.pipeline.plan.fusion_stages import FusionStages
    from harness.pipeline.stage import Stage
    from harness.spec.models import Spec, System


def system_stages(spec: Spec, machine: str, only: Iterable[str] = ()) -> list[SystemStages]:
    """The stages of every system of a spec on each of its collections.

    Args:
        spec: The experiment.
        machine: Fingerprint of this machine; part of the key of everything timed.
        only: Names of the systems wanted; all where empty.

    Raises:
        UserError: The watts of an estimate cannot be looked up.
    """
    if spec.head.measure.power is not None:
        watts_of(spec.head.measure.power)
    wanted = set(only)
    made: dict[str, Stage] = {}
    return [
        _stages_of(spec, system, collection, machine, made)
        for system in spec.systems
        if not wanted or system.name in wanted
        for collection in system.collections
    ]


def in_order(systems: list[SystemStages], seed: int, fusions: Sequence[FusionStages] = ()) -> list[Stage]:
    """All stages once, each after what it needs; timed ones last, round by round.

    Within a round systems start in a seeded order that the next round reverses (A B B A); there they take turns.
    """
    untimed: dict[str, Stage] = {}
    for name in ("prepare", "fit", "check", "encode", "build", "search", "work", "quality"):
        for system in systems:
            stage: Stage | None = getattr(system, name) if system.measures(name) else None
            for needed in with_inputs(stage) if stage else ():
                untimed.setdefault(needed.key, needed)
    for fusion in fusions:
        for stage in (*fusion.quality.inputs.values(), fusion.quality) if fusion.measures("quality") else ():
            untimed.setdefault(stage.key, stage)
    timed: dict[str, Stage] = {}
    for system in systems:
        if system.measures("memory"):
            timed.setdefault(system.memory.key, system.memory)
    order = list(systems)
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    order.sort(key=lambda system: [other.collection for other in systems].index(system.collection))
    rounds = max((len(system.latency) for system in systems), default=0)  # all or none are timed
    for number in range(rounds):
        for system in order if number % 2 == 0 else reversed(order):
            stage = system.latency[number]
            timed.setdefault(stage.key, stage)
    extras = {stage.key for system in systems for stage in system.extras}
    for system in systems:
        for stage in system.extras:  # a measurement may need results of a group that is left out
            for needed in stage.inputs.values():
                if needed.key not in extras:
                    untimed.setdefault(needed.key, needed)
    for number in range(max((len(system.extras) for system in systems), default=0)):
        for system in order:
            if number < len(system.extras):
                timed.setdefault(system.extras[number].key, system.extras[number])
    summaries = {system.summary.key: system.summary for system in systems if system.measures("summary")}
    sums = {fusion.summary.key: fusion.summary for fusion in fusions if fusion.measures("summary")}
    return [*untimed.values(), *timed.values(), *summaries.values(), *sums.values()]


def _stages_of(spec: Spec, system: System, collection: str, machine: str, made: dict[str, Stage]) -> SystemStages:
    def once(stage: Stage) -> Stage:
        return made.setdefault(stage.key, stage)

    measure, encoder = spec.head.measure, system.encoder
    prepare = once(collection_stage("prepare", spec.collections[collection]))
    fit = once(fit_stage(spec, encoder, prepare, once))
    check = check_stage(spec, encoder, fit, refuse=measure.invalid_models == "refuse")
    check = once(check) if check else None
    asked = encoder_on(encoder, spec.collections[collection])
    encode = encode_stage(spec, asked, collection, {"model": fit, "collection": prepare}, check, once)
    plan = SearchPlan(spec, replace(system, encoder=asked), collection, machine)
    build = once(plan.build(encode))
    search = once(plan.search(prepare, encode, build))
    timed_search = plan.timed_search(search)
    timed_search = once(timed_search) if timed_search else None
    work = once(plan.work(prepare, encode, build))
    memory = once(plan.memory(prepare, encode, build))
    latency = tuple(once(plan.latency(number, fit, build, prepare, encode)) for number in range(measure.processes))
    quality = once(plan.quality(prepare, encode, search, timed_search))
    summary = once(plan.summary(latency))
    swept, exact = any(other.curve for other in spec.systems), plan.engine.supports.exact
    subject = Subject(plan.label, measure, latency[0], encode, search, prepare, memory, exact, swept, timed_search)
    measurements = {
        name: measurement
        for name in REGISTRIES.measurements.names()
        for measurement in (REGISTRIES.measurements.get(name)(),)
        if measurement.group in measure.groups
        and (name in measure.also or measurement.implied(subject))
        and (encoder_type(encoder).encodes() or not measurement.encodes)
    }
    return SystemStages(
        system, collection, prepare, fit, check, encode, build, search, work, memory,
        latency if "latency" in measure.groups else (), quality, summary,
        {
            name: tuple(once(stage) for stage in measurement.stages(subject))
            for name, measurement in measurements.items()
        },
        measure.groups,
    )  # fmt: skip


def check_stages(spec: Spec, encoder: str) -> list[Stage]:
    """The stages that check one encoder of a spec and give all figures, good or bad; the check is the last.

    Raises:
        UserError: The spec has no such encoder, or it is no model.
    """
    if encoder not in spec.encoders:
        raise UserError(
            f"there is no encoder {encoder!r} in this spec", file=spec.file, remedy=allowed(encoder, spec.encoders)
        )
    part = spec.encoders[encoder]
    check = None
    if REGISTRIES.encoders.get(part.type)(part.params).learned():
        prepare = collection_stage("prepare", next(iter(spec.collections.values())))
        fit = fit_stage(spec, part, prepare, lambda stage: stage)
        check = check_stage(spec, part, fit, refuse=False)
    if check is None:
        raise UserError(
            f"the encoder {encoder!r} ({part.type}) has no model to check",
            file=spec.file,
            remedy="name a learned encoder",
        )
    return unique(with_inputs(check))


def encoding_stages(spec: Spec, encoder: str, collection: str) -> list[Stage]:
    """The stages that give all vectors of a collection, the encoding last.

    Raises:
        UserError: The spec has no such encoder or collection.
    """
    for what, name, known in (("encoder", encoder, spec.encoders), ("collection", collection, spec.collections)):
        if name not in known:
            raise UserError(f"there is no {what} {name!r} in this spec", file=spec.file, remedy=allowed(name, known))
    made: dict[str, Stage] = {}

    def once(stage: Stage) -> Stage:
        return made.setdefault(stage.key, stage)

    part, prepare = spec.encoders[encoder], once(collection_stage("prepare", spec.collections[collection]))
    fit = once(fit_stage(spec, part, prepare, once))
    check = check_stage(spec, part, fit, refuse=spec.head.measure.invalid_models == "refuse")
    check = once(check) if check else None
    asked = encoder_on(part, spec.collections[collection])
    encode_stage(spec, asked, collection, {"model": fit, "collection": prepare}, check, once)
    return list(made.values())


def mining_stages(spec: Spec, system: str, collection: str, settings: JsonTable) -> list[Stage]:
    """The stages that give a collection's pairs hard negatives by a system of the spec; the last one mines.

    Raises:
        UserError: The spec has no such system or collection.
    """
    systems = {known.name: known for known in spec.systems}
    for what, name, known in (("system", system, systems), ("collection", collection, spec.collections)):
        if name not in known:
            raise UserError(f"there is no {what} {name!r} in this spec", file=spec.file, remedy=allowed(name, known))
    pairs = collection_stage("pairs", spec.collections[collection])
    return unique(with_inputs(mine_stage(spec, systems[system], collection, settings, pairs, lambda stage: stage)))


def unique(stages: Iterable[Stage]) -> list[Stage]:
    """Stages without repetition, in order."""
    return list({stage.key: stage for stage in itertools.chain(stages)}.values())
