"""Size and work of a LACONIC or of its dense twin, known before any weights are here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.encoders.base import ModelSize
from harness.training.estimate import shape_of

if TYPE_CHECKING:
    from harness.encoders.llama_family.params import LlamaParams


def llama_size(params: LlamaParams, *, terms: int | None = None, dimensions: int | None = None) -> ModelSize | None:
    """A LACONIC that keeps so many terms of a document, or without them its twin; None for an unknown backbone."""
    shape = shape_of(params.backbone.model, params.layers)
    if shape is None:
        return None
    weights = shape.layers * sum(a * b for a, b in shape.maps)
    head = 0 if terms is None else shape.hidden * shape.vocabulary

    def flops(tokens: float) -> float:
        attention = 4.0 * shape.layers * shape.heads * shape.head_width * tokens**2
        return 2.0 * tokens * (weights + head) + attention

    size = 4 * (dimensions or shape.hidden) if terms is None else 8 * terms
    return ModelSize(shape.parameters, flops, size, params.document_length, params.query_length)
