"""From a TOML file to a checked, expanded `Spec`: every check that needs no data."""

from __future__ import annotations

import itertools
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING

from harness.errors import allowed
from harness.spec.checks import check_claims, check_measurements, check_nightly, check_quality
from harness.spec.fusion import RANK_CONSTANT, Fusion, FusionSpec
from harness.spec.models import PairsSpec, Part, Spec, SpecHead, System, SystemSpec
from harness.spec.named_suites import suites_of
from harness.spec.registries import AXES, SINGULAR
from harness.spec.source import Source, validate
from harness.spec.toml import apply_overrides, read_toml
from harness.spec.variants import swept_variants, variants

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from harness.spec.registries import Axis, CollectionType, PartType, Registries
    from harness.spec.toml import KeyPath, TomlTable, TomlValue


def load_spec(file: Path, registries: Registries, overrides: Sequence[str] = ()) -> Spec:
    """Read, check and expand a spec.

    Args:
        file: The TOML file.
        registries: The implementations that its tables may name.
        overrides: ``key=value`` texts that change it.

    Raises:
        UserError: Unknown key, wrong type, impossible pair, duplicate or unknown name; with file, line, key path, what
            stands there, what is allowed, and the nearest valid name.
        MultipleUserError: The spec has several such mistakes.
    """
    return spec_of(*read_toml(file), registries, overrides, file=file)


def spec_of(
    text: str, content: TomlTable, registries: Registries, overrides: Sequence[str] = (), *, file: Path
) -> Spec:
    """Check and expand a spec that was read already.

    Args:
        text: The spec as TOML.
        content: The same, parsed; it is changed.
        registries: The implementations that its tables may name.
        overrides: ``key=value`` texts that change it.
        file: Where an error says that it stands.

    Raises:
        UserError: As `load_spec`.
    """
    apply_overrides(content, overrides)
    source = Source(file, text)
    tables = {axis: content.pop(axis, {}) for axis in AXES}
    # What a mistake makes of later checks is not another mistake, so that each step needs the ones before.
    with source.gathering():
        head = validate(source, SpecHead, content, (), also=AXES)
        for check in (partial(check_measurements, registry=registries.measurements), check_quality, check_nightly):
            with source.gathering():
                check(source, head)
    parts = _all_parts(source, tables, registries, content)
    source.settle()
    _check_pairs(source, parts, registries)
    systems = _systems(source, head, parts, registries)
    with source.gathering():
        suites = suites_of(source, head.suites, parts["collections"])
    _check_lessons(source, parts["encoders"], systems)
    source.settle()
    fusions = _fusions(source, head, systems)
    source.settle()
    check_claims(source, head, (systems, fusions), parts, suites)
    source.settle()
    by_name = {axis: {part.name: part for group in parts[axis].values() for part in group} for axis in AXES}
    return Spec(
        file,
        text,
        head,
        by_name["collections"],
        by_name["encoders"],
        by_name["indexes"],
        systems,
        tuple(overrides),
        suites,
        fusions,
    )


def _all_parts(
    source: Source, tables: Mapping[str, TomlValue], registries: Registries, others: Collection[str]
) -> dict[str, dict[str, list[Part]]]:
    """The parts of every axis by the name that the spec gives them, matrices expanded.

    `others`: the other keys of the spec.
    """
    collections = _tables(source, "collections", tables["collections"], registries.collections, others)
    encoders = _tables(source, "encoders", tables["encoders"], registries.encoders, others)
    indexes = _tables(source, "indexes", tables["indexes"], registries.indexes, others)
    parts: dict[str, dict[str, list[Part]]] = {axis: {} for axis in AXES}
    for name, table in collections.items():
        with source.gathering():
            parts["collections"][name] = _collection(source, name, table, registries.collections)
    for name, table in encoders.items():
        with source.gathering():
            given, matrix = table.pop("pairs", None), table.pop("matrix", {})
            lessons = _pairs(source, name, given, sorted(collections))
            parts["encoders"][name] = variants(source, ("encoders", name), table, matrix, registries.encoders, lessons)
    for name, table in indexes.items():
        with source.gathering():
            parts["indexes"][name] = swept_variants(source, name, table, registries.indexes)
    return parts


def _tables(
    source: Source, axis: str, given: TomlValue, registry: Axis[PartType], others: Collection[str]
) -> dict[str, TomlTable]:
    """The tables of an axis, each a copy whose type is known."""
    if not isinstance(given, dict) or not given:
        # A mistyped key, which is a mistake of its own, explains why there is none.
        if not get_close_matches(axis, others, n=1, cutoff=0.75):
            what, remedy = (
                f"at least one {SINGULAR[axis]} is needed",
                f"add [{axis}.NAME] with type = one of {registry.names()}",
            )
            source.problems.append(source.error(what, (axis,), remedy))
        return {}
    tables: dict[str, TomlTable] = {}
    for name, table in given.items():
        with source.gathering():
            tables[name] = _table(source, axis, name, table, registry)
    return tables


def _table(source: Source, axis: str, name: str, table: TomlValue, registry: Axis[PartType]) -> TomlTable:
    path = (axis, name)
    if not isinstance(table, dict):
        raise source.error(f"found {table!r}: a table is needed", path, f"write [{axis}.{name}]")
    if "type" not in table:
        raise source.error("the key 'type' is missing", path, allowed("", registry.names()))
    if table["type"] not in registry.names():
        raise source.error(
            f"there is no {SINGULAR[axis]} {table['type']!r}",
            (*path, "type"),
            allowed(str(table["type"]), registry.names()),
        )
    return dict(table)


def _collection(source: Source, name: str, table: TomlTable, registry: Axis[CollectionType]) -> list[Part]:
    """A collection, or those that a suite or a matrix makes of its table."""
    kind, matrix = str(table["type"]), table.pop("matrix", {})
    written = {key: value for key, value in table.items() if key != "type"}
    maker = registry.get(kind)
    if isinstance(matrix, dict):
        settings, matrix = maker.expanded(written, matrix)
        table = {"type": kind, **settings}
    parts = variants(source, ("collections", name), table, matrix, registry)
    return [replace(part, suite=maker.suite_task(written, part.params)) for part in parts]


def _pairs(source: Source, name: str, given: TomlValue | None, collections: Sequence[str]) -> PairsSpec | None:
    """What an encoder trains on: the name of a collection, or a table with more."""
    if given is None:
        return None
    if isinstance(given, str):
        return PairsSpec(collection=given)
    path = ("encoders", name, "pairs")
    if isinstance(given, dict):
        return validate(source, PairsSpec, given, path)
    raise source.error(
        f"found {given!r}: the name of a collection, or a table is needed", path, f"one of {collections}"
    )


def _check_pairs(source: Source, parts: Mapping[str, Mapping[str, list[Part]]], registries: Registries) -> None:
    for name, group in parts["encoders"].items():
        with source.gathering():
            pairs = group[0].pairs
            trained = any(registries.encoders.get(part.type)(part.params).needs() == "pairs" for part in group)
            if pairs is None and trained:
                raise source.error(
                    f"encoder {name!r} learns from training pairs, but the spec names none",
                    ("encoders", name, "pairs"),
                    f"add pairs = one of {sorted(parts['collections'])}",
                )
            if pairs is not None and pairs not in parts["collections"]:
                raise source.error(
                    f"there is no collection {pairs!r} to train on",
                    ("encoders", name, "pairs"),
                    allowed(str(pairs), parts["collections"]),
                )
    for name, group in parts["collections"].items():
        if len(group) > 1:
            continue
        with source.gathering():
            if len(name) > 100 or "/" in name:
                raise source.error(
                    f"{name!r} cannot name a collection", ("collections", name), "use letters, digits and - _ ."
                )


def _systems(
    source: Source, head: SpecHead, parts: Mapping[str, Mapping[str, list[Part]]], registries: Registries
) -> tuple[System, ...]:
    systems: list[System] = []
    numbers: dict[str, int] = {}
    for number, written in enumerate(head.systems):
        path = ("systems", number)
        with source.gathering():
            encoders = _named(source, (*path, "encoder"), written.encoder, parts["encoders"])
            indexes = _named(source, (*path, "index"), written.index, parts["indexes"])
            collections = _collections(source, (*path, "collections"), written, parts["collections"])
            for encoder, index in itertools.product(encoders, indexes):
                _check_pair(source, path, encoder, index, registries)
                family = _system_name(written, encoder, index, len(encoders) * len({part.unswept for part in indexes}))
                name = family + index.swept_text
                if name in numbers:
                    raise source.error(
                        f"system {name!r} appears twice (also systems[{numbers[name]}])",
                        path,
                        "give one of them another name",
                    )
                numbers[name] = number
                systems.append(System(name, encoder, index, collections, family if index.swept else ""))
    return tuple(systems)


def _check_lessons(source: Source, encoders: Mapping[str, list[Part]], systems: Sequence[System]) -> None:
    """Refuse systems that add to training pairs and are not there, or would have to be trained on such pairs first."""
    known = {system.name: system for system in systems}
    for name, group in encoders.items():
        lessons = group[0].lessons
        for key in ("mine", "teachers"):
            for place, system in enumerate(getattr(lessons, key, ())):
                path = ("encoders", name, "pairs", key, place)
                with source.gathering():
                    if system not in known:
                        raise source.error(f"there is no system {system!r} in this spec", path, allowed(system, known))
                    own = known[system].encoder.lessons
                    if own is not None and (own.mine or own.teachers):
                        raise source.error(
                            f"{system!r} learns from other systems itself", path, "name a system that does not"
                        )


def _fusions(source: Source, head: SpecHead, systems: Sequence[System]) -> tuple[Fusion, ...]:
    known = {system.name: system for system in systems}
    fusions: dict[str, Fusion] = {}
    for number, written in enumerate(head.fusions):
        path = ("fusions", number)
        with source.gathering():
            if written.name in known or written.name in fusions:
                raise source.error(
                    f"system {written.name!r} appears twice", (*path, "name"), "give one of them another name"
                )
            _check_fused(
                source, (*path, "systems"), written.systems, known, [other.name for other in head.fusions[:number]]
            )
            fusions[written.name] = Fusion(
                written.name,
                tuple(written.systems),
                written.method,
                RANK_CONSTANT if written.rank_constant is None else written.rank_constant,
                written.normalisation or "min-max",
                tuple(written.weights or (1.0 for _ in written.systems)),
                written.depth,
                _shared_collections(source, path, written, [known[name] for name in written.systems]),
            )
    return tuple(fusions.values())


def _check_fused(
    source: Source, path: KeyPath, names: Sequence[str], known: Mapping[str, System], fusions: Sequence[str]
) -> None:
    """Refuse what cannot be fused."""
    for place, name in enumerate(names):
        if name in fusions:
            raise source.error(f"{name!r} is a fusion itself", (*path, place), "name the systems that it fuses")
        if name not in known:
            raise source.error(f"there is no system {name!r} in this spec", (*path, place), allowed(name, known))
        if name in names[:place]:
            raise source.error(f"system {name!r} appears twice", (*path, place), "name it once, with a weight")


def _shared_collections(
    source: Source, path: KeyPath, written: FusionSpec, systems: Sequence[System]
) -> tuple[str, ...]:
    """The collections of a fusion: of those that all its systems have, those that it names."""
    shared = [name for name in systems[0].collections if all(name in system.collections for system in systems)]
    if not shared:
        raise source.error("no collection has all these systems", (*path, "systems"), "let them share a collection")
    for place, name in enumerate(written.collections or ()):
        if name not in shared:
            what = f"the systems of this fusion share no collection {name!r}"
            raise source.error(what, (*path, "collections", place), allowed(name, shared))
    return tuple(dict.fromkeys(written.collections or shared))


def _named(source: Source, path: KeyPath, names: str | list[str], known: Mapping[str, list[Part]]) -> list[Part]:
    named: list[Part] = []
    variants = {part.name: part for group in known.values() for part in group}
    for name in [names] if isinstance(names, str) else names:
        if name in known:
            named += known[name]
        elif name in variants:
            named.append(variants[name])
        else:
            raise source.error(f"there is no {path[-1]} {name!r} in this spec", path, allowed(name, known))
    return named


def _collections(
    source: Source, path: KeyPath, written: SystemSpec, known: Mapping[str, list[Part]]
) -> tuple[str, ...]:
    if written.collections is None:
        return tuple(part.name for group in known.values() for part in group)
    return tuple(part.name for name in written.collections for part in _named(source, path, name, known))


def _system_name(written: SystemSpec, encoder: Part, index: Part, product: int) -> str:
    if product == 1:
        return written.name or f"{encoder.name} + {index.unswept}"
    if written.name is None:
        return f"{encoder.name} + {index.unswept}"
    tags = [encoder.base] if isinstance(written.encoder, list) else []
    tags += [f"{key}={value}" for key, value in encoder.varied]
    tags += [index.base] if isinstance(written.index, list) else []
    tags += [f"{key}={value}" for key, value in index.varied]
    return f"{written.name}[{', '.join(tags)}]"


def _check_pair(source: Source, path: KeyPath, encoder: Part, index: Part, registries: Registries) -> None:
    """Refuse a pair that cannot work before anything is done."""
    kind = registries.encoders.get(encoder.type).kind
    engine = registries.indexes.get(index.type)
    if kind != engine.supports.kind:
        fit = [name for name in registries.indexes.names() if registries.indexes.get(name).supports.kind == kind]
        raise source.error(
            f"impossible pair: encoder {encoder.name!r} ({encoder.type}) is {kind}, "
            f"index {index.name!r} ({index.type}) "
            f"takes {engine.supports.kind} vectors",
            (*path, "index"),
            f"use an index of type {' or '.join(fit) or '(none is installed)'} for this encoder",
        )
    width = registries.encoders.get(encoder.type)(encoder.params).width()
    most = engine.supports.max_width
    if width is not None and most is not None and width > most:
        raise source.error(
            f"impossible pair: encoder {encoder.name!r} has {width} columns, "
            f"index {index.name!r} ({index.type}) takes at "
            f"most {most}",
            (*path, "index"),
            "use an index without this bound",
        )
