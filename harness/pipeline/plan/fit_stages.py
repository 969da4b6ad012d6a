"""The stages that make a model, and those that other systems add to its training pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.shared_stages import claims_on, collection_stage, encoder_on, encoder_type, settings_of
from harness.pipeline.stage import STEPS, VECTORS, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.jsonvalue import JsonTable
    from harness.pipeline.plan.shared_stages import Once
    from harness.spec.models import Part, Spec, System


def fit_stage(spec: Spec, encoder: Part, prepare: Stage, once: Once) -> Stage:
    """The stage that makes a model."""
    made = encoder_type(encoder)
    needs, inputs, label = made.needs(), {}, f"make {encoder.name}"
    if needs == "corpus":
        inputs["corpus"] = prepare
        label += f" over {prepare.label.removeprefix('prepare ')}"
    elif needs == "pairs" and encoder.pairs is not None:
        inputs["pairs"] = pairs_stage(spec, encoder, once)
    threads, alone = spec.head.measure.work_threads, claims_on(spec, "train_seconds")
    return Stage(
        "fit",
        label,
        f"{STEPS}.fit:fit",
        {**settings_of(encoder), "seed": spec.head.seed, "threads": threads},
        inputs,
        made.modules(encoder.params),
        made.libraries_with(encoder.params),
        {"fingerprint": made.fingerprint(), **({"alone": True} if alone else {})},
        measures="time" if alone else "nothing",
        threads=threads,
        # Several devices share the texts of an encoding; a process that trains uses one.
        gpus=min(made.gpus(), 1) * made.processes(),
        resumable=True,
    )


def pairs_stage(spec: Spec, encoder: Part, once: Once) -> Stage:
    """The stage whose pairs an encoder is trained on: those of its collection, with what systems add to them."""
    collection = str(encoder.pairs)
    stage = once(collection_stage("pairs", spec.collections[collection]))
    lessons = encoder.lessons
    if lessons is None:
        return stage
    systems = {system.name: system for system in spec.systems}
    fields = {"count": "negatives", "depth": "depth", "skip": "skip", "share": "share", "spread": "spread"}
    settings: JsonTable = {"add": True, **{name: getattr(lessons, field) for name, field in fields.items()}}
    for name in lessons.mine:
        stage = once(mine_stage(spec, systems[name], collection, settings, stage, once))
    for name in lessons.teachers:
        stage = once(teach_stage(spec, systems[name], collection, stage, once))
    if lessons.hardest is not None:
        label, function = f"the {lessons.hardest} hardest negatives of {collection}", f"{STEPS}.hardest:keep_hardest"
        arguments: JsonTable = {"count": lessons.hardest}
        stage = once(Stage("hardest", label, function, arguments, {"pairs": stage}, libraries=("numpy",)))
    return stage


def mine_stage(spec: Spec, system: System, collection: str, settings: JsonTable, pairs: Stage, once: Once) -> Stage:
    """The stage that gives pairs hard negatives by a system of the spec."""
    encoder, index = system.encoder, system.index
    maker, engine = encoder_type(encoder), REGISTRIES.indexes.get(index.type)
    return Stage(
        "mine",
        f"mine negatives of {collection} with {system.name}",
        f"{STEPS}.mine:mine",
        {
            "encoder": settings_of(encoder_on(encoder, spec.collections[collection])),
            "index": settings_of(index),
            "threads": spec.head.measure.work_threads,
            **settings,
        },
        _with_model(spec, encoder, pairs, once),
        (*maker.modules(encoder.params), *engine.modules(index.params)),
        (*maker.libraries_with(encoder.params), *engine.libraries_with(index.params), *VECTORS),
        threads=spec.head.measure.work_threads,
    )


def teach_stage(spec: Spec, system: System, collection: str, pairs: Stage, once: Once) -> Stage:
    """The stage in which a system scores the passages of each pair."""
    encoder = system.encoder
    maker = encoder_type(encoder)
    return Stage(
        "teach",
        f"scores of {system.name} for {collection}",
        f"{STEPS}.teach:teach",
        {
            "encoder": settings_of(encoder_on(encoder, spec.collections[collection])),
            "threads": spec.head.measure.work_threads,
        },
        _with_model(spec, encoder, pairs, once),
        maker.modules(encoder.params),
        (*maker.libraries_with(encoder.params), *VECTORS),
        threads=spec.head.measure.work_threads,
        gpus=maker.gpus(),
    )


def with_inputs(stage: Stage) -> Iterator[Stage]:
    """A stage after all that it needs; one that several need comes several times."""
    for needed in stage.inputs.values():
        yield from with_inputs(needed)
    yield stage


def _with_model(spec: Spec, encoder: Part, pairs: Stage, once: Once) -> dict[str, Stage]:
    """Pairs, and the model that reads them; one that is made of its corpus is made of the passages in the step."""
    if encoder_type(encoder).needs() == "corpus":
        return {"pairs": pairs}
    return {"pairs": pairs, "model": once(fit_stage(spec, encoder, pairs, once))}
