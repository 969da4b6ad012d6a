"""The JSON Schema of a spec, made of the registered implementations' own parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.spec.load import AXES, SINGULAR
from harness.spec.models import SpecHead

if TYPE_CHECKING:
    from harness.spec.load import Registries

PAIRS = {"type": "string", "description": "Name of the collection of this spec whose training pairs are used."}


def json_schema(registries: Registries) -> dict[str, Any]:
    """Draft 2020-12 schema of a spec file; editors complete and check against it."""
    schema = SpecHead.model_json_schema(ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    also = definitions["MeasureSpec"]["properties"]["also"]
    also["items"] = {"enum": registries.measurements.names()}
    for axis in AXES:
        registry = getattr(registries, axis)
        options = []
        for name in registry.names():
            key = f"{axis}.{name}"
            definitions[key] = _table(definitions, registry.get(name), axis, name)
            options.append({"$ref": f"#/$defs/{key}"})
        schema["properties"][axis] = {
            "type": "object",
            "description": f"Each table is one {SINGULAR[axis]} by a name of your choice.",
            "minProperties": 1,
            "additionalProperties": {"oneOf": options},
        }
        schema["required"] = [*schema["required"], axis]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "laconic-bench experiment",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _table(definitions: dict[str, Any], implementation: Any, axis: str, name: str) -> dict[str, Any]:
    params = implementation.Params.model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(params.pop("$defs", {}))
    fields: dict[str, Any] = params.get("properties", {})
    table: dict[str, Any] = {
        "type": "object",
        "description": (implementation.__doc__ or "").strip().partition("\n")[0],
        "additionalProperties": False,
        "required": ["type"],
        "properties": {
            "type": {"const": name},
            **({"pairs": PAIRS} if axis == "encoders" else {}),
            **fields,
            "matrix": {
                "type": "object",
                "description": "Lists of values by (dotted) key; they expand to their product.",
                "propertyNames": {"pattern": f"^({'|'.join(sorted(fields)) or '-'})(\\..+)?$"},
                "additionalProperties": {"type": "array", "minItems": 1},
            },
        },
    }
    if needed := params.get("required"):
        # A needed key may be given by the matrix instead.
        table["anyOf"] = [{"required": needed}, {"required": ["matrix"]}]
    return table
