"""What a model is known to need before any of its weights are here: for estimates of a run's cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Announced:
    """A model's size and work.

    Attributes:
        parameters: All weights.
        flops: Floating point operations (2 a multiply-add) of one text of so many tokens.
        vector_bytes: Of one document's vector as the store keeps it, at most.
        document_length: Tokens of a document that are read at most; None without a limit.
        query_length: The same of a query.
    """

    parameters: float
    flops: Callable[[float], float]
    vector_bytes: int
    document_length: int | None
    query_length: int | None


def registered(model: str | None, *, length: int | None, dimensions: int | None) -> Announced | None:
    """A dense model that mteb has registered; None for others. Attention's share is not counted."""
    try:
        import mteb
    except ImportError:
        return None
    try:
        found = mteb.get_model_meta(str(model))
    except (KeyError, ValueError):
        return None
    weights, embedding, width = found.n_parameters, getattr(found, "n_embedding_parameters", None), found.embed_dim
    if weights is None or embedding is None or not isinstance(width, int):
        return None
    limits = [int(limit) for limit in (length, found.max_tokens) if limit is not None]
    limit = min(limits, default=None)
    work = 2.0 * (weights - embedding)
    return Announced(weights, lambda tokens: work * tokens, 4 * (dimensions or width), limit, limit)
