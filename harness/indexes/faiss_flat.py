"""FAISS flat: exact inner products with every vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from harness.indexes import Hits, IndexBase, Searcher, Supports, Work, register
from harness.indexes._checks import built, check_k
from harness.indexes._faiss import FaissSearcher, checked_rows
from harness.indexes._peers import hits
from harness.indexes.files import seal, unseal
from harness.spec.params import Params
from harness.vectors import matrices_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import faiss

    from harness.vectors import Vectors

ENGINE, VERSION = "faiss-flat", 1
BLOCK = 1024
"""Vectors that FAISS multiplies at a time (``distance_compute_blas_database_bs``)."""
ROWS = 65536
"""Vectors that are checked and copied at a time."""


class FaissFlatParams(Params):
    """FAISS flat has no parameters."""


@register("faiss-flat")
class FaissFlat(IndexBase[FaissFlatParams]):
    """FAISS IndexFlatIP: float32 vectors, exact."""

    Params: ClassVar[type[Params]] = FaissFlatParams
    supports: ClassVar[Supports] = Supports("dense", exact=True, block=BLOCK)
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "numpy")

    def __init__(self, params: FaissFlatParams) -> None:
        self.params = params
        self.index: faiss.Index | None = None

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Copy the vectors into the index, in blocks."""
        import faiss

        index: faiss.Index | None = None
        for block in matrices_of(vectors):
            for begin in range(0, max(block.shape[0], 1), ROWS):
                rows = checked_rows(block[begin : begin + ROWS], ENGINE, index.d if index is not None else None)
                if index is None:
                    index = faiss.IndexFlatIP(int(rows.shape[1]))
                index.add(rows)
        self.index = index

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The exact top k; where several share the last place, it goes deeper until the lowest number has it."""
        import faiss

        index = built(self.index)
        rows = checked_rows(queries, ENGINE, index.d, what="queries")
        check_k(k)
        faiss.omp_set_num_threads(threads)
        total, depth = int(index.ntotal), min(k + 1, int(index.ntotal))
        if not total:  # FAISS would return scores that are finite
            return hits([(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(rows), k)
        while True:
            scores, ids = index.search(rows, depth)
            if depth >= total or depth <= k or not (scores[:, depth - 1] == scores[:, k - 1]).any():
                break
            depth = min(2 * depth, total)
        order = np.lexsort((ids, -scores), axis=1)
        ids, scores = np.take_along_axis(ids, order, 1)[:, :k], np.take_along_axis(scores, order, 1)[:, :k]
        missing = ((0, 0), (0, k - ids.shape[1]))
        return np.pad(ids, missing, constant_values=-1), np.pad(scores, missing, constant_values=-np.inf)

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """FAISS' own call with one document more, which shows whether the last place is shared."""
        index = built(self.index)
        check_k(k)
        if int(index.ntotal) <= k:
            return super().searcher(k, threads=threads)
        return FaissSearcher(index, ENGINE, k, k + 1, lambda query: self.search(query, k, threads=threads), threads)

    def save(self, directory: Path) -> None:
        """FAISS' own format."""
        import faiss

        faiss.write_index(built(self.index), str(directory / "flat.faiss"))
        seal(directory, ENGINE, VERSION, {})

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read into memory."""
        import faiss

        unseal(directory, ENGINE, VERSION)
        index = cls(FaissFlatParams())
        index.index = faiss.read_index(str(directory / "flat.faiss"))
        return index

    def memory(self) -> dict[str, int]:
        """Bytes of the vectors."""
        index = built(self.index)
        return {"codes": int(index.ntotal) * int(index.d) * 4}

    def work(self, queries: Vectors, k: int) -> Work:
        """Every dimension of every vector, for each query."""
        index = built(self.index)
        documents = int(index.ntotal) * int(queries.shape[0])
        return Work(multiply_adds=documents * int(index.d), documents=documents)
