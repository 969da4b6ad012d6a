"""Learned sparse models of sentence-transformers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self, cast

import numpy as np
from pydantic import Field, model_validator
from scipy import sparse

from harness.encoders import Encoder, FitInput, Progress, register
from harness.encoders.backbones.query_lookup import LookupEncoder, LookupParams, TextReader, table_digest, write_table
from harness.encoders.backbones.sentence_transformers_model import LIBRARIES, Loaded, ReadyMade, open_model
from harness.encoders.backbones.two_models import TwoModels, check_vocabularies
from harness.encoders.replicas import on_devices
from harness.encoders.weights.source import SourceParams, named_on_hub
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sentence_transformers import SparseEncoder

    from harness.collections.base import Pair
    from harness.encoders.backbones.packed_encoder import PackedSparse
    from harness.encoders.base import HubName, Role
    from harness.spec.params import Params
    from harness.vectors import Kind

QUERIES = "queries"
"""Folder of the queries' model, inside that of the documents'."""


class SparseParams(SourceParams, LookupParams):
    """A learned sparse model, and how many active terms a vector may have."""

    query_terms: int | None = Field(default=None, ge=1)
    """Active terms of a query at most, those with the largest weights; the model's own limit where it is left out."""
    document_terms: int | None = Field(default=None, ge=1)
    """The same of a document."""
    query_model: str | None = None
    """Another model that encodes the queries, as efficient-splade has one: a folder, or a name on the Hugging Face Hub.
    `model` then encodes documents alone."""
    query_revision: str | None = None
    """Commit of it on the Hub."""

    @model_validator(mode="after")
    def _one_way_of_queries(self) -> Self:
        if self.query_model is not None and self.looks_up:
            raise ValueError("queries are encoded by query_model or looked up, not both")
        if self.query_model is None and self.query_revision is not None:
            raise ValueError("query_revision needs query_model")
        return self

    @property
    def of_queries(self) -> SparseParams | None:
        """The settings of the query side, where it is a model of its own."""
        if self.query_model is None:
            return None
        own = {"model": self.query_model, "revision": self.query_revision, "wheel": None, "path": "."}
        return self.model_copy(update={**own, "query_model": None, "query_revision": None})


@register("sparse-encoder")
class SparseEncoderType(ReadyMade):
    """A SparseEncoder from a folder, a wheel or the Hub; a bare masked language model is pooled as SPLADE does."""

    Params: ClassVar[type[Params]] = SparseParams
    kind: ClassVar[Kind] = "sparse"
    libraries: ClassVar[tuple[str, ...]] = LIBRARIES
    params: SparseParams

    def needs(self) -> FitInput:
        """Nothing, or the corpus for the weights of looked-up queries."""
        return "corpus" if self.params.counts_documents else "nothing"

    def learned(self) -> bool:
        """Always: the corpus decides the weights of queries alone."""
        return True

    def fingerprint(self) -> str:
        """Of the model's files, and of those of the table or of the queries' model where there is one."""
        queries = self._queries()
        return super().fingerprint() + table_digest(self.params) + (f" {queries.fingerprint()}" if queries else "")

    def hub_names(self) -> Sequence[HubName]:
        """What both models take from the Hub."""
        params = self.params
        return [*super().hub_names(), *named_on_hub("query_", {"": (params.query_model, params.query_revision)})]

    def fit(
        self,
        directory: Path,
        *,
        corpus: Iterable[str] | None = None,
        pairs: Iterable[Pair] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, object]:
        """Copy the model's folder, and make the table of its queries, or copy the model of queries."""
        facts = super().fit(directory, corpus=corpus, pairs=pairs, seed=seed, progress=progress)
        queries = self._queries()
        if queries is not None:
            (directory / QUERIES).mkdir()
            return {**facts, **self._with_queries(directory, facts, queries)}
        if not self.params.looks_up:
            return facts
        model = self._on(directory, "cpu")
        return {**facts, **write_table(directory, self.params, model.text_reader(), model.width, corpus or ())}

    def load(self, directory: Path, *, threads: int = 1) -> Encoder:
        """Open it; the model of documents with the first of them, where queries have a table or another model."""
        queries = self._queries()
        if queries is not None:
            return TwoModels(
                lambda: self._model(directory, threads), queries.load(directory / QUERIES, threads=threads)
            )
        if self.params.looks_up:
            return LookupEncoder(directory, lambda: self._model(directory, threads), self.params.query_terms)
        return self._model(directory, threads)

    def _queries(self) -> SparseEncoderType | None:
        """The type that makes the model of queries, where they have one."""
        return None if self.params.of_queries is None else SparseEncoderType(self.params.of_queries)

    def _with_queries(
        self, directory: Path, facts: Mapping[str, object], queries: SparseEncoderType
    ) -> dict[str, object]:
        """Make the model of queries, and give the facts that change by it."""
        try:
            own = queries.fit(directory / QUERIES)
        except UserError as error:
            error.key = {"model": "query_model", "revision": "query_revision"}.get(str(error.key), error.key)
            raise
        check_vocabularies(self._model(directory, 1), queries.load(directory / QUERIES))
        both = facts, own
        return {
            "commits": {
                name: commit for its in both for name, commit in cast("dict[str, str]", its["commits"]).items()
            },
            "warnings": [warning for its in both for warning in cast("list[str]", its["warnings"])],
            **({"query_onnx": own["onnx"]} if "onnx" in own else {}),
        }

    def _model(self, directory: Path, threads: int) -> Encoder:
        return on_devices(self.params, threads, lambda device: self._on(directory, device))

    def _on(self, directory: Path, device: str) -> PackedSparse | SparseTextEncoder:
        """Plain BERT pipelines in torch alone, or onnxruntime; all others with sentence-transformers."""
        from harness.encoders.backbones.bert import open_bert

        folder = directory / "model"
        plain = open_bert(folder, self.params, device) if self.params.code_revision is None else None
        if plain is not None:
            limits = self.params.model_dump(include={"query_terms", "document_terms"}, exclude_none=True)
            plain.contract = replace(plain.contract, **limits)
            from harness.encoders.backbones.packed_encoder import PackedSparse

            return PackedSparse(plain.computed_by(self.params, directory), self.params)
        from sentence_transformers import SparseEncoder

        return SparseTextEncoder(open_model(SparseEncoder, folder, self.params, device), self.params)


class SparseTextEncoder(Loaded):
    """Texts to CSR float32 rows over the vocabulary, or over the latent dimensions of a sparse autoencoder."""

    kind: Kind = "sparse"

    def __init__(self, model: SparseEncoder, params: SparseParams) -> None:
        super().__init__(model, params)
        self.limits: dict[Role, int | None] = {"query": params.query_terms, "document": params.document_terms}
        # What comes out: a head may have more rows than the vocabulary has entries, or none may be over a vocabulary.
        self.width = max(self._rows(["a"], role).shape[1] for role in self.limits)

    def encode_documents(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows x terms."""
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows x terms."""
        return self._encode(texts, "query")

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Tokens of the vocabulary; the latent dimensions of an autoencoder have numbers alone."""
        if not self.documents.over_terms:
            return [f"dimension {column}" for column in columns]
        return [str(name) for name in self.documents.first.tokenizer.convert_ids_to_tokens(list(columns))]

    def text_reader(self) -> TextReader:
        """Tokenizer and lengths.

        Raises:
            UserError: The columns of its vectors are no tokens.
        """
        if not self.documents.over_terms:
            raise UserError(
                "the columns of this model's vectors are no tokens", key="queries", remedy='use queries = "model"'
            )
        tokenizer = self.documents.first.tokenizer.backend_tokenizer.to_str()
        return TextReader(tokenizer, self.documents.length, self.queries.length)

    def _encode(self, texts: Sequence[str], role: Role) -> sparse.csr_matrix:
        # The library returns COO at 20 bytes a weight; batch by batch that never adds up.
        order: list[int] = []
        blocks = []
        for places in self.batches(texts, role):
            order += places
            block = self._rows([texts[place] for place in places], role)
            # One side may have fewer columns than the other: a vocabulary without the spare rows of a head.
            blocks.append(sparse.csr_matrix((block.data, block.indices, block.indptr), (block.shape[0], self.width)))
        if not blocks:
            return sparse.csr_matrix(np.zeros((0, self.width), np.float32))
        return sparse.csr_matrix(sparse.vstack(blocks, format="csr")[np.argsort(order)])

    def _rows(self, batch: list[str], role: Role) -> sparse.csr_matrix:
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        rows = encode(
            batch,
            batch_size=len(batch),
            prompt=self.prefix(role),
            max_active_dims=self.limits[role],
            convert_to_sparse_tensor=False,
            show_progress_bar=False,
        )
        return sparse.csr_matrix(rows.float().cpu().numpy())
