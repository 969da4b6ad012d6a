"""Size and work of a LACONIC or of its dense twin, known before any weights are here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.encoders.base import ModelSize
from harness.encoders.weights.configuration import FILE, read_configuration
from harness.errors import UserError
from harness.spec.paths import expanded
from harness.training.estimate import BACKBONES, Shape

if TYPE_CHECKING:
    from harness.encoders.llama_family.params import LlamaParams
    from harness.encoders.weights.sentence_transformers_folder import Contract


def shape_of(model: str | None, layers: int | None = None) -> Shape | None:
    """Shape of a backbone by name or folder, cut to its first `layers`; None where it is not known.

    Raises:
        UserError: The folder's config.json cannot be read, or is of a model that is built in another way.
    """
    shape = BACKBONES.get(str(model))
    if shape is None:
        folder = expanded(str(model), "backbone")
        if not (folder / FILE).is_file():
            return None
        config = read_configuration(folder, "backbone.model")
        try:
            shape = Shape(
                layers=config["num_hidden_layers"],
                hidden=config["hidden_size"],
                intermediate=config["intermediate_size"],
                heads=config["num_attention_heads"],
                key_value_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
                vocabulary=config["vocab_size"],
                tied=config.get("tie_word_embeddings", False),
                head_size=config.get("head_dim"),
            )
        except KeyError as error:
            raise UserError(
                f"a model of type {config.get('model_type')!r} does not say its size as a Llama does",
                file=folder / FILE,
                key=str(error.args[0]),
                remedy="use a Llama, or a decoder that is built like one",
            ) from None
    return shape if layers is None else replace(shape, layers=min(layers, shape.layers))


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
