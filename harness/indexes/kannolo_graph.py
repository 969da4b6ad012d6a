"""kANNolo (package ``kannolo``): approximate search in a graph over sparse vectors (HNSW), alone or with re-ranking."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, Self, TypeAlias, cast

import numpy as np
from pydantic import Field, model_validator

from harness.errors import UserError
from harness.indexes import Hits, IndexBase, Searcher, Supports, register
from harness.indexes._checks import built, check_k
from harness.indexes._peers import PeerSearcher, hits, quietly, require
from harness.indexes._rows import rows_of, tidy_csr
from harness.indexes.files import Header, map_array, save_array, seal, unseal_header
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from harness.vectors import Vectors

ENGINE, VERSION = "kannolo", 1
WHEELS = "CPython 3.11 to 3.13"
UNKNOWN = (1 << 16) - 1
"""Stands for a term that no document has; kANNolo numbers terms in 16 bits."""
CLASSES = {
    "float16": "SparsePlainHNSW",
    "u8": "SparseFixedU8HNSW",
    "u16": "SparseFixedU16HNSW",
    "dotpacking8": "SparseDotPacking8HNSW",
}
HIGHEST = {"u8": 255 / 64, "dotpacking8": 255 / 64, "u16": 65535 / 8192}
"""The highest weight that the variants with whole numbers hold; they store every higher one as this."""
FIRST_STAGES = {"float16": "blocked-sparse", "u8": "fixedu8"}
_environment = threading.Lock()

Query: TypeAlias = "tuple[NDArray[np.int32], NDArray[np.float32]]"
"""Terms as the index numbers them, and weights."""
Answer: TypeAlias = "tuple[NDArray[np.float32], NDArray[np.int64]]"
"""Scores and documents, best first."""


class KannoloIndex(Protocol):
    """The part of kANNolo's indexes that is used; the keywords of a search differ."""

    def search(self, terms: NDArray[np.int32], weights: NDArray[np.float32], /, **how: object) -> Answer:
        """The best documents of a query; -1 after the last."""
        ...

    def save(self, path: str) -> None:
        """Write one file."""
        ...


class KannoloParams(Params):
    """Parameters of kANNolo, for building and for searching."""

    weights: Literal["float16", "u8", "u16", "dotpacking8"] = "float16"
    """How the vectors of the graph are stored: in 16 bits, as whole numbers of 8 or 16 bits with one scale, or in 8
    bits with the numbers of terms compressed."""
    graph: Literal["standard", "permuted", "compressed"] = "standard"
    """Neighbours as they are, with documents renumbered so that neighbours lie close, or in fewer bits."""
    m: int = Field(default=32, ge=2)
    """Neighbours of a document; twice as many on the lowest level."""
    ef_construction: int = Field(default=200, ge=1)
    """Candidates for neighbours while building."""
    mass: float = Field(default=100.0, gt=0, le=100)
    """Percentage of a document's weight that the graph's vectors keep. Below 100, whole vectors in 16 bits rank the
    candidates again."""
    ef_search: int = Field(default=100, ge=1)
    """Candidates of a search in the graph; at least k are taken."""
    candidates: int | None = Field(default=None, ge=1)
    """Candidates that are ranked again; None for as many as ef_search."""
    build_threads: int = Field(default=1, ge=1)
    """Threads of the build; what the first build of a process asks for holds for the later ones too."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.mass == 100 and self.candidates is not None:
            raise ValueError("nothing is ranked again with mass = 100: leave candidates out, or lower mass")
        if self.mass < 100 and self.weights not in FIRST_STAGES:
            raise ValueError(f"with mass below 100, weights are one of {', '.join(FIRST_STAGES)}")
        if self.mass < 100 and self.graph == "compressed" and self.weights != "u8":
            raise ValueError('with mass below 100, a compressed graph needs weights = "u8"')
        return self


class KannoloHeader(Header):
    """Parameters, documents, and by how much weights were multiplied; kANNolo's own file has the rest."""

    params: KannoloParams
    documents: int
    scale: float


@register("kannolo")
class Kannolo(IndexBase[KannoloParams]):
    """Approximate; scores of what it finds are those of its weights as stored.

    Terms that occur are numbered anew, as there may be 65,535 of them at most. A document that shares no term with the
    query is left out of the hits.
    """

    Params: ClassVar[type[Params]] = KannoloParams
    supports: ClassVar[Supports] = Supports(
        "sparse", exact=False, threads=False, weights=("float16", "u8", "u16", "dotpacking8")
    )
    libraries: ClassVar[tuple[str, ...]] = ("kannolo", "numba", "numpy", "scipy")
    search_params: ClassVar[tuple[str, ...]] = ("ef_search", "candidates")

    def __init__(self, params: KannoloParams) -> None:
        self.params = params
        self.documents, self.scale, self.bytes = 0, 1.0, 0
        self.numbers: NDArray[np.uint16] = np.zeros(0, np.uint16)
        self.index: KannoloIndex | None = None

    @classmethod
    def codec(cls, params: KannoloParams) -> str:
        """How the graph's vectors are stored."""
        return params.weights

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Number the terms in use, and hand all documents over at once.

        Raises:
            UserError: As `Index.build`, no document has a term, or more than 65,535 terms are in use.
        """
        kind = self._kind()
        rows = tidy_csr(vectors)
        if not rows.nnz:
            raise UserError(
                "kannolo builds no graph over documents without terms", remedy="use inverted, or give it texts"
            )
        used = np.unique(rows.indices)
        if len(used) > UNKNOWN:
            raise UserError(
                f"the vectors use {len(used)} terms; kannolo numbers them in 16 bits",
                remedy="use inverted, or seismic with variant = 'large', for vocabularies this wide",
            )
        self.documents = int(rows.shape[0])
        self.numbers = np.full(rows.shape[1], UNKNOWN, np.uint16)
        self.numbers[used] = np.arange(len(used))
        self.scale = self._scale_of(float(rows.data.max(initial=0)))
        given = (
            self.numbers[rows.indices].astype(np.int32),
            rows.data * np.float32(self.scale),
            # kANNolo 0.15 ends the process over a single document, so an empty one follows, which no query finds.
            np.append(rows.indptr, [rows.nnz] * (self.documents == 1)).astype(np.int64),
        )
        how: dict[str, object] = {"m": self.params.m, "ef_construction": self.params.ef_construction} | self._stored()
        if self.params.mass < 100:
            how["prune_percentage"] = self.params.mass
        with _environment, tempfile.TemporaryDirectory() as folder:
            before = os.environ.get("RAYON_NUM_THREADS")
            os.environ["RAYON_NUM_THREADS"] = str(self.params.build_threads)
            try:
                index, _ = quietly(lambda: kind.build_from_arrays(*given, **how))
            finally:
                if before is None:
                    del os.environ["RAYON_NUM_THREADS"]
                else:
                    os.environ["RAYON_NUM_THREADS"] = before
            index.save(str(Path(folder) / "index"))
            self.bytes = (Path(folder) / "index").stat().st_size
        self.index = index

    def _kind(self) -> KannoloClass:
        module = require("kannolo", "kannolo", ENGINE, wheels=WHEELS)
        name = CLASSES[self.params.weights] if self.params.mass == 100 else "SparseRerankHNSW"
        return cast("KannoloClass", getattr(module, name))

    def _stored(self) -> dict[str, object]:
        """What a file does not hold and its opener is given anew."""
        how: dict[str, object] = {"graph_type": self.params.graph}
        if self.params.mass < 100:
            how["first_stage_value_type"] = FIRST_STAGES[self.params.weights]
        return how

    def _scale_of(self, highest: float) -> float:
        """What weights are multiplied by: to use all whole numbers, or to stay in the middle of 16-bit numbers."""
        if not highest:
            return 1.0
        if self.params.weights in HIGHEST:
            return HIGHEST[self.params.weights] / highest
        return float(2.0 ** -np.floor(np.log2(highest)))

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """What kANNolo finds, one query after another on one thread."""
        answer, rows = self._answer(k), rows_of(queries, len(self.numbers), what="queries").tidy()
        answers = []
        for begin, end in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
            query = self._query(rows.indices[begin:end], rows.data[begin:end])
            answers.append(self._documents(query, answer(query)))
        return hits(answers, k)

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """One call of kANNolo, one thread."""

        def prepare(query: Vectors) -> Query:
            rows = rows_of(query, len(self.numbers), what="queries").ready()
            return self._query(rows.indices, rows.data)

        return PeerSearcher(prepare, self._answer(k), self._documents, k)

    def _query(self, columns: NDArray[np.int32], weights: NDArray[np.float32]) -> Query:
        numbers = self.numbers[columns]
        known = numbers != UNKNOWN
        return numbers[known].astype(np.int32), weights[known]

    def _answer(self, k: int) -> Callable[[Query], Answer]:
        check_k(k)
        index, wanted = built(self.index), min(k, self.documents)
        how: dict[str, object] = {"k": wanted, "ef_search": max(self.params.ef_search, wanted)}
        if self.params.mass < 100:
            how["k_candidates"] = max(self.params.candidates or self.params.ef_search, wanted)
            how["ef_search"] = max(self.params.ef_search, wanted, cast("int", how["k_candidates"]))
        none = np.zeros(0, np.float32), np.zeros(0, np.int64)
        return lambda query: index.search(*query, **how) if len(query[0]) else none

    def _documents(self, _: Query, answer: Answer) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        scores, documents = answer
        real = (documents >= 0) & (scores > 0) & np.isfinite(scores)
        return documents[real], scores[real] / np.float32(self.scale)

    def save(self, directory: Path) -> None:
        """Write kANNolo's own file, and the numbers of the terms."""
        built(self.index).save(str(directory / "index"))
        save_array(directory, "numbers", self.numbers)
        seal(directory, ENGINE, VERSION, KannoloHeader(params=self.params, documents=self.documents, scale=self.scale))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read into memory."""
        header = unseal_header(directory, ENGINE, VERSION, KannoloHeader)
        index = cls(header.params)
        index.documents, index.scale = header.documents, header.scale
        index.numbers = map_array(directory, "numbers", np.uint16)
        index.bytes = (directory / "index").stat().st_size
        index.index = index._kind().load(str(directory / "index"), **index._stored())
        return index

    def memory(self) -> dict[str, int]:
        """Bytes of kANNolo's file, which it does not take apart for all variants, and of the numbers of terms."""
        return {"graph and vectors": self.bytes, "terms": self.numbers.nbytes}


class KannoloClass(Protocol):
    """A class of kANNolo's indexes."""

    def build_from_arrays(
        self, terms: NDArray[np.int32], weights: NDArray[np.float32], ends: NDArray[np.int64], /, **how: object
    ) -> KannoloIndex:
        """Build over all documents."""
        ...

    def load(self, path: str, /, **how: object) -> KannoloIndex:
        """Open a file."""
        ...
