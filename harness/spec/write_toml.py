"""A spec that was made in Python, as TOML: a run folder keeps its spec as text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TypeAlias

from harness.errors import UserError

Writable: TypeAlias = "bool | int | float | str | PurePath | Sequence[Writable] | Mapping[str, Writable]"
"""What TOML can hold."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
MOST_TABLES = 64
"""Tables inside each other; more is a structure that refers to itself."""


def to_toml(content: Mapping[str, Writable]) -> str:
    """TOML of nested tables, so that ``tomllib.loads`` gives the content back.

    Values are str, bool, int, float, path (written as text), list or tuple (read as list) and mapping. Values come
    before tables, which TOML demands.

    Raises:
        UserError: A value is of another kind (None, say), or a key is no text; the key is named.
    """
    lines: list[str] = []
    _table(lines, content, ())
    return "\n".join(lines) + "\n"


def _table(lines: list[str], table: Mapping[str, Writable], path: tuple[str, ...]) -> None:
    if len(path) > MOST_TABLES:
        raise _refused(path[:3], "has too many tables inside each other")
    for key in table:
        if not isinstance(key, str):
            raise _refused(path, f"has the key {key!r}, which is no text")
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    arrays = {key: inner for key, value in table.items() if (inner := _array_of_tables(value))}
    for key, value in table.items():
        if key not in tables and key not in arrays:
            lines.append(f"{_key(key)} = {_value(value, (*path, key))}")
    for key, value in tables.items():
        lines.append(f"[{_dotted((*path, key))}]")
        _table(lines, value, (*path, key))
    for key, values in arrays.items():
        for value in values:
            lines.append(f"[[{_dotted((*path, key))}]]")
            _table(lines, value, (*path, key))


def _array_of_tables(value: Writable) -> list[Mapping[str, Writable]]:
    """The tables of a list that holds nothing else; none of any other value."""
    if not isinstance(value, list | tuple):
        return []
    tables = [item for item in value if isinstance(item, Mapping)]
    return tables if len(tables) == len(value) else []


def _value(value: Writable, path: tuple[str, ...]) -> str:
    if len(path) > MOST_TABLES:
        raise _refused(path[:3], "has too many values inside each other")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    if isinstance(value, str | PurePath):
        return _text(str(value))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item, (*path, str(place))) for place, item in enumerate(value)) + "]"
    if isinstance(value, Mapping):
        pairs = (f"{_key(str(key))} = {_value(item, (*path, str(key)))}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    raise _refused(path, f"is {value!r} ({type(value).__name__})")


def _refused(path: tuple[str, ...], what: str) -> UserError:
    key = ".".join(path) or "the spec"
    return UserError(f"{key} {what}", key=key, remedy="give text, a number, true or false, a list or a table")


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML forbids it unescaped, JSON does not


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(map(_key, path))
