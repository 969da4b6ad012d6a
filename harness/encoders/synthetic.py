"""Vectors drawn by number: sparse ones shaped like SPLADE's, and dense ones, for measuring how costs grow."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from pathlib import Path  # noqa: TC003 - the protocol's methods are looked at when the program runs
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from harness.encoders import EncoderBase, EncoderTypeBase, register
from harness.encoders.backbones.splade_like import CHUNK, Skewed, joined
from harness.encoders.backbones.topical import Topical
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from harness.collections.base import Pair
    from harness.encoders.base import Progress
    from harness.vectors import Kind, Vectors

FILE = "synthetic.json"
_QUERY = re.compile(r"(\d{1,18}) of (\d{1,18})")


class SyntheticParams(Params):
    """Shape of synthetic sparse vectors."""

    terms: int = Field(default=128_256, ge=100, le=1 << 24)
    """Width of the vocabulary."""
    document_terms: int = Field(default=227, ge=1, le=2000)
    """Mean terms of a document."""
    query_terms: int = Field(default=61, ge=3, le=2000)
    """Mean terms of a query."""
    topics: int = Field(default=0, ge=0, le=10_000)
    """Broad topics of documents, which give them near neighbours as texts have (16 fits SPLADE-tiny); 0: hardly any two
    documents are alike, which is unfair to engines that search by neighbours or blocks."""
    seed: int = Field(default=1, ge=0)
    """Of everything."""


class SyntheticDenseParams(Params):
    """Shape of synthetic dense vectors."""

    dimensions: int = Field(default=384, ge=1, le=65_536)
    """Of a vector."""
    seed: int = Field(default=1, ge=0)
    """Of everything."""


class _Encoder(EncoderBase, ABC):
    """What both kinds share: nothing is read, and no arithmetic of a model is done."""

    kind: Kind
    width: int

    @abstractmethod
    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """The vectors of the documents that the texts are numbers of."""

    def count_tokens(self, texts: Sequence[str], role: Literal["document", "query"]) -> list[int]:
        """None: there is no text."""
        return [0] * len(texts)

    def terms(self, columns: Sequence[int]) -> list[str]:
        """Numbers."""
        return [f"t{column}" for column in columns] if self.kind == "sparse" else []


class SyntheticEncoder(_Encoder):
    """Draws sparse vectors."""

    kind: Kind = "sparse"

    def __init__(self, params: SyntheticParams) -> None:
        shape = params.terms, params.document_terms, params.query_terms
        self.source: Skewed | Topical = Skewed(*shape, params.seed)
        if params.topics:
            self.source = Topical(*shape, params.topics, params.seed)
        self.width = params.terms

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """The vectors of the documents that the texts are numbers of."""
        return self.source.rows([_number(text) for text in texts])

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Each from its document."""
        return joined([self.source.query(*_pair(text)) for text in texts], self.width)


class SyntheticDenseEncoder(_Encoder):
    """Draws unit vectors, all directions alike; a query is its document with noise."""

    kind: Kind = "dense"

    def __init__(self, params: SyntheticDenseParams) -> None:
        self.width, self.seed = params.dimensions, params.seed

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """The vectors of the documents that the texts are numbers of."""
        return _stacked([self._document(_number(text)) for text in texts], self.width)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Each from its document."""
        rows = []
        for text in texts:
            row, source = _pair(text)
            noise = np.random.default_rng((self.seed, 2, row)).standard_normal(self.width, np.float32)
            rows.append(_unit(self._document(source) + _unit(noise)))
        return _stacked(rows, self.width)

    def _document(self, number: int) -> NDArray[np.float32]:
        return _unit(np.random.default_rng((self.seed, 1, number)).standard_normal(self.width, np.float32))


class _Synthetic(EncoderTypeBase):
    """How either is made: of its parameters alone."""

    Params: ClassVar[type[Params]]
    kind: ClassVar[Kind]
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy")

    def fit(
        self,
        directory: Path,
        *,
        corpus: Iterable[str] | None = None,
        pairs: Iterable[Pair] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, object]:
        """Write the parameters; the seed is theirs, so that the vectors do not change with the experiment's."""
        (directory / FILE).write_text(self.params.model_dump_json())
        return {}


@register("synthetic")
class Synthetic(_Synthetic):
    """Sparse vectors with the skew of SPLADE's, drawn by the document's number."""

    Params: ClassVar[type[Params]] = SyntheticParams
    kind: ClassVar[Kind] = "sparse"

    def load(self, directory: Path, *, threads: int = 1) -> SyntheticEncoder:
        """Read the parameters."""
        return SyntheticEncoder(SyntheticParams.model_validate_json((directory / FILE).read_text()))

    def width(self) -> int | None:
        """The vocabulary."""
        return int(self.params.terms)


@register("synthetic-dense")
class SyntheticDense(_Synthetic):
    """Dense unit vectors, drawn by the document's number."""

    Params: ClassVar[type[Params]] = SyntheticDenseParams
    kind: ClassVar[Kind] = "dense"

    def load(self, directory: Path, *, threads: int = 1) -> SyntheticDenseEncoder:
        """Read the parameters."""
        return SyntheticDenseEncoder(SyntheticDenseParams.model_validate_json((directory / FILE).read_text()))

    def width(self) -> int | None:
        """The dimensions."""
        return int(self.params.dimensions)


def _number(text: str) -> int:
    """The document's number; a real text has one too, so that every check of a model can be made."""
    if text.isdecimal() and len(text) <= 18:
        return int(text)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "little") % CHUNK


def _pair(text: str) -> tuple[int, int]:
    query = _QUERY.fullmatch(text)
    return (int(query[1]), int(query[2])) if query else (_number(text), _number(text))


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _stacked(rows: list[NDArray[np.float32]], width: int) -> NDArray[np.float32]:
    return np.stack(rows) if rows else np.zeros((0, width), np.float32)
