"""The parameters of an implementation, in words for a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness.spec.schema_node import resolved, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.spec.params import Params
    from harness.spec.schema_node import SchemaNode

WORDS = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "object": "table"}
BOUNDS: Mapping[Literal["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"], str] = {
    "minimum": ">=",
    "exclusiveMinimum": ">",
    "maximum": "<=",
    "exclusiveMaximum": "<",
}


class Parameter(NamedTuple):
    """A key of a table of a spec.

    Attributes:
        key: Dotted where it stands in an inner table; ``name[]`` is a list of tables.
        values: What it takes, such as ``integer >= 1``.
        default: As TOML has it; ``needed`` where there is none, empty where it may be left out.
        description: One sentence or more.
    """

    key: str
    values: str
    default: str
    description: str


def parameters(model: type[Params]) -> list[Parameter]:
    """Every key that a table may have, each inner table's keys after the key of the table.

    Args:
        model: Of the table.
    """
    schema = schema_of(model)
    return list(_of_table(schema, schema, ""))


def _of_table(schema: SchemaNode, table: SchemaNode, prefix: str) -> Iterator[Parameter]:
    for key, node in table.get("properties", {}).items():
        default = "needed" if key in table.get("required", ()) else _default(node)
        about = " ".join(node.get("description", "").split())
        yield Parameter(prefix + key, " or ".join(_values(schema, node)), default, about)
        for option, mark in _tables(schema, node):
            yield from _of_table(schema, option, f"{prefix}{key}{mark}.")


def _options(node: SchemaNode) -> list[SchemaNode]:
    """The members of a union but null; a node that is none is its only member."""
    members = node.get("anyOf") or node.get("oneOf") or [node]
    return [member for member in members if member.get("type") != "null"]


def _tables(schema: SchemaNode, node: SchemaNode) -> Iterator[tuple[SchemaNode, str]]:
    """The inner tables that a key may hold, each with what marks a list of them."""
    for option in _options(node):
        mark = "[]" if option.get("type") == "array" else ""
        for inner in _options(option.get("items", option)):
            table = resolved(schema, inner)
            if "properties" in table:
                yield table, mark


def _values(schema: SchemaNode, node: SchemaNode) -> list[str]:
    return list(dict.fromkeys(_value(schema, option) for option in _options(node)))


def _value(schema: SchemaNode, written: SchemaNode) -> str:
    node = resolved(schema, written)
    if "enum" in node:
        return " or ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    if node.get("type") == "array":
        return f"list of {' or '.join(_values(schema, node['items']))}" if "items" in node else "list"
    bounds = [f"{sign} {node[name]:g}" for name, sign in BOUNDS.items() if name in node]
    return " ".join([WORDS.get(node.get("type", ""), "value"), " and ".join(bounds)]).strip()


def _default(node: SchemaNode) -> str:
    value = node.get("default")
    return "" if value is None else json.dumps(value, ensure_ascii=False)
