"""What decides a training run."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from harness.spec.params import Params


class Distillation(Params):
    """Learn from the scores that teachers gave the passages of each pair; pairs without scores do not take part.

    A teacher's scores of one query's passages are normalised and averaged over the teachers (Geng et al. 2024, arXiv
    2411.04403). A departure from LACONIC.
    """

    kl: float = Field(default=1.0, ge=0)
    """Weight of the Kullback-Leibler divergence of the model's scores of a query's own passages (its positive and its
    negatives) from the teachers', both after a softmax."""
    margin_mse: float = Field(default=0.0, ge=0)
    """Weight of the mean squared difference of the margins, positive less each negative, of model and teachers (arXiv
    2010.02666)."""
    contrast: float = Field(default=1.0, ge=0)
    """Weight of InfoNCE beside them; 0 leaves it out."""
    teachers: tuple[float, ...] = ()
    """Weight of each teacher, in the order of the pairs' scores; all count alike where it is left out."""
    normalise: Literal["min-max", "none"] = "min-max"
    """Bring each teacher's scores of a query's passages between 0 and 1, so that none counts for its scale; or take
    them as they are."""
    scale: float = Field(default=30.0, gt=0)
    """Factor on the mean of the teachers, so that it has the range of the model's scores."""
    temperature: float = Field(default=1.0, gt=0)
    """Divides the scores of both sides before the softmax of the divergence. The scores of a dense model are its
    cosines over `training.temperature`."""

    @model_validator(mode="after")
    def _something_is_learnt(self) -> Self:
        if not self.kl + self.margin_mse:
            raise ValueError("give kl or margin_mse a weight")
        if self.teachers and not (min(self.teachers) >= 0 < sum(self.teachers)):
            raise ValueError("the weights of teachers are at least 0, and one is larger")
        return self


class TrainingParams(Params):
    """One phase of contrastive training; the defaults are LACONIC's first phase where they do not name a size.

    A sparse model and its dense twin that train with equal settings, pairs and seed see the same texts in the same
    order for the same number of steps. Settings that only one of them reads say so.
    """

    steps: int = Field(default=1000, ge=1)
    """Optimizer steps. A number of steps and not a time, so that a run can be repeated."""
    pairs_per_step: int = Field(default=32, ge=2)
    """Pairs in an optimizer step; every other pair's passage of a micro-batch is a negative."""
    accumulate: int = Field(default=1, ge=1)
    """Micro-batches whose gradients are averaged into a step. Each has `pairs_per_step` / `accumulate` pairs, and they
    alone are negatives of each other; LACONIC has 4."""
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
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the adapters' inputs that are left out at random while training; LACONIC has 0.1."""
    query_length: int = Field(default=64, ge=1)
    """Tokens of a query that are read while training, prefix included."""
    document_length: int = Field(default=192, ge=1)
    """Tokens of a passage that are read while training, prefix included."""
    regularise_queries: float = Field(default=5e-4, ge=0)
    """Weight of the queries' FLOPS term; sparse only."""
    regularise_documents: float = Field(default=5e-4, ge=0)
    """Weight of the passages' FLOPS term; sparse only."""
    regularise_warmup: float = Field(default=0.33, ge=0, le=1)
    """Share of the steps in which both weights grow as the square of the micro-batches seen; sparse only."""
    regularise_idf: bool = False
    """Divide a term's weights by its inverse document frequency in the training passages before they are counted in
    the FLOPS terms, so that frequent terms go first (arXiv 2411.04403, where queries have these frequencies as weights,
    and FLOPS counts documents without them). A departure from LACONIC; sparse only."""
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
    phase has 15. Successive passes take others of them."""
    repeat_negatives: bool = False
    """Draw a pair's negatives with replacement where it has fewer than `negatives`, as LACONIC's authors do; else it
    takes part with those that it has."""
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
    table_learning_rate: float = Field(default=20.0, ge=0)
    """Factor on the learning rate for the logarithms of the weights of looked-up queries, where they are learnt; sparse
    only."""
    distillation: Distillation | None = None
    """Learn from teachers' scores beside the contrast of passages; off where it is left out, as in LACONIC."""

    @model_validator(mode="after")
    def _equal_parts(self) -> Self:
        if self.pairs_per_step % self.accumulate or self.pairs_per_step // self.accumulate < 2:
            raise ValueError("pairs_per_step is a multiple of accumulate, and each part has at least 2 pairs")
        return self

    @property
    def pairs_per_pool(self) -> int:
        """Pairs of a micro-batch."""
        return self.pairs_per_step // self.accumulate
