"""The engine of each shard, as a table of a spec names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.indexes import registry

if TYPE_CHECKING:
    from harness.indexes import Index
    from harness.jsonvalue import JsonTable
    from harness.spec.params import Params


@dataclass(frozen=True)
class ShardEngine:
    """An engine and its parameters."""

    engine: type[Index]
    params: Params

    def new(self) -> Index:
        """A new, empty index."""
        return self.engine(self.params)


def shard_engine(table: JsonTable) -> ShardEngine:
    """The engine that a table names: its `type`, and its parameters.

    Raises:
        UserError: There is no such engine.
        pydantic.ValidationError: A parameter is unknown or out of bounds.
    """
    engine = registry.get(str(table.get("type")))
    params = {name: value for name, value in table.items() if name != "type"}
    return ShardEngine(engine, engine.Params.model_validate(params))
