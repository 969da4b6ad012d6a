"""How vectors are searched. One module an engine; `registry` finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.indexes.base import Hits, Index, IndexBase, Searcher, Supports, Work
from harness.registry import Registry, hooks_of

if TYPE_CHECKING:
    from harness.jsonvalue import JsonTable

registry: Registry[type[Index]] = Registry("index", __name__, "laconic_bench.indexes", hooks=hooks_of(Index))
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


def codec(name: str, params: JsonTable) -> str:
    """The codec of an index of this engine, with these parameters as a spec has them; see `Index.codec`.

    Raises:
        UserError: There is no such engine.
        pydantic.ValidationError: A parameter is unknown or out of bounds.
    """
    engine = registry.get(name)
    return engine.codec(engine.Params.model_validate(params))


__all__ = [
    "Hits",
    "Index",
    "IndexBase",
    "Searcher",
    "Supports",
    "Work",
    "codec",
    "create",
    "names",
    "register",
    "registry",
]
