"""Panels as JSON: what is hashed, and what another process gets that draws them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import fields, is_dataclass
from datetime import datetime
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.jsonvalue import JsonValue


def panel_to_json(value: object) -> JsonValue:
    """What `panel_from_json` makes an equal value of; a tuple without names comes back as a list.

    Args:
        value: A panel, or what one may hold: numbers, texts, dates, arrays of these, and dicts, lists, tuples and
            dataclasses of them.

    Raises:
        TypeError: It is something else.
    """
    match value:
        case None | bool() | str() | int() | float():
            return value
        case np.number():
            return panel_to_json(value.item())
        case datetime():
            return {"time": value.isoformat()}
        case np.ndarray() if not value.dtype.hasobject:
            text = b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")
            return {"array": text, "shape": list(value.shape), "dtype": value.dtype.str}
        case dict():
            return {"dict": [[panel_to_json(name), panel_to_json(part)] for name, part in value.items()]}
        case list() | tuple() if not hasattr(value, "_fields"):
            return [panel_to_json(part) for part in value]
        case _ if names := _names(type(value)):
            parts = {name: panel_to_json(getattr(value, name)) for name in names}
            return {"class": [type(value).__module__, type(value).__qualname__], "parts": parts}
    raise TypeError(f"a panel cannot hold {type(value).__name__}")


def panel_from_json(made: object) -> object:
    """The value that `panel_to_json` was given.

    Raises:
        TypeError: It names a class that holds no data.
    """
    match made:
        case list():
            return [panel_from_json(part) for part in made]
        case {"time": str(text)}:
            return datetime.fromisoformat(text)
        case {"array": str(text), "shape": list(shape), "dtype": str(dtype)}:
            return np.frombuffer(b64decode(text), dtype).reshape(shape).copy()
        case {"dict": list(rows)}:
            return {panel_from_json(name): panel_from_json(part) for name, part in rows}
        case {"class": [str(module), str(name)], "parts": dict(parts)}:
            kind = attrgetter(name)(import_module(module))
            if not _names(kind):
                raise TypeError(f"{name} of {module} holds no data")
            return kind(**{part: panel_from_json(value) for part, value in parts.items()})
    return made


def _names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass or of a tuple with names; none of anything else."""
    if is_dataclass(kind):
        return tuple(field.name for field in fields(kind))
    return tuple(getattr(kind, "_fields", ()))
