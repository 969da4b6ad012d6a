"""A JSON Schema as pydantic writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, cast

if TYPE_CHECKING:
    from harness.jsonvalue import JsonValue
    from harness.spec.params import Params

SchemaNode = TypedDict(
    "SchemaNode",
    {
        "$schema": str,
        "$defs": "dict[str, SchemaNode]",
        "$ref": str,
        "title": str,
        "description": str,
        "type": str,
        "const": "JsonValue",
        "enum": "list[str]",
        "pattern": str,
        "properties": "dict[str, SchemaNode]",
        "additionalProperties": "bool | SchemaNode",
        "propertyNames": "SchemaNode",
        "required": "list[str]",
        "items": "SchemaNode",
        "anyOf": "list[SchemaNode]",
        "oneOf": "list[SchemaNode]",
        "minItems": int,
        "minProperties": int,
        "default": "JsonValue",
        "minimum": float,
        "maximum": float,
        "exclusiveMinimum": float,
        "exclusiveMaximum": float,
    },
    total=False,
)
"""A schema, or a part of one: the keywords that are read or written here."""


def schema_of(model: type[Params]) -> SchemaNode:
    """The schema of a table of a spec, with its definitions under ``$defs``."""
    return cast("SchemaNode", model.model_json_schema(ref_template="#/$defs/{model}"))


def resolved(schema: SchemaNode, node: SchemaNode) -> SchemaNode:
    """A part of a schema; the definition where the part refers to one."""
    return schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
