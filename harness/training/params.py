"""What decides a training run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.spec.params import Params


class TrainingParams(Params):
    """One phase of contrastive training; the defaults are LACONIC's first phase where they do not name a size.

    A sparse model and its dense twin that train with equal settings, pairs and seed see the same texts in the same
    order for the same number of steps. Settings that only one of them reads say so.
    """

    steps: int = Field(default=1000, ge=1)
    """Optimizer steps. A number of steps and not a time, so that a run can be repeated."""
    pairs_per_step: int = Field(default=32, ge=2)
    """Pairs in a batch; every other pair's passage is a negative."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Peak of the learning rate (AdamW)."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps in which the learning rate rises linearly; a cosine takes it to zero after that."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay."""
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    lora_rank: int = Field(default=32, ge=0)
    """Rank of low-rank adapters on all projections, merged at the end; 0 trains all weights of the layers."""
    lora_alpha: float = Field(default=64.0, gt=0)
    """Adapters count alpha / rank."""
    query_length: int = Field(default=64, ge=1)
    """Tokens of a query that are read while training, prefix included."""
    document_length: int = Field(default=192, ge=1)
    """Tokens of a passage that are read while training, prefix included."""
    regularise_queries: float = Field(default=5e-4, ge=0)
    """Weight of the queries' FLOPS term; sparse only."""
    regularise_documents: float = Field(default=5e-4, ge=0)
    """Weight of the passages' FLOPS term; sparse only."""
    regularise_warmup: float = Field(default=0.33, ge=0, le=1)
    """Share of the steps in which both weights grow as the square of the step; sparse only."""
    sampled_terms: int | None = Field(default=None, ge=1)
    """Terms that the loss looks at in a step: the batch's own tokens and a sample of the others. All where it is left
    out, as in LACONIC. Sparse only."""
    bias_learning_rate: float = Field(default=4.0, ge=0)
    """Factor on the learning rate for the bias of the terms where there is one; sparse only."""
    scale_learning_rate: float = Field(default=20.0, ge=0)
    """Factor on the learning rate for the logarithm of the terms' scale where there is one; sparse only."""
    only: Literal["all", "with negatives", "without negatives"] = "all"
    """Which of the pairs this phase trains on; LACONIC's first phase has pairs without hard negatives, its second
    phase pairs with hard negatives."""
    negatives: int = Field(default=0, ge=0)
    """Hard negatives a pair that join the other pairs' passages in the batch, drawn from its own; LACONIC's second
    phase has 15."""
    topics: int | None = Field(default=None, ge=2)
    """Number of topics that pairs are sorted into. Each batch is of one topic, so its other passages are harder
    negatives (arXiv 2104.06967); batches of all topics where it is left out, as in LACONIC."""
    cached_texts: int | None = Field(default=None, ge=1)
    """Gradient caching: hold the activations of this number of texts at a time, whatever the batch is; of all where it
    is left out. The same gradients for a third more arithmetic."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the products while training; weights and their updates stay float32."""
    recompute_layers: bool = False
    """Keep only each layer's input for the backward pass and compute the layer again there."""
    validation_pairs: int = Field(default=0, ge=0)
    """Pairs held out of training, on which nDCG@10 is logged: each query must find its own passage among theirs."""
    validate_every: int = Field(default=50, ge=1)
    """Steps between two validations; there is one after the last step."""
    checkpoint_every: int = Field(default=50, ge=1)
    """Steps between two checkpoints: a kill loses no more."""
    stop_on_collapse: bool = True
    """Stop when all terms died, all fire, or all texts have the same vector."""
    collapse_patience: int = Field(default=10, ge=1)
    """Steps in a row with the same sign of collapse before training stops."""
    temperature: float = Field(default=0.05, gt=0)
    """Divides the cosines; dense only. Dot products of sparse vectors are taken as they are."""
