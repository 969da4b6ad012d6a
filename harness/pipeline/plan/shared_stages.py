"""Stages of a spec's parts that several systems share: a collection, an encoder made, checked and used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from harness.errors import UserError
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.stage import STEPS, VECTORS, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.encoders.base import EncoderType
    from harness.jsonvalue import JsonValue
    from harness.spec.models import Part, Spec


Once: TypeAlias = "Callable[[Stage], Stage]"
"""Gives back the stage of the same key where there is one, else the stage itself."""


def encoder_type(encoder: Part) -> EncoderType:
    """The type of an encoder, made from its settings."""
    made: EncoderType = REGISTRIES.encoders.get(encoder.type)(encoder.params)
    return made


def encoder_on(encoder: Part, collection: Part | None) -> Part:
    """An encoder with its settings for the texts of one collection; None for texts that belong to no task.

    Raises:
        UserError: Its settings leave something open that this collection does not tell.
    """
    task = None if collection is None else REGISTRIES.collections.get(collection.type).mteb_task(collection.params)
    name = "" if collection is None else collection.base
    try:
        return replace(encoder, params=encoder_type(encoder).params_on(name, task))
    except UserError as error:
        key = ".".join(filter(None, ("encoders", encoder.base, error.key)))
        raise UserError(error.what, key=key, remedy=error.remedy) from None


def settings_of(part: Part) -> dict[str, JsonValue]:
    """Type and parameters of a part, as a step takes them."""
    return {"type": part.type, "params": part.params.model_dump(mode="json")}


def build_settings(index: Part) -> dict[str, JsonValue]:
    """Type and parameters of an index without those of the search: indexes that share them are built once."""
    ours = REGISTRIES.indexes.get(index.type).search_params
    return {"type": index.type, "params": index.params.model_dump(mode="json", exclude=set(ours))}


def search_settings(index: Part) -> dict[str, JsonValue]:
    """The parameters of the search by name; empty for an engine that has none."""
    ours = REGISTRIES.indexes.get(index.type).search_params
    values: dict[str, JsonValue] = index.params.model_dump(mode="json", include=set(ours))
    return values


def claims_on(spec: Spec, metric: str) -> bool:
    """Whether a claim of the spec is about a time that a stage takes of its own work: then the stage runs alone."""
    return any(claim.metric.partition("/")[0] == metric for claim in spec.head.claims)


def collection_stage(kind: str, part: Part) -> Stage:
    """The stage that brings a collection into the common form (`prepare`), or its training pairs (`pairs`)."""
    source = REGISTRIES.collections.get(part.type)
    return Stage(
        kind,
        f"{'prepare' if kind == 'prepare' else 'training pairs of'} {part.name}",
        f"{STEPS}.prepare:{'prepare' if kind == 'prepare' else 'prepare_pairs'}",
        settings_of(part),
        modules=source.modules(part.params),
        libraries=source.libraries_with(part.params),
        about={"fingerprint": source(part.params).fingerprint()},
    )


def check_stage(spec: Spec, encoder: Part, fit: Stage, *, refuse: bool) -> Stage | None:
    """None for an encoder that is nothing but statistics of the corpus: there is no model to check."""
    made = encoder_type(encoder)
    if not made.learned():
        return None
    threads = spec.head.measure.work_threads
    return Stage(
        "check",
        f"check {encoder.name}",
        f"{STEPS}.check:check",
        {**settings_of(encoder_on(encoder, None)), "threads": threads, "refuse": refuse},
        {"model": fit},
        made.modules(encoder.params),
        (*made.libraries_with(encoder.params), *VECTORS),
        threads=threads,
        gpus=made.gpus(),
    )


def encode_stage(
    spec: Spec, encoder: Part, collection: str, inputs: Mapping[str, Stage], check: Stage | None, once: Once
) -> Stage:
    """The stage that gives all vectors of a collection: one that makes them, or one that joins the shards.

    Raises:
        UserError: The encoder reads texts, and the collection has none.
    """
    measure, label = spec.head.measure, f"{encoder.name} / {collection}"
    alone = claims_on(spec, "encode_documents_per_second")
    made, searched = encoder_type(encoder), spec.collections[collection]
    if made.encodes() and not REGISTRIES.collections.get(searched.type).has_texts(searched.params):
        raise UserError(
            f"the encoder {encoder.name!r} reads texts, and the collection {collection!r} has none",
            file=spec.file,
            key=f"encoders.{encoder.base}.type",
            remedy='use type = "vectors" or "dense-vectors" with vectors that were made from the texts, '
            "or give the collection its texts and leave texts = false out",
        )

    def encode(name: str, **shard: tuple[int, int]) -> Stage:
        return once(
            Stage(
                "encode",
                name,
                f"{STEPS}.encode:encode",
                {**settings_of(encoder), "threads": measure.work_threads, **shard},
                inputs,
                made.modules(encoder.params),
                (*made.libraries_with(encoder.params), *VECTORS),
                {"alone": True} if alone else {},
                measures="time" if alone else "nothing",
                threads=measure.work_threads,
                gpus=made.gpus(),
                after=(check,) if check else (),
                holds="" if alone else inputs["model"].key,
            )
        )

    count = measure.encode_shards
    if count == 1:
        return encode(f"encode {label}")
    names = [f"encode {label}, shard {number + 1} of {count}" for number in range(count)]
    shards = {f"shard{number:05}": encode(name, shard=(number, count)) for number, name in enumerate(names)}
    joined = Stage("encode", f"join {label}", f"{STEPS}.encode:join", {}, shards, libraries=("numpy",))
    return once(replace(joined, measures=next(iter(shards.values())).measures))
