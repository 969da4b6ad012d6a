"""What LACONIC and its dense twin have in common in a spec."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from harness.encoders.backbones.query_lookup import LookupParams
from harness.encoders.hardware import Dtype, Hardware
from harness.encoders.weights.pretrained import Backbone
from harness.encoders.weights.prompts import Prefixes, Prompted, fitting
from harness.training.params import TrainingParams


class LlamaParams(Hardware, Prompted):
    """A backbone, how it encodes, and how it is trained, if it is."""

    backbone: Backbone
    """The pretrained model: a folder, a .gguf file, a Hub name, or a table with `wheel` and `file`."""
    layers: int | None = Field(default=None, ge=1)
    """Number of first layers to use; all where it is left out. A departure from LACONIC."""
    embedding_scale: float = Field(default=1.0, gt=0)
    """Factor on the token's own embedding, against what the layers add to it. With about 30, the head of a truncated
    backbone recognises its own tokens again. A departure from LACONIC."""
    attention: Literal["bidirectional", "causal"] = "bidirectional"
    """Whether a token sees the tokens after it, as in LACONIC, or not."""
    query_prefix: str = "query: "
    """Put before every query. {task} stands for the instruction of a task: mteb's, or one of `instructions`."""
    document_prefix: str = "passage: "
    """The same of every document."""
    symmetric: tuple[str, ...] = ("*quora*", "*cqadupstack*")
    """Tasks whose documents are of the queries' kind, by name as in `prefixes`: their documents get `query_prefix`, as
    LACONIC's authors encode them."""
    lowercase: bool = False
    """Read texts in lower case, so that a word is the same tokens wherever it stands. A departure from LACONIC."""
    special_tokens: bool = False
    """Let the tokenizer add its special tokens. A BOS draws all attention and ruins a LACONIC: the switch shows it."""
    query_length: int = Field(default=256, ge=1)
    """Tokens of a query that are read, prefix included."""
    document_length: int = Field(default=256, ge=1)
    """Tokens of a document that are read, prefix included."""
    dtype: Dtype = "float32"
    """Of weights and arithmetic while encoding; auto is bfloat16 where the processor multiplies it, else float32."""
    processes: int = Field(default=1, ge=1)
    """Processes that share every training batch, each with a device of its own where `device` is cuda; passages of all
    of them are negatives of every query."""
    sharded: bool = False
    """Let the processes of a training share the frozen weights of the layers: each holds its part, and the weights of a
    layer are gathered while it works (FSDP 2). Needs adapters."""
    frozen: Literal["float32", "bfloat16"] = "float32"
    """Dtype in which a training holds the weights that adapters are trained beside. bfloat16 takes half of the memory
    and needs `precision = "bfloat16"`; adapters and norms stay float32, and merged weights are rounded."""
    training: TrainingParams | None = None
    """Train on the pairs of the spec; used as it is where it is left out."""
    adapter: str | None = None
    """A folder with an adapter that was trained before, or `mini/laconic` and `mini/dense-twin`, which ship with the
    program. With `training`, that starts from it; its term weights, too, are trained on."""

    finetuning: TrainingParams | None = None
    """A second phase that starts from the merged weights of the first, on the same pairs; LACONIC's has hard negatives
    (`negatives = 15`)."""

    @model_validator(mode="after")
    def _phases_in_order(self) -> Self:
        if self.finetuning is not None and self.training is None:
            raise ValueError("finetuning needs training before it; a single phase is training")
        return self

    @model_validator(mode="after")
    def _frozen_weights(self) -> Self:
        phases = [phase for phase in (self.training, self.finetuning) if phase is not None]
        for name, wanted in (("sharded", self.sharded), ("frozen", self.frozen == "bfloat16")):
            if wanted and any(not phase.lora_rank for phase in phases):
                raise ValueError(f"{name} needs adapters: a lora_rank of at least 1 in each phase")
        if self.frozen == "bfloat16" and any(phase.precision != "bfloat16" for phase in phases):
            raise ValueError('frozen = "bfloat16" needs precision = "bfloat16" in each phase')
        for phase in phases if self.sharded else ():
            if phase.cached_texts == 1:
                raise ValueError("sharded needs cached_texts of at least 2")
            if phase.pairs_per_pool < self.processes:
                raise ValueError("sharded needs a pair of each batch for each process")
        return self

    def chosen_prefixes(self, collection: str, task: str | None) -> Prefixes:
        """See the base; documents of symmetric tasks that `prefixes` does not name get the prefix of queries."""
        chosen = super().chosen_prefixes(collection, task)
        own = fitting(self.prefixes, collection, task)
        named = own is not None and own.document is not None
        if named or fitting(dict.fromkeys(self.symmetric, True), collection, task) is None:
            return chosen
        return Prefixes(query=chosen.query, document=chosen.query)

    def facts(self) -> dict[str, float]:
        """Departures as a report lists them."""
        return {f"departure: {name}": value for name, value in self.departures().items()}

    def departures(self) -> dict[str, float]:
        """Switches that are not as in LACONIC, by what a report says of them."""
        switched: dict[str, float] = {}
        if self.layers is not None:
            switched["layers kept of the backbone"] = float(self.layers)
        if self.embedding_scale != 1.0:
            switched["scale of the input embedding"] = self.embedding_scale
        if self.attention == "causal":
            switched["causal attention"] = 1.0
        if self.lowercase:
            switched["lower case"] = 1.0
        if self.special_tokens:
            switched["special tokens"] = 1.0
        if self.training is not None and self.training.sampled_terms is not None:
            switched["terms sampled in the loss"] = float(self.training.sampled_terms)
        if self.training is not None and self.training.topics is not None:
            switched["topics that batches are drawn from"] = float(self.training.topics)
        phases = [phase for phase in (self.training, self.finetuning) if phase is not None]
        if any(phase.distillation is not None for phase in phases):
            switched["distillation"] = 1.0
        if any(phase.regularise_idf for phase in phases):
            switched["inverse document frequency in the FLOPS terms"] = 1.0
        return switched


class LaconicParams(LlamaParams, LookupParams):
    """LACONIC: what the paper encodes with, and the departures of small models."""

    query_terms: int = Field(default=512, ge=1)
    """Active terms of a query at most: those with the largest weights."""
    document_terms: int = Field(default=512, ge=1)
    """Active terms of a document at most: those with the largest weights."""
    term_bias: float | None = Field(default=None, ge=0)
    """Give each term the bias -(mean + `term_bias` standard deviations) of its largest logit in passages of the
    training pairs, so that none fires everywhere; no bias where it is left out. A departure from LACONIC."""
    bias_passages: int = Field(default=256, ge=2)
    """Passages that the bias is computed from."""
    term_weight: float | None = Field(default=None, gt=0)
    """Scale each term's logit so that, before training, a text that holds the term gives it about this number times the
    square root of its inverse document frequency; no scale where it is left out. Needs `term_bias`. A departure from
    LACONIC."""
    terms: int | None = Field(default=None, ge=1)
    """Number of terms to use, those that most training passages hold; all where it is left out. Needs `term_weight`. A
    departure from LACONIC."""

    learnable: ClassVar[bool] = True

    @model_validator(mode="after")
    def _table_is_learnt(self) -> Self:
        if self.learns_table and self.training is None and self.adapter is None:
            raise ValueError('lookup = "learnt" needs training, or an adapter with a table')
        if self.learns_table and self.special_tokens:
            raise ValueError('lookup = "learnt" needs special_tokens = false')
        return self

    @model_validator(mode="after")
    def _weights_need_a_bias(self) -> Self:
        if self.term_bias is not None and self.adapter is not None and self.training is not None:
            raise ValueError("an adapter has the bias of its terms: leave out term_bias, term_weight and terms")
        if self.term_bias is not None and self.frozen == "bfloat16":
            raise ValueError('term_bias needs frozen = "float32"')
        if self.term_weight is not None and self.term_bias is None:
            raise ValueError("term_weight needs term_bias")
        if self.terms is not None and self.term_weight is None:
            raise ValueError("terms needs term_weight")
        return self

    def departures(self) -> dict[str, float]:
        """See the base."""
        switched = super().departures()
        for what, value in (
            ("bias of terms, standard deviations", self.term_bias),
            ("scale of terms, times the root of their inverse document frequency", self.term_weight),
            ("terms used", self.terms),
            ("table of queries that is learnt", 1.0 if self.learns_table else None),
        ):
            if value is not None:
                switched[what] = float(value)
        return switched


class DenseTwinParams(LlamaParams):
    """The dense model that a LACONIC is compared with."""

    pooling: Literal["mean", "last"] = "mean"
    """Mean of all tokens' states, or the last token's."""
    dimensions: int | None = Field(default=None, ge=1)
    """Keep the first dimensions only; all where it is left out."""
    output: Literal["float32", "float16", "int8"] = "float32"
    """Precision of the values; int8 has 255 steps from minus to plus the largest of a vector. They are rounded and stay
    float32 outside: how many bytes an index spends on them is its own codec's choice."""
