"""How vectors are searched. One module an engine; `registry` finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.indexes.base import Elsewhere, Hits, Index, Supports, Work
from harness.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

registry: Registry[type[Index]] = Registry("index", __name__, "laconic_bench.indexes")
register = registry.register


def names() -> list[str]:
    """The engines that specs can ask for."""
    return registry.names()


def create(name: str, **params: object) -> Index:
    """A new, empty index of this engine.

    Raises:
        UserError: There is no such engine.
        pydantic.ValidationError: A parameter is unknown or out of bounds.
    """
    engine = registry.get(name)
    return engine(engine.Params.model_validate(params))


def codec(name: str, params: Mapping[str, Any]) -> str:
    """In what an index stores weights or vectors: what its parameters choose, else the one that the engine has."""
    if "index" in params:  # shards of another engine
        return codec(params["index"]["type"], params["index"])
    chosen = params.get("weights", params.get("factory"))
    return str(chosen or registry.get(name).supports.weights[0])


__all__ = ["Elsewhere", "Hits", "Index", "Supports", "Work", "codec", "create", "names", "register", "registry"]
