"""Learned sparse models of sentence-transformers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from harness.encoders import Encoder, register
from harness.encoders.backbones.sentence_transformers_model import LIBRARIES, Loaded, ReadyMade, open_model
from harness.encoders.replicas import on_devices
from harness.encoders.weights.source import SourceParams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sentence_transformers import SparseEncoder

    from harness.spec.params import Params
    from harness.vectors import Kind


class SparseParams(SourceParams):
    """A learned sparse model, and how many active terms a vector may have."""

    query_terms: int | None = Field(default=None, ge=1)
    """Active terms of a query at most, those with the largest weights; the model's own limit where it is left out."""
    document_terms: int | None = Field(default=None, ge=1)
    """The same of a document."""


@register("sparse-encoder")
class SparseEncoderType(ReadyMade):
    """A SparseEncoder from a folder, a wheel or the Hub; a bare masked language model is pooled as SPLADE does."""

    Params: ClassVar[type[Params]] = SparseParams
    kind: ClassVar[Kind] = "sparse"
    libraries: ClassVar[tuple[str, ...]] = LIBRARIES
    params: SparseParams

    def load(self, directory: Path, *, threads: int = 1) -> Encoder:
        """Open it: plain BERT pipelines in torch alone, all others with sentence-transformers."""
        return on_devices(self.params, threads, lambda device: self._on(directory / "model", device))

    def _on(self, folder: Path, device: str) -> Encoder:
        from harness.encoders.backbones.bert import open_bert

        plain = open_bert(folder, self.params, device)
        if plain is not None:
            limits = self.params.model_dump(include={"query_terms", "document_terms"}, exclude_none=True)
            plain.contract = replace(plain.contract, **limits)
            from harness.encoders.backbones.packed_encoder import PackedSparse

            return PackedSparse(plain, self.params)
        from sentence_transformers import SparseEncoder

        return SparseTextEncoder(open_model(SparseEncoder, folder, self.params.dtype, device), self.params)


class SparseTextEncoder(Loaded):
    """Texts to CSR float32 rows over the vocabulary."""

    kind: Kind = "sparse"

    def __init__(self, model: SparseEncoder, params: SparseParams) -> None:
        self.width = int(model[0].auto_model.config.vocab_size)
        super().__init__(model, params, head=self.width)
        self.limits = {"query": params.query_terms, "document": params.document_terms}

    def encode_documents(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows x terms."""
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows x terms."""
        return self._encode(texts, "query")

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Tokens of the vocabulary."""
        return [str(name) for name in self.model.tokenizer.convert_ids_to_tokens(list(columns))]

    def _encode(self, texts: Sequence[str], role: Literal["document", "query"]) -> sparse.csr_matrix:
        # The library returns COO at 20 bytes a weight; batch by batch that never adds up.
        order: list[int] = []
        blocks = []
        for places in self.batches(texts, role):
            order += places
            rows = self.model.encode(
                [texts[place] for place in places],
                batch_size=len(places),
                prompt=self.prefix(role),
                **self._limit(role),
                convert_to_sparse_tensor=False,
                show_progress_bar=False,
            )
            blocks.append(sparse.csr_matrix(rows.float().cpu().numpy()))
        if not blocks:
            return sparse.csr_matrix(np.zeros((0, self.width), np.float32))
        return sparse.csr_matrix(sparse.vstack(blocks, format="csr")[np.argsort(order)])

    def _limit(self, role: Literal["document", "query"]) -> dict[str, int]:
        limit = self.limits[role]
        return {} if limit is None else {"max_active_dims": limit}
