"""From a spec to its stages: what is done, from what, under which key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import UserError, allowed
from harness.measure.energy import watts_of
from harness.pipeline.measurements import Subject
from harness.pipeline.plan.fit_stages import fit_stage, mine_stage, with_inputs
from harness.pipeline.plan.order import unique
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.search_stages import SearchPlan, compile_stage, has_loops
from harness.pipeline.plan.shared_stages import (
    check_stage,
    collection_stage,
    encode_stage,
    encoder_on,
    encoder_type,
)
from harness.pipeline.plan.system_stages import SystemStages, measured_groups

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.jsonvalue import JsonTable
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
    systems = [system for system in spec.systems if not wanted or system.name in wanted]
    compiling = compile_stage(systems, machine, spec.head.measure.work_threads)
    made: dict[str, Stage] = {}
    return [
        _stages_of(spec, system, collection, machine, made, compiling)
        for system in systems
        for collection in system.collections
    ]


def _stages_of(
    spec: Spec, system: System, collection: str, machine: str, made: dict[str, Stage], compiling: Stage | None
) -> SystemStages:
    def once(stage: Stage) -> Stage:
        return made.setdefault(stage.key, stage)

    measure, encoder, groups = spec.head.measure, system.encoder, measured_groups(spec.head.measure)
    prepare = once(collection_stage("prepare", spec.collections[collection]))
    fit = once(fit_stage(spec, encoder, prepare, once))
    check = check_stage(spec, encoder, fit, refuse=measure.invalid_models == "refuse")
    check = once(check) if check else None
    asked = encoder_on(encoder, spec.collections[collection])
    encode = encode_stage(spec, asked, collection, {"model": fit, "collection": prepare}, check, once)
    plan = SearchPlan(spec, replace(system, encoder=asked), collection, machine)
    build = once(plan.build(encode, (compiling,) if compiling and has_loops(system.index) else ()))
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
        if measurement.group in groups
        and (name in measure.also or measurement.implied(subject))
        and (encoder_type(encoder).encodes() or not measurement.encodes)
    }
    return SystemStages(
        system, collection, prepare, fit, check, encode, build, search, work, memory,
        latency if "latency" in groups else (), quality, summary,
        {
            name: tuple(once(stage) for stage in measurement.stages(subject))
            for name, measurement in measurements.items()
        },
        groups,
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
