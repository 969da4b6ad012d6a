"""LACONIC (arXiv 2601.01684): a causal language model made bidirectional, whose head's logits are term weights."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from harness.encoders import FitInput, Progress, register
from harness.encoders._llama_params import LaconicParams
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import torch

    from harness.collections.base import Pair
    from harness.encoders._folder import Contract
    from harness.encoders._packed import Model, PackedSparse
    from harness.spec.params import Params
    from harness.vectors import Kind


@register("laconic")
class Laconic:
    """Largest logit of each term over a text's tokens, log(1 + ReLU), largest terms kept."""

    Params: ClassVar[type[Params]] = LaconicParams
    kind: ClassVar[Kind] = "sparse"

    def __init__(self, params: LaconicParams) -> None:
        self.params = params

    def needs(self) -> FitInput:
        """Pairs for training, or for the passages that the bias of the terms is computed from."""
        return "nothing" if self.params.training is None and self.params.term_bias is None else "pairs"

    def fingerprint(self) -> str:
        """Of the backbone's files."""
        return self.params.backbone.fingerprint()

    def width(self) -> int | None:
        """Known when the backbone is read."""
        return None

    def fit(
        self,
        directory: Path,
        *,
        corpus: Iterable[str] | None = None,
        pairs: Iterable[Pair] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, object]:
        """Convert the backbone, compute the bias, train; see the spec for which of these."""
        import torch

        from harness.encoders._llama_type import prepare, train_model

        params = self.params
        model = prepare(params, _contract(params))
        examples = _examples(pairs)
        if self.needs() == "pairs" and not examples:
            raise UserError("the model needs training pairs", key="pairs", remedy="name a collection that has some")
        if params.term_bias is not None:
            passages = [passage for _, passage in islice(examples, params.bias_passages)]
            model.bias = torch.nn.Parameter(term_bias(model, passages, params.term_bias, params.batch_size))
        facts: dict[str, object] = {"departures": params.departures()}
        if params.training is not None:
            from harness.training.objectives import SparseObjective

            objective = SparseObjective(model.head, model.bias, params.training, seed)
            facts |= train_model(model, objective, params.training, params, examples, seed, progress)
        model.save(directory)
        return facts

    def load(self, directory: Path, *, threads: int = 1) -> PackedSparse:
        """Open what `fit` wrote."""
        from harness.encoders._llama_type import open_model
        from harness.encoders._packed import PackedSparse

        model = open_model(directory, "sparse", self.params, threads)
        return PackedSparse(model, self.params.batch_size, self.params.facts())


def term_bias(model: Model, passages: Sequence[str], deviations: float, batch_size: int) -> torch.Tensor:
    """-(mean + deviations * standard deviation) of each term's largest logit over these passages, float32."""
    import torch

    from harness.encoders._text import Tokeniser
    from harness.training.max_head import max_logits

    ids = Tokeniser(model.tokenizer, model.contract).ids(passages, "document")
    count, total, squares = 0, torch.zeros(len(model.head)).double(), torch.zeros(len(model.head)).double()
    for _, states, lengths in model.states(ids, batch_size):
        largest = max_logits(states, lengths, model.head).double()
        count, total, squares = count + len(lengths), total + largest.sum(0), squares + largest.square().sum(0)
    mean = total / count
    spread = ((squares - count * mean.square()) / max(count - 1, 1)).clamp(min=0).sqrt()
    return -(mean + deviations * spread).float()


def _contract(params: LaconicParams) -> Contract:
    from harness.encoders._folder import Contract

    return Contract(
        "sparse",
        params.query_prefix,
        params.document_prefix,
        params.query_length,
        params.document_length,
        query_terms=params.query_terms,
        document_terms=params.document_terms,
        special_tokens=params.special_tokens,
    )


def _examples(pairs: Iterable[Pair] | None) -> list[tuple[str, str]]:
    return [(pair.query, pair.positive) for pair in pairs or ()]
