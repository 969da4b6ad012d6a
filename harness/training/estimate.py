"""Memory that training takes on one accelerator, by formula: will a spec fit before anything is begun? An estimate.

What is counted, in bytes: weights (float32, and a bfloat16 copy where products are taken in it), gradients and AdamW's
two moments of what is trained (float32), activations of the texts whose graph is alive, and the logits' buffers of the
head. What the allocator loses and what kernels take besides is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.training.params import TrainingParams

PROJECTIONS = 7
"""Linear maps of a Llama layer: query, key, value, output, gate, up, down."""


@dataclass(frozen=True)
class Shape:
    """A Llama backbone."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    vocabulary: int
    tied: bool
    head_size: int | None = None
    """Dimensions of one head; the heads share the hidden size where it is left out."""

    @property
    def head_width(self) -> int:
        """Dimensions of one head."""
        return self.head_size or self.hidden // self.heads

    @property
    def maps(self) -> list[tuple[int, int]]:
        """(in, out) of a layer's projections."""
        q, kv = self.heads * self.head_width, self.key_value_heads * self.head_width
        h, i = self.hidden, self.intermediate
        return [(h, q), (h, kv), (h, kv), (q, h), (h, i), (h, i), (i, h)]

    @property
    def parameters(self) -> int:
        """All weights: layers with their norms, the last norm, embedding, and the head where it is not tied."""
        layer = sum(a * b for a, b in self.maps) + 2 * self.hidden
        return self.layers * layer + self.hidden + (1 if self.tied else 2) * self.vocabulary * self.hidden

    def adapters(self, rank: int) -> int:
        """Weights of low-rank adapters on all projections."""
        return self.layers * sum(rank * (a + b) for a, b in self.maps)


BACKBONES = {
    "meta-llama/Llama-3.2-1B": Shape(16, 2048, 8192, 32, 8, 128_256, tied=True),
    "meta-llama/Llama-3.2-3B": Shape(28, 3072, 8192, 24, 8, 128_256, tied=True),
    "meta-llama/Llama-3.1-8B": Shape(32, 4096, 14336, 32, 8, 128_256, tied=False),
}
"""Published shapes of LACONIC's backbones."""
BACKBONES |= {f"utahnlp/laconic-{base.rpartition('-')[2].lower()}": shape for base, shape in list(BACKBONES.items())}


@dataclass(frozen=True)
class Memory:
    """Bytes by what holds them."""

    weights: int
    training: int
    """Gradients and moments of what is trained."""
    activations: int
    head: int
    """Logits, and the sparse vectors of the batch with their gradients."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.training + self.activations + self.head


def training_memory(shape: Shape, phase: TrainingParams, *, sparse: bool = True) -> Memory:
    """What one phase takes on one accelerator that holds the whole model (data parallel: each one does).

    Args:
        shape: Of the backbone.
        phase: Its lengths, batch, adapters, precision, caching and recomputation.
        sparse: Whether vectors have the vocabulary's width (LACONIC) or the hidden size (its dense twin).
    """
    number = 2 if phase.precision == "bfloat16" else 4
    trained = shape.adapters(phase.lora_rank) if phase.lora_rank else shape.parameters
    # Frozen weights are cast for each product; the copy of one layer lives at a time.
    copy = sum(a * b for a, b in shape.maps) * number if phase.precision == "bfloat16" else 0
    texts = phase.pairs_per_step * (2 + phase.negatives)
    alive = min(texts, phase.cached_texts or texts)
    tokens = alive * max(phase.query_length, phase.document_length)
    # Inputs of a layer's products: twice the norms, query, key, value, attention's output, gate, up, their product.
    kv = shape.key_value_heads * shape.head_width
    layer = tokens * number * (4 * shape.hidden + 2 * kv + 3 * shape.intermediate)
    layer_input = tokens * number * shape.hidden
    activations = shape.layers * layer_input + layer if phase.recompute_layers else shape.layers * layer
    if phase.lora_rank:
        activations += shape.layers * PROJECTIONS * tokens * number * phase.lora_rank
    width = shape.vocabulary if sparse else shape.hidden
    rows = 2 * texts * width * 4  # all vectors of the batch and their gradients, float32
    streamed = 2 * alive * width * 4  # running maximum and its token, while the head goes over tokens
    return Memory(shape.parameters * 4 + copy, trained * 4 * 3, activations, rows + (streamed if sparse else 0))
