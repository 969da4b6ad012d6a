"""What dense and sparse models of sentence-transformers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.encoders._source import SourceParams


class Loaded:
    """A model of sentence-transformers with its prefixes and lengths.

    Args:
        model: SentenceTransformer or SparseEncoder.
        params: Prefixes, length, batch size.
        head: Output columns computed for each token besides the backbone (a vocabulary), 0 without.
    """

    def __init__(self, model: Any, params: SourceParams, head: int) -> None:
        self.model, self.params, self.head = model, params, head
        model.eval()
        model.max_seq_length = min(params.max_length, int(model.max_seq_length or params.max_length))

    def with_prefix(self, texts: Sequence[str], role: Literal["document", "query"]) -> list[str]:
        """Texts as the model gets them."""
        prefix = self.params.query_prefix if role == "query" else self.params.document_prefix
        return [prefix + text for text in texts]

    def count_tokens(self, texts: Sequence[str], role: Literal["document", "query"]) -> list[int]:
        """Tokens after prefix and truncation, special tokens included, padding not."""
        found = self.model.tokenizer(
            self.with_prefix(texts, role), truncation=True, max_length=self.model.max_seq_length
        )
        return [len(ids) for ids in found["input_ids"]]

    def count_flops(self, tokens: int) -> float:
        """2 per multiply-add of a BERT-like encoder: projections, attention scores and sums, feed-forward, head."""
        config = self.model[0].auto_model.config
        if config.model_type not in {"bert", "distilbert", "roberta", "mpnet"}:
            raise UserError(
                f"no FLOPs formula for models of type {config.model_type!r}", remedy="use a BERT-like model"
            )
        hidden, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
        per_layer = 2 * tokens * (4 * hidden * hidden + 2 * hidden * inner) + 4 * tokens * tokens * hidden
        head = 2 * tokens * (hidden * hidden + hidden * self.head) if self.head else 0
        return float(layers * per_layer + head)

    def parameters(self) -> Mapping[str, float]:
        """Number and bytes of the weights."""
        weights = list(self.model.parameters())
        return {
            "parameters": float(sum(w.numel() for w in weights)),
            "weight bytes": float(sum(w.numel() * w.element_size() for w in weights)),
        }
