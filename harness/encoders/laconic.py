"""LACONIC (arXiv 2601.01684): a causal language model made bidirectional, whose head's logits are term weights."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy import sparse

from harness.encoders import FitInput, Progress, register
from harness.encoders._llama_params import LaconicParams
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Literal

    import torch
    from numpy.typing import NDArray

    from harness.collections.base import Pair
    from harness.encoders._folder import Contract
    from harness.encoders._llama_type import LlamaEncoder, Model
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

    def load(self, directory: Path, *, threads: int = 1) -> LaconicEncoder:
        """Open what `fit` wrote."""
        from harness.encoders._llama_type import LlamaEncoder, open_model

        return LaconicEncoder(LlamaEncoder(open_model(directory, "sparse", self.params, threads), self.params))


class LaconicEncoder:
    """Texts to CSR float32 rows over the vocabulary; no more than one batch's largest logits is held besides."""

    kind: Kind = "sparse"

    def __init__(self, base: LlamaEncoder) -> None:
        self.base, self.model = base, base.model
        self.width = int(self.model.head.shape[0])
        self.count_tokens, self.parameters = base.count_tokens, base.parameters

    def encode_documents(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows x terms, at most `document_terms` a row."""
        return self._encode(texts, "document", self.model.contract.document_terms)

    def encode_queries(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows x terms, at most `query_terms` a row."""
        return self._encode(texts, "query", self.model.contract.query_terms)

    def count_flops(self, tokens: int) -> float:
        """Layers, attention and head."""
        shape = self.model.backbone.shape
        return shape.flops(tokens) + 2.0 * tokens * shape.hidden * self.width

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Tokens of the vocabulary, as text where they are whole characters."""
        tokenizer = self.base.tokeniser.tokenizer
        return [tokenizer.decode([int(c)]) or str(tokenizer.id_to_token(int(c))) for c in columns]

    def _encode(self, texts: Sequence[str], role: Literal["document", "query"], keep: int | None) -> sparse.csr_matrix:
        from harness.encoders._llama_type import encode_rows
        from harness.training.max_head import max_logits

        def rows(states: torch.Tensor, lengths: list[int]) -> list[tuple[NDArray[np.int32], NDArray[np.float32]]]:
            largest = max_logits(states, lengths, self.model.head, self.model.bias).cpu().numpy()
            return [_weights(row, keep) for row in largest]

        nothing = (np.zeros(0, np.int32), np.zeros(0, np.float32))
        found = encode_rows(self.base, texts, role, rows, nothing)
        indptr = np.cumsum([0, *(len(columns) for columns, _ in found)], dtype=np.int64)
        indices = np.concatenate([nothing[0], *(columns for columns, _ in found)])
        data = np.concatenate([nothing[1], *(weights for _, weights in found)])
        return sparse.csr_matrix((data, indices, indptr), shape=(len(texts), self.width))


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
    )


def _examples(pairs: Iterable[Pair] | None) -> list[tuple[str, str]]:
    return [(pair.query, pair.positive) for pair in pairs or ()]


def _weights(largest: NDArray[np.float32], keep: int | None) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Columns (ascending) and weights of the terms above zero, the largest `keep` of them."""
    columns = np.flatnonzero(largest > 0)
    if keep is not None and len(columns) > keep:
        columns = np.sort(columns[np.argpartition(largest[columns], -keep)[-keep:]])
    return columns.astype(np.int32), np.log1p(largest[columns])
