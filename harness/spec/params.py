"""The base of every table in a spec: typed, frozen, and refusing unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """Parameters of one collection, encoder or index, as they stand in a spec.

    Subclasses give each field a type, bounds, a default where one makes sense, and a description: the JSON Schema that
    editors complete from is made of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, use_attribute_docstrings=True)
