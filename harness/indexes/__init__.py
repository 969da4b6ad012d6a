"""How vectors are searched. One module an engine; `registry` finds them."""

from __future__ import annotations

from harness.indexes.base import Hits, Index, Supports, Work
from harness.registry import Registry

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


__all__ = ["Hits", "Index", "Supports", "Work", "create", "names", "register", "registry"]
