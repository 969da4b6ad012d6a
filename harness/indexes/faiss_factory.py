"""The FAISS family by factory string: quantisers, inverted files, product quantisation, graphs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, cast

import numpy as np
from pydantic import Field, field_validator

from harness.errors import UserError, line_of
from harness.indexes import Hits, IndexBase, Searcher, Supports, Work, register
from harness.indexes._checks import built, check_k
from harness.indexes._faiss import FaissSearcher, checked_rows
from harness.indexes._faiss_work import work_of
from harness.indexes._peers import hits
from harness.indexes.files import Header, seal, unseal_header
from harness.spec.params import Params
from harness.vectors import matrices_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import faiss
    from numpy.typing import NDArray
    from pydantic import ValidationInfo

    from harness.jsonvalue import JsonValue
    from harness.vectors import Vectors

ENGINE, VERSION = "faiss", 1
PARTS = {
    "nprobe": ("IVF", "inverted lists (IVF)"),
    "ef_search": ("HNSW", "a graph (HNSW)"),
    "ef_construction": ("HNSW", "a graph (HNSW)"),
    "k_factor": ("RFlat|Refine", "a refinement (RFlat, Refine)"),
}
"""Parameters that need a part of the index: how a factory string names the part, and how a message does."""


class FaissVector(Protocol):
    """A ``std::vector`` of FAISS."""

    def size(self) -> int:
        """Elements."""
        ...


class HnswGraph(Protocol):
    """The links of a graph index: 32-bit neighbours, and 64-bit offsets into them; FAISS' stubs leave them out."""

    neighbors: FaissVector
    offsets: FaissVector


class FaissParams(Params):
    """Parameters of a FAISS index."""

    factory: str = Field(min_length=1)
    """FAISS' factory string: "SQfp16", "SQ8", "HNSW32", "IVF64,Flat", "IVF64,PQ16", "OPQ16,IVF64,PQ16", "RaBitQ"..."""
    nprobe: int | None = Field(default=None, ge=1)
    """Inverted lists that a query visits."""
    ef_search: int | None = Field(default=None, ge=1)
    """Breadth of a search in a graph."""
    k_factor: int | None = Field(default=None, ge=1)
    """Hits of the first search, as a multiple of k, that a refinement ("RaBitQ,Refine(SQ8)") ranks again."""
    ef_construction: int | None = Field(default=None, ge=1)
    """Breadth of the search that builds a graph."""
    training_rows: int = Field(default=65536, ge=1)
    """Vectors, drawn at random, that codebooks and lists are trained on; all where there are fewer."""
    seed: int = 1
    """Of the draw, and of FAISS' clustering."""
    build_threads: int = Field(default=1, ge=1)
    """Threads of the build; a graph built by more than one differs from build to build."""

    @field_validator(*PARTS)
    @classmethod
    def _has_the_part(cls, value: int | None, info: ValidationInfo) -> int | None:
        """Refuse what the index has no part for, before anything is built."""
        pattern, part = PARTS[str(info.field_name)]
        factory = info.data.get("factory")
        if value is not None and factory is not None and not re.search(pattern, factory):
            raise ValueError(f"{factory!r} has no {info.field_name}, which needs {part}")
        return value


class FaissHeader(Header):
    """The index's parameters; FAISS' own file has the rest."""

    params: FaissParams


@register("faiss")
class Faiss(IndexBase[FaissParams]):
    """Approximate, or exact over rounded vectors, by what the factory string asks for; inner products."""

    Params: ClassVar[type[Params]] = FaissParams
    supports: ClassVar[Supports] = Supports("dense", exact=False, weights=("by the factory string",))
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "numpy")
    search_params: ClassVar[tuple[str, ...]] = ("nprobe", "ef_search", "k_factor")

    def __init__(self, params: FaissParams) -> None:
        self.params = params
        self.index: faiss.Index | None = None

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Train on a draw, then add all."""
        import faiss

        rows: list[NDArray[np.float32]] = []
        for block in matrices_of(vectors):
            rows.append(checked_rows(block, ENGINE, rows[0].shape[1] if rows else None))
        every = rows[0] if len(rows) == 1 else np.concatenate(rows)
        faiss.omp_set_num_threads(self.params.build_threads)
        try:
            index = faiss.index_factory(int(every.shape[1]), self.params.factory, faiss.METRIC_INNER_PRODUCT)
            _set_seeds(index, self.params.seed)
            self._set(index, "efConstruction", self.params.ef_construction)
            drawn = np.random.default_rng(self.params.seed).permutation(len(every))[: self.params.training_rows]
            index.train(every[np.sort(drawn)])
            index.add(every)
        except RuntimeError as error:
            raise UserError(
                f"FAISS refuses {self.params.factory!r} for {len(every)} vectors of {every.shape[1]} dimensions: "
                f"{line_of(error).rpartition('Error: ')[2] or line_of(error)}",
                key="factory",
                remedy="use fewer lists, smaller codes, or dimensions that the codes divide",
            ) from None
        self._set_search(index)
        self.index = index

    def _set(self, index: faiss.Index, name: str, value: int | None) -> None:
        """Set a parameter of FAISS, where the spec gives it."""
        import faiss

        if value is None:
            return
        try:
            faiss.ParameterSpace().set_index_parameter(index, name, value)
        except RuntimeError:
            raise UserError(
                f"{self.params.factory!r} has no {name}", key="factory", remedy=f"leave {name} out of this index"
            ) from None

    def search_with(self, values: Mapping[str, JsonValue]) -> None:
        """Set them in FAISS, too."""
        super().search_with(values)
        self._set_search(built(self.index))

    def _set_search(self, index: faiss.Index) -> None:
        self._set(index, "nprobe", self.params.nprobe)
        self._set(index, "efSearch", self.params.ef_search)
        self._set(index, "k_factor_rf", self.params.k_factor)

    @classmethod
    def codec(cls, params: FaissParams) -> str:
        """The factory string."""
        return params.factory

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """What FAISS finds; equal scores in ascending order of documents."""
        import faiss

        index = built(self.index)
        rows = checked_rows(queries, ENGINE, index.d, what="queries")
        check_k(k)
        faiss.omp_set_num_threads(threads)
        scores, ids = index.search(rows, k)
        return hits([(row[row >= 0], score[row >= 0]) for row, score in zip(ids, scores, strict=True)], k)

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """FAISS' own call."""
        check_k(k)
        index = built(self.index)
        return FaissSearcher(index, ENGINE, k, k, lambda query: self.search(query, k, threads=threads), threads)

    def work(self, queries: Vectors, k: int) -> Work | None:
        """Documents scored and multiply-adds; None for a factory string whose work FAISS does not count."""
        index = built(self.index)
        check_k(k)
        return work_of(index, checked_rows(queries, ENGINE, index.d, what="queries"), k)

    def save(self, directory: Path) -> None:
        """FAISS' own format."""
        import faiss

        faiss.write_index(built(self.index), str(directory / "index.faiss"))
        seal(directory, ENGINE, VERSION, FaissHeader(params=self.params))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read into memory."""
        import faiss

        index = cls(unseal_header(directory, ENGINE, VERSION, FaissHeader).params)
        index.index = faiss.read_index(str(directory / "index.faiss"))
        index._set_search(built(index.index))
        return index

    def memory(self) -> dict[str, int]:
        """Bytes by component; their sum is the serialized size, which is all that FAISS tells of some indexes."""
        import faiss

        whole = built(self.index)
        index = _inner(whole)
        total = len(faiss.serialize_index(whole))
        try:
            parts = _parts(index)
        except RuntimeError:  # of some graphs FAISS does not tell how large a code is
            return {"codes, links and headers": total}
        return {**parts, "codebooks, centroids and headers": total - sum(parts.values())}


def _parts(index: faiss.Index) -> dict[str, int]:
    """Bytes of codes, links and numbers.

    Raises:
        RuntimeError: FAISS does not tell them.
    """
    import faiss

    documents = int(index.ntotal)
    if isinstance(index, faiss.IndexIVF):
        return {"codes": documents * int(index.code_size), "document numbers": documents * 8}
    if isinstance(index, faiss.IndexHNSW):
        graph = cast("HnswGraph", index.hnsw)
        return {
            "codes": documents * int(faiss.downcast_index(index.storage).sa_code_size()),
            "graph links": int(graph.neighbors.size()) * 4 + int(graph.offsets.size()) * 8 + documents * 4,
        }
    return {"codes": documents * int(index.sa_code_size())}


def _inner(index: faiss.Index) -> faiss.Index:
    """The index behind a transform of the vectors, as an object of its own class."""
    import faiss

    inner: faiss.Index = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexPreTransform):
        inner = faiss.downcast_index(inner.index)
    return inner


def _set_seeds(index: faiss.Index, seed: int) -> None:
    """Of the clustering that finds centroids and codebooks, where there is one."""
    inner = _inner(index)
    for owner in (inner, getattr(inner, "pq", inner)):
        if hasattr(owner, "cp"):
            owner.cp.seed = seed
