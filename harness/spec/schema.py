"""The JSON Schema of a spec, made of the registered implementations' own parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.metrics import GROUPS
from harness.spec.models import PairsSpec, SpecHead
from harness.spec.registries import AXES, SINGULAR
from harness.spec.schema_node import SchemaNode, schema_of

if TYPE_CHECKING:
    from harness.spec.registries import Axis, IndexType, PartType, Registries

PAIRS: SchemaNode = {
    "anyOf": [{"type": "string"}, {"$ref": "#/$defs/PairsSpec"}],
    "description": "Name of the collection of this spec whose training pairs are used, or a table with more.",
}


def json_schema(registries: Registries) -> SchemaNode:
    """Draft 2020-12 schema of a spec file; editors complete and check against it."""
    schema = schema_of(SpecHead)
    definitions = schema.setdefault("$defs", {})
    definitions["PairsSpec"] = schema_of(PairsSpec)
    definitions["MeasureSpec"]["properties"]["also"]["items"] = {"enum": registries.measurements.names()}
    definitions["MeasureSpec"]["properties"]["only"]["anyOf"][0]["items"] = {"enum": list(GROUPS)}
    implementations: dict[str, Axis[PartType]] = {
        "collections": registries.collections,
        "encoders": registries.encoders,
        "indexes": registries.indexes,
    }
    for axis in AXES:
        registry = implementations[axis]
        options: list[SchemaNode] = []
        for name in registry.names():
            key = f"{axis}.{name}"
            more = _sweep(registries.indexes.get(name)) if axis == "indexes" else {}
            definitions[key] = _table(definitions, registry.get(name), axis, name, more)
            options.append({"$ref": f"#/$defs/{key}"})
        schema["properties"][axis] = {
            "type": "object",
            "description": f"Each table is one {SINGULAR[axis]} by a name of your choice.",
            "minProperties": 1,
            "additionalProperties": {"oneOf": options},
        }
        schema["required"] = [*schema["required"], axis]
    schema["title"] = "laconic-bench experiment"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": schema["title"],  # early: a reader sees it first
        **schema,
    }


def _sweep(engine: IndexType) -> dict[str, SchemaNode]:
    """The key `sweep` of an index whose search has parameters."""
    if not engine.search_params:
        return {}
    return {
        "sweep": {
            "type": "object",
            "description": "Lists of values of parameters of the search; one index is searched with each.",
            "propertyNames": {"enum": list(engine.search_params)},
            "additionalProperties": {"type": "array", "minItems": 1},
        }
    }


def _table(
    definitions: dict[str, SchemaNode], implementation: PartType, axis: str, name: str, more: dict[str, SchemaNode]
) -> SchemaNode:
    params = schema_of(implementation.Params)
    definitions.update(params.pop("$defs", {}))
    fields = params.get("properties", {})
    properties: dict[str, SchemaNode] = {"type": {"const": name}, **({"pairs": PAIRS} if axis == "encoders" else {})}
    properties |= fields
    properties["matrix"] = {
        "type": "object",
        "description": "Lists of values by (dotted) key; they expand to their product.",
        "propertyNames": {"pattern": f"^({'|'.join(sorted(fields)) or '-'})(\\..+)?$"},
        "additionalProperties": {"type": "array", "minItems": 1},
    }
    properties |= more
    table: SchemaNode = {
        "type": "object",
        "description": (implementation.__doc__ or "").strip().partition("\n")[0],
        "additionalProperties": False,
        "required": ["type"],
        "properties": properties,
    }
    if needed := params.get("required"):
        # A needed key may be given by the matrix instead.
        table["anyOf"] = [{"required": needed}, {"required": ["matrix"]}]
    return table
