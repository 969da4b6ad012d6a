"""Memory that a process of a training takes, by formula: will a spec fit before anything is begun? An estimate.

What is counted, in bytes: weights (frozen ones in their dtype and in this process's part, adapters, copies in
bfloat16 that the products take), gradients and AdamW's two moments of what is trained (float32), activations of the
texts whose graph is alive, the head's vectors of the whole batch with what the loss makes of them, and what the machine
holds besides its accelerators. What the allocator loses is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.training.params import TrainingParams

FLOAT, HALF = 4, 2
"""Bytes of a number."""
TRANSIENT = 5
"""Results of the size of gate and up that a layer holds for a moment."""
SCATTERED = 1 << 16
"""Rows of the head that its backward pass takes at a time."""
ACTIVE = 0.2
"""Share of terms that are taken for active; how many are is not known before."""
SOURCE = 24
"""Bytes that the backward pass of the head keeps of an active term."""
LOSS = 3
"""Results of the size of all vectors that the loss and its backward pass hold for a moment."""
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
    def layer(self) -> int:
        """Weights of a layer's projections."""
        return sum(a * b for a, b in self.maps)

    @property
    def parameters(self) -> int:
        """All weights: layers with their norms, the last norm, embedding, and the head where it is not tied."""
        return (
            self.layers * (self.layer + 2 * self.hidden)
            + self.hidden
            + (1 if self.tied else 2) * self.vocabulary * self.hidden
        )

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
    """Bytes of one process by what holds them."""

    weights: int
    training: int
    """Gradients and moments of what is trained."""
    activations: int
    head: int
    """The sparse vectors of the batch with their gradients, and what the head needs for its backward pass."""
    host: int = 0
    """In the machine's memory where the others are in an accelerator's, pages of mapped files not counted."""

    @property
    def total(self) -> int:
        """All of it but `host`."""
        return self.weights + self.training + self.activations + self.head


@dataclass(frozen=True)
class Layout:
    """How a training's weights lie."""

    processes: int = 1
    """Processes that share a batch."""
    sharded: bool = False
    """Whether they share the frozen weights of the layers, too."""
    frozen: int = 4
    """Bytes of a frozen weight."""


def training_memory(shape: Shape, phase: TrainingParams, *, sparse: bool = True, layout: Layout = Layout()) -> Memory:
    """What one phase takes in one process.

    Args:
        shape: Of the backbone.
        phase: Its lengths, batch, adapters, precision, caching and recomputation.
        sparse: Whether vectors have the vocabulary's width (LACONIC) or the hidden size (its dense twin).
        layout: Of the weights.
    """
    return Memory(
        weights=_weights(shape, phase, layout),
        training=(shape.adapters(phase.lora_rank) if phase.lora_rank else shape.parameters) * 3 * FLOAT,
        activations=_activations(shape, phase, layout),
        head=_head(shape, phase, layout, sparse),
        host=_host(shape, layout),
    )


def _weights(shape: Shape, phase: TrainingParams, layout: Layout) -> int:
    layers = shape.layers * shape.layer
    whole = (shape.parameters - layers) * layout.frozen + shape.adapters(phase.lora_rank) * FLOAT
    own = -(-layers * layout.frozen // (layout.processes if layout.sharded else 1))
    # Of weights in parts, one layer is whole at a time, and its parts from all processes are there to make it.
    gathered = 2 * shape.layer * layout.frozen if layout.sharded else 0
    # Products in bfloat16 of weights in float32 take copies, which stay until the backward pass.
    copies = 0
    if phase.precision == "bfloat16" and layout.frozen == FLOAT:
        copies = (1 if phase.recompute_layers else shape.layers) * shape.layer * HALF
    return whole + own + gathered + copies


def _activations(shape: Shape, phase: TrainingParams, layout: Layout) -> int:
    """What autograd keeps for the backward pass of the texts that are computed together."""
    h, i, rank = shape.hidden, shape.intermediate, phase.lora_rank
    attention = shape.heads * shape.head_width
    tokens = _together(phase, layout) * max(phase.query_length, phase.document_length)
    number = HALF if phase.precision == "bfloat16" else FLOAT
    # Norms keep the stream before attention and feed-forward; attention keeps query, key and value, each for all heads,
    # and its result; then come gate, its silu, up and their product. Adapters keep their inputs: normed states, which
    # three and two of them share, unless each has a copy in bfloat16 or with some numbers left out.
    inputs, mask = 2 * h, 0
    if phase.lora_dropout or number == HALF:
        inputs = 5 * h + attention + (i if phase.lora_dropout else 0)
    if phase.lora_dropout:
        mask = 5 * h + attention + i
    kept = inputs + 4 * attention + 4 * i + PROJECTIONS * rank
    layer = tokens * (FLOAT * 2 * h + number * kept + mask)
    stored = shape.layers * tokens * h * FLOAT + layer if phase.recompute_layers else shape.layers * layer
    return stored + TRANSIENT * tokens * i * number


def _head(shape: Shape, phase: TrainingParams, layout: Layout, sparse: bool) -> int:
    """Rows of the batch in float32: those of this process, and those of all with their gradients."""
    width = shape.vocabulary if sparse else shape.hidden
    whole = phase.cached_texts is None
    rows = _texts(phase) * width * FLOAT
    own = rows // layout.processes
    alive = _together(phase, layout) * width
    # The joined vectors; without caching, what their logarithms came from, too. With other processes, the rows of all.
    kept = (2 if whole and sparse else 1) * own + (rows if layout.processes > 1 else 0)
    # Each active term has its text, its number and its token.
    active = round(ACTIVE * alive) if sparse else 0
    graph = active * SOURCE
    # Both sides of the loss have a gradient from the scores and one from the FLOPS terms, beside the tensor of all.
    loss = rows + LOSS * rows + (graph if whole else 0)
    # What goes back through the logarithm, and through the head for a part of the active terms.
    back = rows + (own // 2 if whole else 3 * alive * FLOAT) + graph
    if sparse:
        back += min(SCATTERED, active) * shape.hidden * FLOAT
    return kept + max(loss, back)


def _host(shape: Shape, layout: Layout) -> int:
    """Weights in float32 are copies of what the file holds; in bfloat16 they are the file's own pages."""
    return shape.parameters * FLOAT if layout.frozen == FLOAT else 0


def _texts(phase: TrainingParams) -> int:
    """Of a micro-batch, whose vectors are compared with each other."""
    return phase.pairs_per_pool * (2 + phase.negatives)


def _together(phase: TrainingParams, layout: Layout) -> int:
    """Texts of one process whose activations are there at the same time."""
    own = -(-_texts(phase) // layout.processes)
    return min(own, phase.cached_texts or own)
