"""The FAISS family by factory string: quantisers, inverted files, product quantisation, graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import Field

from harness.errors import UserError
from harness.indexes import Hits, IndexBase, Supports, register
from harness.indexes._files import seal, unseal
from harness.indexes._peers import hits
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.vectors import Vectors

ENGINE, VERSION = "faiss", 1


class FaissParams(Params):
    """Parameters of a FAISS index."""

    factory: str = Field(min_length=1)
    """FAISS' factory string: "SQfp16", "SQ8", "HNSW32", "IVF64,Flat", "IVF64,PQ16", "OPQ16,IVF64,PQ16", "RaBitQ"..."""
    nprobe: int | None = Field(default=None, ge=1)
    """Inverted lists that a query visits."""
    ef_search: int | None = Field(default=None, ge=1)
    """Breadth of a search in a graph."""
    ef_construction: int | None = Field(default=None, ge=1)
    """Breadth of the search that builds a graph."""
    training_rows: int = Field(default=65536, ge=1)
    """Vectors, drawn at random, that codebooks and lists are trained on; all where there are fewer."""
    seed: int = 1
    """Of the draw, and of FAISS' clustering."""
    build_threads: int = Field(default=1, ge=1)
    """Threads of the build; a graph built by more than one differs from build to build."""


@register("faiss")
class Faiss(IndexBase):
    """Approximate, or exact over rounded vectors, by what the factory string asks for; inner products."""

    Params: ClassVar[type[Params]] = FaissParams
    supports: ClassVar[Supports] = Supports("dense", exact=False, weights=("by the factory string",))
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "numpy")

    def __init__(self, params: FaissParams) -> None:
        self.params = params
        self.index: Any = None

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Train on a draw, then add all."""
        import faiss

        blocks = [vectors] if hasattr(vectors, "shape") else list(vectors)
        rows = [_checked(block) for block in blocks]
        every = rows[0] if len(rows) == 1 else np.concatenate(rows)
        faiss.omp_set_num_threads(self.params.build_threads)
        try:
            self.index = faiss.index_factory(int(every.shape[1]), self.params.factory, faiss.METRIC_INNER_PRODUCT)
            self._set_seeds()
            if self.params.ef_construction:
                self._set("efConstruction", self.params.ef_construction)
            drawn = np.random.default_rng(self.params.seed).permutation(len(every))[: self.params.training_rows]
            self.index.train(every[np.sort(drawn)])
            self.index.add(every)
        except RuntimeError as error:
            raise UserError(
                f"FAISS refuses {self.params.factory!r} for {len(every)} vectors of {every.shape[1]} dimensions: "
                f"{str(error).splitlines()[0].rpartition('Error: ')[2] or error}",
                key="factory",
                remedy="fewer lists or smaller codes, or dimensions that the codes divide",
            ) from None
        self._set_search()

    def _set_seeds(self) -> None:
        import faiss

        index = faiss.downcast_index(self.index)
        if isinstance(index, faiss.IndexPreTransform):
            index = faiss.downcast_index(index.index)
        trained: tuple[Any, ...] = (index, getattr(index, "pq", None))
        for owner in trained:
            if hasattr(owner, "cp"):
                owner.cp.seed = self.params.seed

    def _set(self, name: str, value: int) -> None:
        import faiss

        try:
            faiss.ParameterSpace().set_index_parameter(self.index, name, value)
        except RuntimeError:
            raise UserError(
                f"{self.params.factory!r} has no {name}", key="factory", remedy=f"leave {name} out of this index"
            ) from None

    def _set_search(self) -> None:
        if self.params.nprobe:
            self._set("nprobe", self.params.nprobe)
        if self.params.ef_search:
            self._set("efSearch", self.params.ef_search)

    @classmethod
    def codec(cls, params: FaissParams) -> str:
        """The factory string."""
        return params.factory

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """What FAISS finds; equal scores in ascending order of documents."""
        import faiss

        rows = _checked(queries)
        if rows.shape[1] != self.index.d:
            raise UserError(f"queries have {rows.shape[1]} dimensions, the index {self.index.d}")
        faiss.omp_set_num_threads(threads)
        scores, ids = self.index.search(rows, k)
        return hits([(found[found >= 0], score[found >= 0]) for found, score in zip(ids, scores, strict=True)], k)

    def save(self, directory: Path) -> None:
        """FAISS' own format."""
        import faiss

        faiss.write_index(self.index, str(directory / "index.faiss"))
        seal(directory, ENGINE, VERSION, {"params": self.params.model_dump()})

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read into memory."""
        import faiss

        index = cls(FaissParams(**unseal(directory, ENGINE, VERSION)["params"]))
        index.index = faiss.read_index(str(directory / "index.faiss"))
        index._set_search()
        return index

    def memory(self) -> dict[str, int]:
        """Bytes by component; together the serialized size."""
        import faiss

        index = faiss.downcast_index(self.index)
        if isinstance(index, faiss.IndexPreTransform):
            index = faiss.downcast_index(index.index)
        total, documents = len(faiss.serialize_index(self.index)), int(index.ntotal)
        found: dict[str, int] = {}
        if isinstance(index, faiss.IndexIVF):
            found = {"codes": documents * int(index.code_size), "document numbers": documents * 8}
        elif isinstance(index, faiss.IndexHNSW):
            graph: Any = index.hnsw
            found = {"codes": documents * int(faiss.downcast_index(index.storage).sa_code_size())}
            found["graph links"] = int(graph.neighbors.size()) * 4 + int(graph.offsets.size()) * 8 + documents * 4
        else:
            found = {"codes": documents * int(index.sa_code_size())}
        return {**found, "codebooks, centroids and headers": total - sum(found.values())}


def _checked(rows: Any) -> Any:
    if not isinstance(rows, np.ndarray):
        raise UserError("faiss takes dense vectors, found sparse ones", remedy="use a sparse engine, such as inverted")
    found = np.ascontiguousarray(rows, np.float32)
    if not np.isfinite(found).all():
        raise UserError("vectors hold NaN or infinite values", remedy="check the encoder's dtype and weights")
    return found
