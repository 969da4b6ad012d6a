"""What the texts of one role pass in a model of sentence-transformers: all modules, or those of a Router's route."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from harness.encoders.weights.tokenizer_files import smallest_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer, SparseEncoder

    from harness.encoders.base import Role
    from harness.training.flops import Operations

BERT_LIKE = {"bert", "distilbert", "roberta", "xlm-roberta", "mpnet"}
LOOKUPS = {"StaticEmbedding", "SparseStaticEmbedding"}
"""Modules that look tokens up in a table, without any arithmetic but sums."""
OVER_TERMS = {"SpladePooling", "SparseStaticEmbedding"}
"""Modules whose columns are the terms of a vocabulary."""


class ModelSide:
    """The modules of one role, in the order that texts pass them.

    Args:
        model: Of sentence-transformers. Its limit of tokens is changed.
        role: Of the texts.
        length: Tokens of a text that are read at most; the model's own limit where that is shorter, or for None.
    """

    def __init__(self, model: SentenceTransformer | SparseEncoder, role: Role, length: int | None) -> None:
        self.modules = [part for module in model for part in _route(module, role)]
        self.first = self.modules[0]
        self.length = _shorten(self.first, length)

    @property
    def names(self) -> list[str]:
        """Classes of the modules."""
        return [type(module).__name__ for module in self.modules]

    @property
    def is_lookup(self) -> bool:
        """Whether no network reads the texts: tokens are looked up in a table."""
        return self.names[0] in LOOKUPS

    @property
    def over_terms(self) -> bool:
        """Whether the columns of its vectors are the terms of the tokenizer."""
        return bool(set(self.names) & OVER_TERMS)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts that have their prefix, after truncation, without padding."""
        if not texts:
            return []
        tokenizer = self.first.tokenizer
        if self.names[0] == "StaticEmbedding":
            return [list(encoded.ids) for encoded in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        special = self.names[0] != "SparseStaticEmbedding" and self._adds_special_tokens
        settings = {"truncation": self.length is not None, "max_length": self.length, "add_special_tokens": special}
        return [list(ids) for ids in tokenizer(list(texts), **settings)["input_ids"]]

    def flops(self, tokens: int) -> float:
        """2 per multiply-add of one text: projections, attention, feed-forward, head; nothing for a lookup.

        By formula for BERT and its like; by torch's counter, at three lengths, for other networks.
        """
        a_text, a_token = self._products_after
        after = a_text + a_token * tokens
        if self.is_lookup:
            return after
        config = self.first.auto_model.config
        if config.model_type not in BERT_LIKE:
            return self._counted.of(tokens) + after
        hidden = config.hidden_size
        inner = getattr(config, "intermediate_size", None) or config.hidden_dim
        layers = getattr(config, "num_hidden_layers", None) or config.n_layers
        per_layer = 2 * tokens * (4 * hidden * hidden + 2 * hidden * inner) + 4 * tokens * tokens * hidden
        terms = config.vocab_size if "SpladePooling" in self.names else 0
        head = 2 * tokens * (hidden * hidden + hidden * terms) if terms else 0
        return float(layers * per_layer + head) + after

    def weights(self) -> list[torch.nn.Parameter]:
        """Its weights, each once."""
        return list({id(w): w for module in self.modules for w in module.parameters()}.values())

    def states(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """States of a text's tokens after the network: tokens x size, float32."""
        import torch

        with torch.inference_mode():
            row = torch.tensor([list(tokens)], device=next(self.first.parameters()).device)
            rows = self.first({"input_ids": row, "attention_mask": torch.ones_like(row)})["token_embeddings"]
        return np.asarray(rows[0].float().cpu().numpy(), np.float32)

    @property
    def _adds_special_tokens(self) -> bool:
        given = (getattr(self.first, "processing_kwargs", None) or {}).get("text", {})
        return bool(given.get("add_special_tokens", True))

    @cached_property
    def _products_after(self) -> tuple[float, float]:
        """Operations that linear layers after the first module need for a text, and for each of its tokens."""
        import torch

        a_text = a_token = 0.0
        for module in self.modules[1:]:
            layers = [part for part in module.modules() if isinstance(part, torch.nn.Linear)]
            work = float(sum(2 * layer.weight.numel() for layer in layers))
            if getattr(module, "module_input_name", None) == "token_embeddings":
                a_token += work
            else:
                a_text += work
        return a_text, a_token

    @cached_property
    def _counted(self) -> Operations:
        import torch

        from harness.training.flops import operations

        def run(length: int) -> None:
            mask = torch.ones((1, length), dtype=torch.long, device=next(self.first.parameters()).device)
            self.first({"input_ids": mask, "attention_mask": mask})

        return operations(run, max(min(16, (self.length or 48) // 3), 1))


def _route(module: torch.nn.Module, role: Role) -> list[torch.nn.Module]:
    """The module, or what a Router would send texts of this role through."""
    if type(module).__name__ != "Router":
        return [module]
    return list(module.sub_modules[module._resolve_route(task=role, modality="text")])


def _shorten(module: torch.nn.Module, length: int | None) -> int | None:
    """Lower a module's limit of tokens of a text to this number, and return its limit then; None: it has none."""
    name = type(module).__name__
    if name == "StaticEmbedding":
        if length is not None:
            module.tokenizer.enable_truncation(length)
        return length
    limit = smallest_limit(length, module.max_seq_length)
    if limit is None:
        return None
    module.max_seq_length = limit
    if name == "SparseStaticEmbedding":
        # It lets its tokenizer truncate, and has its own limit for show.
        module.tokenizer.model_max_length = limit
    return limit
