"""What decides a training run."""

from __future__ import annotations

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
    temperature: float = Field(default=0.05, gt=0)
    """Divides the cosines; dense only. Dot products of sparse vectors are taken as they are."""
