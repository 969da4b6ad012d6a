"""Size of a published dense model before any of its weights are on this machine, as mteb has registered it."""

from __future__ import annotations

from harness.encoders.base import ModelSize


def registered(model: str | None, *, length: int | None, dimensions: int | None) -> ModelSize | None:
    """A dense model that mteb has registered; None for others. Attention's share is not counted."""
    try:
        import mteb
    except ImportError:
        return None
    try:
        meta = mteb.get_model_meta(str(model))
    except (KeyError, ValueError):
        return None
    weights, embedding, width = meta.n_parameters, getattr(meta, "n_embedding_parameters", None), meta.embed_dim
    if weights is None or embedding is None or not isinstance(width, int):
        return None
    limits = [int(limit) for limit in (length, meta.max_tokens) if limit is not None]
    limit = min(limits, default=None)
    work = 2.0 * (weights - embedding)
    return ModelSize(weights, lambda tokens: work * tokens, 4 * (dimensions or width), limit, limit)
