"""Frozen dataclasses as JSON and back: what one process writes, another reads by attribute."""

from __future__ import annotations

import math
import types
from dataclasses import fields, is_dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.jsonvalue import JsonValue

T = TypeVar("T")


class JsonTypeError(ValueError):
    """JSON is not what a type declares; the message names the place and the fault."""


def to_json(value: object) -> JsonValue:
    """A value as JSON: dataclasses become objects by the names of their fields, tuples become arrays.

    Args:
        value: None, bool, int, float, str, a list, tuple or dict (keys are str) of such values, or a dataclass of them.

    Raises:
        JsonTypeError: It holds something else, a number that is not finite, or a field holds what its class does not
            declare: `from_json` gives an equal value of every dataclass, or there is no JSON.
    """
    return _to_json(value, "")


def from_json(kind: type[T], value: object) -> T:
    """The dataclass that JSON stands for.

    Fields may be bool, int, float (a whole number is one too), str, None, Literal, a union, ``tuple[X, ...]``,
    ``tuple[X, Y]``, ``list[X]``, ``dict[str, X]``, another dataclass, or ``object``, which takes any JSON as it is.
    Annotations must be there at run time.

    Args:
        kind: The dataclass.
        value: As `json.loads` gives it.

    Raises:
        JsonTypeError: A field is missing, is not declared or holds another type.
        TypeError: `kind` declares a type that this does not read.
    """
    made = _read(kind, value, "")
    assert isinstance(made, kind)  # noqa: S101 - `_read` makes what it is asked for
    return made


def _to_json(value: object, place: str) -> JsonValue:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise JsonTypeError(f"{place or 'it'}: {value} is not finite")
        return float(value)
    if isinstance(value, list | tuple):
        return [_to_json(item, f"{place}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, dict):
        if strange := [name for name in value if not isinstance(name, str)]:
            raise JsonTypeError(f"{place or 'it'}: the name {strange[0]!r} is no text")
        return {name: _to_json(item, _below(place, name)) for name, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        made = {field.name: _to_json(getattr(value, field.name), _below(place, field.name)) for field in fields(value)}
        if _read(type(value), made, place) != value:
            raise JsonTypeError(f"{place or 'it'}: {type(value).__name__} holds other types than it declares: {value}")
        return made
    raise JsonTypeError(f"{place or 'it'}: {type(value).__name__} is not JSON")


def _read(kind: object, value: object, place: str) -> object:
    """The value as this type."""
    if type(value) is kind and kind in _SCALARS:  # what most values are, at a fraction of the time
        return value
    reader = _reader(kind)
    if reader is None:
        raise TypeError(f"{place or 'it'}: {kind} cannot be read from JSON")
    return reader(value, place)


@cache
def _reader(kind: object) -> Callable[[object, str], object] | None:
    """What reads a value of this type; a ``match`` over types would read worse than a table of origins."""
    if kind is object:
        return lambda value, _: value
    if isinstance(kind, type) and is_dataclass(kind):
        return partial(_read_dataclass, kind)
    if kind is None or (isinstance(kind, type) and not get_args(kind)):
        return partial(_read_scalar, kind)
    reader = _READERS.get(get_origin(kind))
    return None if reader is None else partial(reader, get_args(kind))


def _read_dataclass(kind: type, value: object, place: str) -> object:
    if not isinstance(value, dict):
        raise _wrong(kind.__name__, value, place)
    declared = _hints(kind)
    for fault, names in (("missing", declared.keys() - value.keys()), ("not declared", value.keys() - declared.keys())):
        if names:
            raise JsonTypeError(f"{kind.__name__}: {', '.join(_below(place, str(n)) for n in sorted(names))}: {fault}")
    return kind(**{name: _read(hint, value[name], _below(place, name)) for name, hint in declared.items()})


@cache
def _hints(kind: type) -> dict[str, object]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _read_scalar(kind: type | None, value: object, place: str) -> object:
    if kind is float and type(value) is int:
        return float(value)
    wanted = type(None) if kind is None else kind
    if wanted not in _SCALARS:
        raise TypeError(f"{place or 'it'}: {kind} cannot be read from JSON")
    if type(value) is not wanted:
        raise _wrong(_SCALARS[wanted], value, place)
    return value


def _read_union(kinds: tuple[object, ...], value: object, place: str) -> object:
    faults = []
    # The type that the value has goes first: 1 is a whole number where a union has both int and float.
    for kind in sorted(kinds, key=lambda kind: kind is not type(value)):
        try:
            return _read(kind, value, place)
        except JsonTypeError as error:
            faults.append(str(error))
    raise JsonTypeError(" or ".join(dict.fromkeys(faults)))


def _read_literal(choices: tuple[object, ...], value: object, place: str) -> object:
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        raise _wrong(" or ".join(repr(choice) for choice in choices), value, place)
    return value


def _read_tuple(kinds: tuple[object, ...], value: object, place: str) -> object:
    if not isinstance(value, list):
        raise _wrong("an array", value, place)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise JsonTypeError(f"{place or 'it'}: {len(value)} values, not {len(kinds)}")
    return tuple(_read(kind, item, f"{place}[{n}]") for n, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _read_list(kinds: tuple[object, ...], value: object, place: str) -> object:
    if not isinstance(value, list):
        raise _wrong("an array", value, place)
    return [_read(kinds[0], item, f"{place}[{number}]") for number, item in enumerate(value)]


def _read_dict(kinds: tuple[object, ...], value: object, place: str) -> object:
    if not isinstance(value, dict):
        raise _wrong("an object", value, place)
    return {name: _read(kinds[1], item, _below(place, name)) for name, item in value.items()}


_READERS: dict[object, Callable[[tuple[object, ...], object, str], object]] = {
    Union: _read_union,
    types.UnionType: _read_union,
    Literal: _read_literal,
    tuple: _read_tuple,
    list: _read_list,
    dict: _read_dict,
}
_SCALARS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
}


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _wrong(wanted: str, value: object, place: str) -> JsonTypeError:
    text = repr(value)
    return JsonTypeError(f"{place or 'it'}: {text if len(text) <= 60 else text[:59] + '…'} is not {wanted}")
