"""The type of what a JSON file or a JSON message may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""Any JSON value. ``isinstance(value, Mapping)`` narrows it to a `JsonTable`.

A table of a spec takes `pydantic.JsonValue` for its fields: pydantic needs a type that exists at run time.
"""
JsonTable: TypeAlias = "Mapping[str, JsonValue]"
"""A JSON object."""
