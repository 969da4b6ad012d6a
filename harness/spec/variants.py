"""Tables of a spec that stand for several parts: a matrix of any parameters, a sweep over those of the search."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import allowed
from harness.spec.models import Part
from harness.spec.source import validate

if TYPE_CHECKING:
    from harness.spec.models import PairsSpec
    from harness.spec.registries import Axis, IndexType, PartType
    from harness.spec.source import Source
    from harness.spec.toml import KeyPath, TomlTable, TomlValue

MATRIX_EXAMPLE = "matrix = { weights = ['u8', 'float32'] }"
SWEEP_EXAMPLE = "sweep = { ef_search = [16, 32, 64] }"


def variants(
    source: Source,
    path: tuple[str, str],
    table: TomlTable,
    matrix: TomlValue,
    registry: Axis[PartType],
    lessons: PairsSpec | None = None,
) -> list[Part]:
    """A part for each choice of a matrix.

    Args:
        source: The spec.
        path: Axis and name of the table.
        table: Its type and settings.
        matrix: Lists of values by dotted key.
        registry: The implementations of the axis.
        lessons: What an encoder trains on.

    Raises:
        UserError: The matrix is no table of lists, or a part's settings are wrong.
    """
    axis, name = path
    kind = str(table["type"])
    settings = {key: value for key, value in table.items() if key != "type"}
    also = {"encoders": ("type", "matrix", "pairs"), "indexes": ("type", "matrix", "sweep")}.get(
        axis, ("type", "matrix")
    )
    parts = []
    for choice in _choices(source, matrix, (*path, "matrix"), "matrix", MATRIX_EXAMPLE):
        params = validate(source, registry.get(kind).Params, _with(settings, choice), path, also)
        varied = _texts(choice)
        tag = f"[{', '.join(f'{key}={value}' for key, value in varied)}]" if varied else ""
        pairs = None if lessons is None else lessons.collection
        parts.append(Part(name, name + tag, kind, params, pairs, lessons, varied))
    return parts


def swept_variants(source: Source, name: str, table: TomlTable, registry: Axis[IndexType]) -> list[Part]:
    """An index for each choice of its matrix, and of these one for each choice of its sweep.

    Args:
        source: The spec.
        name: Of the index.
        table: Its type and settings; matrix and sweep are taken out.
        registry: The engines.

    Raises:
        UserError: As `variants`; or the sweep has a key that is no parameter of the search, or one that is given twice.
    """
    matrix, sweep = table.pop("matrix", {}), table.pop("sweep", {})
    path = ("indexes", name)
    choices = _choices(source, sweep, (*path, "sweep"), "sweep", SWEEP_EXAMPLE)
    for key in choices[0]:
        _check_swept(source, (*path, "sweep", key), key, str(table["type"]), registry)
        if key in table or (isinstance(matrix, dict) and key in matrix):
            raise source.error(f"{key} is given twice: in the sweep and beside it", (*path, key), "remove one of them")
    parts = [
        replace(part, name=part.name + part.swept_text)
        for choice in choices
        for plain in variants(source, path, _with(table, choice), matrix, registry)
        for part in (replace(plain, swept=_texts(choice)),)
    ]
    return sorted(parts, key=lambda part: [other.varied for other in parts].index(part.varied))


def _check_swept(source: Source, path: KeyPath, key: str, kind: str, registry: Axis[IndexType]) -> None:
    engine = registry.get(kind)
    if key in engine.search_params:
        return
    if key in engine.Params.model_fields:
        what = f"{key} decides how {kind} builds its index; a sweep searches one index with several values"
        raise source.error(what, path, f"use matrix = {{ {key} = [...] }}")
    if engine.supports.exact:
        what = f"{kind} is exact: no parameter of its search trades recall for time"
        raise source.error(what, path, "sweep over an approximate engine")
    raise source.error(f"{kind} has no {key}", path, allowed(key, engine.search_params))


def _texts(choice: TomlTable) -> tuple[tuple[str, str], ...]:
    return tuple((key, _short(value)) for key, value in choice.items())


def _short(value: TomlValue) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _choices(source: Source, given: TomlValue, path: KeyPath, what: str, example: str) -> list[TomlTable]:
    """The product of the lists of a matrix or a sweep, each as {dotted key: value}."""
    if not isinstance(given, dict):
        raise source.error(f"a {what} is a table of lists", path, f"for example {example}")
    lists: dict[str, list[TomlValue]] = {}
    for key, values in given.items():
        if not isinstance(values, list) or not values:
            raise source.error(f"found {values!r}: a list of values is needed", (*path, key), "write [value, value]")
        if len({repr(value) for value in values}) != len(values):
            raise source.error("a value appears twice in this list", (*path, key), "remove one of them")
        lists[key] = values
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]


def _with(settings: TomlTable, choice: TomlTable) -> TomlTable:
    """The settings with each dotted key of a choice set."""
    result = dict(settings)
    for dotted, value in choice.items():
        *parents, last = dotted.split(".")
        node = result
        for parent in parents:
            below = node.get(parent)
            node[parent] = inner = dict(below) if isinstance(below, dict) else {}
            node = inner
        node[last] = value
    return result
