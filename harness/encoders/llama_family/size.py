"""Size and work of a LACONIC or of its dense twin, known before any weights are here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.encoders.base import ModelSize
from harness.training.estimate import shape_of

if TYPE_CHECKING:
    from harness.encoders.llama_family.params import LlamaParams
    from harness.encoders.weights.sentence_transformers_folder import Contract


def llama_size(params: LlamaParams, contract: Contract) -> ModelSize | None:
    """Of a LACONIC or of its twin, as the contract says; None for an unknown backbone."""
    shape = shape_of(params.backbone.model, params.layers)
    if shape is None:
        return None
    weights = shape.layers * sum(a * b for a, b in shape.maps)
    head = shape.hidden * shape.vocabulary if contract.kind == "sparse" else 0

    def flops(tokens: float) -> float:
        attention = 4.0 * shape.layers * shape.heads * shape.head_width * tokens**2
        return 2.0 * tokens * (weights + head) + attention

    terms = shape.vocabulary if contract.document_terms is None else contract.document_terms
    size = 8 * terms if contract.kind == "sparse" else 4 * (contract.dimensions or shape.hidden)
    return ModelSize(shape.parameters, flops, size, params.document_length, params.query_length)
