"""Dense models of sentence-transformers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from harness.encoders import Encoder, register
from harness.encoders.backbones.sentence_transformers_model import LIBRARIES, Loaded, ReadyMade, open_model
from harness.encoders.replicas import on_devices
from harness.encoders.weights.published_folder import PoolingMode  # noqa: TC001 - a field's type
from harness.encoders.weights.source import SourceParams
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from harness.encoders.base import ModelSize
    from harness.spec.params import Params
    from harness.vectors import Kind


class DenseParams(SourceParams):
    """A dense model, how it is compared, and how many of its dimensions are used."""

    pooling: PoolingMode | None = None
    """How the states of a text's tokens become one vector, for a folder that does not say it (it has no modules.json):
    their mean, the first token's (cls) or the last one's."""
    similarity: Literal["cosine", "dot"] | None = None
    """How vectors are compared: with cosine they are made unit length. The model's own where it is left out, and cosine
    where the model does not say it, as in sentence-transformers."""

    dimensions: int | None = Field(default=None, ge=1)
    """Keep the first dimensions only, made unit length again where the model's are; all where it is left out."""


@register("sentence-transformer")
class SentenceTransformerType(ReadyMade):
    """A SentenceTransformer from a folder, a wheel or the Hub."""

    Params: ClassVar[type[Params]] = DenseParams
    kind: ClassVar[Kind] = "dense"
    libraries: ClassVar[tuple[str, ...]] = LIBRARIES
    params: DenseParams

    def pooling(self) -> PoolingMode | None:
        """As the spec says."""
        return self.params.pooling

    def announced(self) -> ModelSize | None:
        """As mteb has registered the model."""
        from harness.encoders.backbones.model_size import registered

        return registered(self.params.model, length=self.params.max_length, dimensions=self.params.dimensions)

    def load(self, directory: Path, *, threads: int = 1) -> Encoder:
        """Open it: plain BERT pipelines in torch alone, all others with sentence-transformers."""
        return on_devices(self.params, threads, lambda device: self._on(directory, device))

    def _on(self, directory: Path, device: str) -> Encoder:
        from harness.encoders.backbones.bert import open_bert

        folder = directory / "model"
        unit = compared_by(folder, self.params.similarity) == "cosine"
        plain = open_bert(folder, self.params, device) if self.params.code_revision is None else None
        if plain is not None:
            plain.contract = replace(plain.contract, normalise=plain.contract.normalise or unit)
            if self.params.dimensions is not None:
                width = kept_dimensions(self.params.dimensions, plain.contract.dimensions or plain.shape.hidden)
                plain.contract = replace(plain.contract, dimensions=width)
            from harness.encoders.backbones.packed_encoder import PackedDense

            return PackedDense(plain.computed_by(self.params, directory), self.params)
        from sentence_transformers import SentenceTransformer

        model = open_model(SentenceTransformer, folder, self.params, device)
        return DenseEncoder(model, self.params, unit=unit)


class DenseEncoder(Loaded):
    """Texts to float32 rows, as the model's own modules pool and normalise them.

    Args:
        model: Ready.
        params: Prefixes, lengths, dimensions.
        unit: Whether rows are made unit length, as cosine compares them.
    """

    kind: Kind = "dense"

    def __init__(self, model: SentenceTransformer, params: DenseParams, *, unit: bool) -> None:
        super().__init__(model, params)
        dimension = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
        self.full = int(dimension())
        self.width = self.full if params.dimensions is None else kept_dimensions(params.dimensions, self.full)
        self.unit = unit or "Normalize" in {self.documents.names[-1], self.queries.names[-1]}

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Rows x dimensions."""
        return self._encode(texts, "document")

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Rows x dimensions."""
        return self._encode(texts, "query")

    def _encode(self, texts: Sequence[str], role: Literal["document", "query"]) -> NDArray[np.float32]:
        encode = self.model.encode_query if role == "query" else self.model.encode_document
        whole = np.zeros((len(texts), self.full), np.float32)
        for places in self.batches(texts, role):
            vectors = encode(
                [texts[place] for place in places],
                batch_size=len(places),
                prompt=self.prefix(role),
                normalize_embeddings=self.unit,
                convert_to_tensor=True,
                show_progress_bar=False,
            )
            whole[places] = vectors.float().cpu().numpy()
        rows = whole[:, : self.width]
        if self.unit and self.width < self.full:
            rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return np.ascontiguousarray(rows)


def compared_by(folder: Path, similarity: Literal["cosine", "dot"] | None) -> Literal["cosine", "dot"]:
    """How vectors of a model are compared: as the spec says, or else the model, or else by cosine.

    Raises:
        UserError: The model compares by a distance, and the spec does not say what to do instead.
    """
    if similarity is not None:
        return similarity
    file = folder / "config_sentence_transformers.json"
    try:
        own = json.loads(file.read_text(encoding="utf-8")).get("similarity_fn_name") if file.is_file() else None
    except (ValueError, AttributeError, RecursionError):
        raise UserError("this is no JSON object", file=file, key="model", remedy="get the file again") from None
    if own in {None, "cosine"}:
        return "cosine"
    if own in {"dot", "dot_score"}:
        return "dot"
    raise UserError(
        f"the model compares vectors by {own!r}; an index of this program by their inner product alone",
        key="similarity",
        remedy='similarity = "cosine" or "dot"',
    )


def kept_dimensions(wanted: int, available: int) -> int:
    """The number of dimensions that are used.

    Raises:
        UserError: More are wanted than there are.
    """
    if wanted > available:
        raise UserError(
            f"{wanted} dimensions are more than the model's {available}",
            key="dimensions",
            remedy=f"at most {available}",
        )
    return wanted
