"""What is searched. One module a source; `registry` finds them."""

from __future__ import annotations

from harness.collections._windows import Passages
from harness.collections.base import (
    Collection,
    CollectionBase,
    Document,
    EvaluationRules,
    HubData,
    Judgement,
    Pair,
    PairsOnly,
    Query,
    Sizes,
)
from harness.registry import Registry, hooks_of

registry: Registry[type[Collection]] = Registry(
    "collection", __name__, "laconic_bench.collections", hooks=hooks_of(Collection)
)
register = registry.register

__all__ = [
    "Collection",
    "CollectionBase",
    "Document",
    "EvaluationRules",
    "HubData",
    "Judgement",
    "Pair",
    "PairsOnly",
    "Passages",
    "Query",
    "Sizes",
    "register",
    "registry",
]
