"""The base of every table in a spec: typed, frozen, and refusing unknown keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


class Params(BaseModel):
    """Parameters of one collection, encoder or index, as they stand in a spec.

    Subclasses give each field a type, bounds, a default where one makes sense, and a docstring that describes it: the
    JSON Schema that editors complete from is made of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema with each field's docstring as its description.

        pydantic's ``use_attribute_docstrings`` reads the sources when a class is made, so in every worker process. Here
        they are read when a schema is asked for.
        """
        from harness.spec.attribute_docstrings import attribute_docstrings

        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in attribute_docstrings(cls).items():
            if name in properties:
                properties[name].setdefault("description", text)
        return schema
