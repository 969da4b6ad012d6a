"""What is searched. One module a source; `registry` finds them."""

from __future__ import annotations

from harness.collections.base import Collection, Document, Judgement, Pair, Query, Sizes
from harness.registry import Registry

registry: Registry[type[Collection]] = Registry("collection", __name__, "laconic_bench.collections")
register = registry.register

__all__ = ["Collection", "Document", "Judgement", "Pair", "Query", "Sizes", "register", "registry"]
