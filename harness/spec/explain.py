"""What pydantic says of a wrong value, in one sentence with a remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import allowed
from harness.spec.schema_node import resolved, schema_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

    from harness.spec.params import Params
    from harness.spec.schema_node import SchemaNode
    from harness.spec.toml import KeyPath

LONGEST_VALUE = 80
"""Characters of a wrong value that a message shows."""


def explain(
    problem: ErrorDetails, place: KeyPath, model: type[Params], also: Sequence[str]
) -> tuple[str, KeyPath, str]:
    """What is wrong, where, and what to do about it.

    Args:
        problem: As pydantic gives it.
        place: Key path of the wrong value in the spec.
        model: What was validated.
        also: Keys that the table may have besides the fields of `model`.
    """
    value = problem["input"]
    shown = repr(value) if len(repr(value)) <= LONGEST_VALUE else repr(value)[: LONGEST_VALUE - 3] + "..."
    if problem["type"] == "extra_forbidden":
        names = fields_at(model, problem["loc"][:-1])
        what, remedy = "unknown key", allowed(str(place[-1]), [*names, *(also if len(problem["loc"]) == 1 else ())])
    elif problem["type"] == "missing":
        what, remedy = "this key is missing", "add it"
    elif problem["type"] == "string_pattern_mismatch":
        about = " ".join(_described(model, problem["loc"]).replace("`", "").split())
        what, remedy = f"found {shown}, which is not of the form that this key takes", about or "correct the value"
    else:
        what, remedy = f"found {shown} ({type(value).__name__}): {problem['msg']}", "correct the value"
    return what, place, remedy


def fields_at(model: type[Params], path: KeyPath) -> list[str]:
    """Names of the keys of the table that stands at a path below a model.

    Args:
        model: Of the table above.
        path: Keys and places; pydantic's own words for the member of a union are passed over.
    """
    schema, node = _node_at(model, path)
    return [name for option in _options(schema, node) for name in option.get("properties", {})]


def _described(model: type[Params], path: KeyPath) -> str:
    """What the documentation says of the key at a path below a model; empty where it says nothing."""
    key = max((place for place, part in enumerate(path) if isinstance(part, str) and part.isidentifier()), default=0)
    schema, table = _node_at(model, path[:key])
    for option in _options(schema, table):
        if described := option.get("properties", {}).get(str(path[key]), {}).get("description"):
            return described
    return ""


def _node_at(model: type[Params], path: KeyPath) -> tuple[SchemaNode, SchemaNode]:
    """The schema of a model, and the part of it at a path."""
    schema = schema_of(model)
    node = schema
    for part in path:
        for option in _options(schema, node):
            following = _below(option, part)
            if following is not None:
                node = resolved(schema, following)
                break
    return schema, node


def _options(schema: SchemaNode, node: SchemaNode) -> list[SchemaNode]:
    """A node and the members of its union."""
    return [resolved(schema, option) for option in (node, *node.get("anyOf", ()), *node.get("oneOf", ()))]


def _below(node: SchemaNode, part: str | int) -> SchemaNode | None:
    """What a schema says of a key or of the items of a list."""
    if isinstance(part, int):
        return node.get("items")
    named = node.get("properties", {}).get(part)
    others = node.get("additionalProperties")
    return named if named is not None or isinstance(others, bool) else others
