"""From a TOML file to a checked, expanded `Spec`: every check that needs no data."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import ValidationError

from harness.errors import UserError, allowed
from harness.spec.models import Part, Spec, SpecHead, System, SystemSpec
from harness.spec.params import Params
from harness.spec.toml import apply_overrides, key_text, line_of, read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

P = TypeVar("P", bound=Params)
AXES = ("collections", "encoders", "indexes")
SINGULAR = {"collections": "collection", "encoders": "encoder", "indexes": "index"}


class Axis(Protocol):
    """What the spec must know of a registry."""

    def names(self) -> list[str]:
        """All names that `type` may have."""
        ...

    def get(self, name: str) -> Any:
        """The implementation, with its `Params`."""
        ...


@dataclass(frozen=True)
class Registries:
    """The implementations that a spec names: on three axes, and the measurements of `measure.also`."""

    collections: Axis
    encoders: Axis
    indexes: Axis
    measurements: Axis


@dataclass(frozen=True)
class _Source:
    """Where the spec came from, to say where something is wrong."""

    file: Path
    text: str

    def error(self, what: str, path: Sequence[str | int], remedy: str | None = None) -> UserError:
        return UserError(what, file=self.file, line=line_of(self.text, path), key=key_text(path), remedy=remedy)


def load_spec(file: Path, registries: Registries, overrides: Sequence[str] = ()) -> Spec:
    """Read, check and expand a spec.

    Args:
        file: The TOML file.
        registries: The implementations that its tables may name.
        overrides: ``key=value`` texts that change it.

    Raises:
        UserError: Unknown key, wrong type, impossible pair, duplicate or unknown name; with file, line, key path, what
            was found, what is allowed, and the nearest valid name.
    """
    return spec_of(*read_toml(file), registries, overrides, file=file)


def spec_of(
    text: str, content: dict[str, Any], registries: Registries, overrides: Sequence[str] = (), *, file: Path
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
    source = _Source(file, text)
    tables = {axis: content.pop(axis, {}) for axis in AXES}
    head = _validate(source, SpecHead, content, (), also=AXES)
    _check_measurements(source, head, registries.measurements)
    parts = {axis: _parts(source, axis, tables[axis], getattr(registries, axis)) for axis in AXES}
    _check_pairs(source, parts, registries)
    systems = _systems(source, head, parts, registries)
    _check_claims(source, head, systems, parts)
    _check_nightly(source, head)
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
    )


def _validate(
    source: _Source, model: type[P], content: Mapping[str, Any], path: tuple[str | int, ...], also: Sequence[str] = ()
) -> P:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        first = problems[0]
        where = (*path, *(p for p in first["loc"] if not str(p).startswith(("list[", "function-", "str"))))
        raise source.error(*_explain(first, where, model, also, len(problems) - 1)) from None


def _explain(
    problem: Any, where: tuple[str | int, ...], model: type[Params], also: Sequence[str], more: int
) -> tuple[str, tuple[str | int, ...], str | None]:
    """One sentence and a remedy for a pydantic problem."""
    found = problem["input"]
    shown = repr(found) if len(repr(found)) <= 80 else repr(found)[:77] + "..."
    remedy: str | None
    if problem["type"] == "extra_forbidden":
        names = _fields_at(model, problem["loc"][:-1])
        what, remedy = "unknown key", allowed(str(where[-1]), [*names, *(also if len(problem["loc"]) == 1 else ())])
    elif problem["type"] == "missing":
        what, remedy = "this key is needed and missing", "add it"
    else:
        what, remedy = f"found {shown} ({type(found).__name__}): {problem['msg']}", "correct the value"
    if more:
        what += f" ({more} more problem{'s' if more > 1 else ''} in this spec)"
    return what, where, remedy


def _fields_at(model: type[Params], path: Sequence[str | int]) -> list[str]:
    """Names of the fields of the model that stands at a path below `model`."""
    schema = model.model_json_schema()
    node: Any = schema
    for part in path:
        options = [node, *node.get("anyOf", ()), *node.get("oneOf", ())]
        for option in options:
            option = _deref(schema, option)
            following = option.get("items") if isinstance(part, int) else option.get("properties", {}).get(part)
            if following is not None:
                node = _deref(schema, following)
                break
    names = list(node.get("properties", {}))
    for option in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        names += list(_deref(schema, option).get("properties", {}))
    return names


def _deref(schema: Any, node: Any) -> Any:
    return schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _parts(source: _Source, axis: str, table: Any, registry: Axis) -> dict[str, list[Part]]:
    """All parts of one axis by the name that the spec gives them, matrices expanded."""
    if not isinstance(table, dict) or not table:
        raise source.error(
            f"at least one {SINGULAR[axis]} is needed",
            (axis,),
            f"add [{axis}.NAME] with type = one of {registry.names()}",
        )
    parts: dict[str, list[Part]] = {}
    for name, given in table.items():
        path = (axis, name)
        if not isinstance(given, dict):
            raise source.error(f"found {given!r}: a table is needed", path, f"write [{axis}.{name}]")
        settings = dict(given)
        kind = settings.pop("type", None)
        if kind is None:
            raise source.error("the key 'type' is needed and missing", path, allowed("", registry.names()))
        if kind not in registry.names():
            raise source.error(
                f"there is no {SINGULAR[axis]} {kind!r}", (*path, "type"), allowed(str(kind), registry.names())
            )
        pairs = settings.pop("pairs", None) if axis == "encoders" else None
        matrix = settings.pop("matrix", {})
        if axis == "collections" and isinstance(matrix, dict):
            settings, matrix = registry.get(kind).expanded(settings, matrix)
        parts[name] = []
        for choice in _choices(source, matrix, (*path, "matrix")):
            chosen = _with(settings, choice)
            also = ("type", "matrix", "pairs") if axis == "encoders" else ("type", "matrix")
            params = _validate(source, registry.get(kind).Params, chosen, path, also)
            varied = tuple((key, _short(value)) for key, value in choice.items())
            tag = f"[{', '.join(f'{key}={value}' for key, value in varied)}]" if varied else ""
            parts[name].append(Part(name, name + tag, kind, params, pairs, varied))
    return parts


def _short(value: Any) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _choices(source: _Source, matrix: Any, path: tuple[str, ...]) -> list[dict[str, Any]]:
    """The product of the lists of a matrix, each as {dotted key: value}."""
    if not isinstance(matrix, dict):
        raise source.error("a matrix is a table of lists", path, "for example matrix = { weights = ['u8', 'float32'] }")
    for key, values in matrix.items():
        if not isinstance(values, list) or not values:
            raise source.error(f"found {values!r}: a list of values is needed", (*path, key), "write [value, value]")
        if len({repr(value) for value in values}) != len(values):
            raise source.error("a value stands twice in this list", (*path, key), "remove one of them")
    return [dict(zip(matrix, values, strict=True)) for values in itertools.product(*matrix.values())]


def _with(settings: Mapping[str, Any], choice: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with each dotted key of a choice set."""
    result = dict(settings)
    for dotted, value in choice.items():
        *parents, last = dotted.split(".")
        node = result
        for parent in parents:
            below = node.get(parent)
            node[parent] = dict(below) if isinstance(below, dict) else {}
            node = node[parent]
        node[last] = value
    return result


def _check_measurements(source: _Source, head: SpecHead, registry: Axis) -> None:
    for place, name in enumerate(head.measure.also):
        if name not in registry.names():
            path = ("measure", "also", place)
            raise source.error(f"there is no measurement {name!r}", path, allowed(name, registry.names()))


def _check_pairs(source: _Source, parts: Mapping[str, Mapping[str, list[Part]]], registries: Registries) -> None:
    for name, group in parts["encoders"].items():
        pairs = group[0].pairs
        if not isinstance(pairs, str | None):
            raise source.error(
                f"found {pairs!r}: the name of a collection is needed",
                ("encoders", name, "pairs"),
                f"one of {sorted(parts['collections'])}",
            )
        trained = any(registries.encoders.get(part.type)(part.params).needs() == "pairs" for part in group)
        if pairs is None and trained:
            raise source.error(
                f"encoder {name!r} learns from training pairs, and none are named",
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
        if len(name) > 100 or "/" in name:
            raise source.error(
                f"{name!r} cannot name a collection", ("collections", name), "use letters, digits and - _ ."
            )


def _systems(
    source: _Source, head: SpecHead, parts: Mapping[str, Mapping[str, list[Part]]], registries: Registries
) -> tuple[System, ...]:
    systems: list[System] = []
    seen: dict[str, int] = {}
    for number, asked in enumerate(head.systems):
        path = ("systems", number)
        encoders = _named(source, (*path, "encoder"), asked.encoder, parts["encoders"])
        indexes = _named(source, (*path, "index"), asked.index, parts["indexes"])
        collections = _collections(source, (*path, "collections"), asked, parts["collections"])
        for encoder, index in itertools.product(encoders, indexes):
            _check_pair(source, path, encoder, index, registries)
            name = _system_name(asked, encoder, index, len(encoders) * len(indexes))
            if name in seen:
                raise source.error(
                    f"system {name!r} is there twice (also systems[{seen[name]}])",
                    path,
                    "give one of them another name",
                )
            seen[name] = number
            systems.append(System(name, encoder, index, collections))
    return tuple(systems)


def _named(
    source: _Source, path: tuple[str | int, ...], asked: str | list[str], known: Mapping[str, list[Part]]
) -> list[Part]:
    found: list[Part] = []
    variants = {part.name: part for group in known.values() for part in group}
    for name in [asked] if isinstance(asked, str) else asked:
        if name in known:
            found += known[name]
        elif name in variants:
            found.append(variants[name])
        else:
            raise source.error(f"there is no {path[-1]} {name!r} in this spec", path, allowed(name, known))
    return found


def _collections(
    source: _Source, path: tuple[str | int, ...], asked: SystemSpec, known: Mapping[str, list[Part]]
) -> tuple[str, ...]:
    if asked.collections is None:
        return tuple(part.name for group in known.values() for part in group)
    return tuple(part.name for name in asked.collections for part in _named(source, path, name, known))


def _system_name(asked: SystemSpec, encoder: Part, index: Part, product: int) -> str:
    if product == 1:
        return asked.name or f"{encoder.name} + {index.name}"
    if asked.name is None:
        return f"{encoder.name} + {index.name}"
    tags = [encoder.base] if isinstance(asked.encoder, list) else []
    tags += [f"{key}={value}" for key, value in encoder.varied]
    tags += [index.base] if isinstance(asked.index, list) else []
    tags += [f"{key}={value}" for key, value in index.varied]
    return f"{asked.name}[{', '.join(tags)}]"


def _check_pair(
    source: _Source, path: tuple[str | int, ...], encoder: Part, index: Part, registries: Registries
) -> None:
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


def _check_claims(
    source: _Source, head: SpecHead, systems: Sequence[System], parts: Mapping[str, Mapping[str, list[Part]]]
) -> None:
    from harness.metrics import METRICS

    names = [system.name for system in systems]
    collections = [part.name for group in parts["collections"].values() for part in group]
    titles: set[str] = set()
    for number, claim in enumerate(head.claims):
        path = ("claims", number)
        for key in ("system", "baseline"):
            if getattr(claim, key) not in names:
                found = getattr(claim, key)
                raise source.error(f"there is no system {found!r} in this spec", (*path, key), allowed(found, names))
        if claim.metric.partition("/")[0] not in METRICS:
            raise source.error(
                f"there is no metric {claim.metric!r}",
                (*path, "metric"),
                allowed(claim.metric.partition("/")[0], METRICS),
            )
        if not METRICS[claim.metric.partition("/")[0]].decides:
            raise source.error(
                f"no claim can rest on {claim.metric}: it is an estimate or measures more than the system",
                (*path, "metric"),
                "claim something about latency, FLOPs or bytes",
            )
        if claim.collection is not None and claim.collection not in collections:
            raise source.error(
                f"there is no collection {claim.collection!r} in this spec",
                (*path, "collection"),
                allowed(claim.collection, collections),
            )
        if claim.name in titles:
            raise source.error(f"two claims have the name {claim.name!r}", path, "give one of them another name")
        titles.add(claim.name)


def _check_nightly(source: _Source, head: SpecHead) -> None:
    from harness.metrics import METRICS

    for name in head.nightly.thresholds:
        base = name.partition("/")[0]
        if base not in METRICS:
            path = ("nightly", "thresholds", name)
            raise source.error(f"there is no metric {base!r}", path, allowed(base, METRICS))
