"""FAISS flat: exact inner products with every vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
from scipy import sparse

from harness.errors import UserError
from harness.indexes import Hits, IndexBase, Supports, Work, register
from harness.indexes._files import seal, unseal
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.vectors import Vectors

ENGINE, VERSION = "faiss-flat", 1
BLOCK = 1024
"""Vectors that FAISS multiplies at a time (``distance_compute_blas_database_bs``)."""


class FaissFlatParams(Params):
    """FAISS flat has no parameters."""


@register("faiss-flat")
class FaissFlat(IndexBase):
    """FAISS IndexFlatIP: float32 vectors, exact."""

    Params: ClassVar[type[Params]] = FaissFlatParams
    supports: ClassVar[Supports] = Supports("dense", exact=True, block=BLOCK)
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "numpy")

    def __init__(self, params: FaissFlatParams) -> None:
        self.params = params
        self.index: Any = None

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Copy the vectors into the index, in blocks."""
        import faiss

        self.index = None
        blocks = [vectors] if isinstance(vectors, np.ndarray) or sparse.issparse(vectors) else vectors
        for block in cast("Iterable[Any]", blocks):
            for begin in range(0, max(block.shape[0], 1), 65536):
                rows = _checked(block[begin : begin + 65536], self.index.d if self.index is not None else None)
                if self.index is None:
                    self.index = faiss.IndexFlatIP(int(rows.shape[1]))
                self.index.add(rows)

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The exact top k; where the last place is shared, more are asked for until the lowest number has it."""
        import faiss

        rows = _checked(queries, self.index.d)
        faiss.omp_set_num_threads(threads)
        total, asked = int(self.index.ntotal), min(k + 1, int(self.index.ntotal))
        while True:
            scores, ids = self.index.search(rows, max(asked, 1))
            if asked >= total or asked <= k or not (scores[:, asked - 1] == scores[:, k - 1]).any():
                break
            asked = min(2 * asked, total)
        order = np.lexsort((ids, -scores), axis=1)
        ids, scores = np.take_along_axis(ids, order, 1)[:, :k], np.take_along_axis(scores, order, 1)[:, :k]
        missing = ((0, 0), (0, k - ids.shape[1]))
        return np.pad(ids, missing, constant_values=-1), np.pad(scores, missing, constant_values=-np.inf)

    def save(self, directory: Path) -> None:
        """FAISS' own format."""
        import faiss

        faiss.write_index(self.index, str(directory / "flat.faiss"))
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
        return {"codes": int(self.index.ntotal) * int(self.index.d) * 4}

    def work(self, queries: Vectors, k: int) -> Work:
        """Every dimension of every vector, for each query."""
        documents = int(self.index.ntotal) * int(queries.shape[0])
        return Work(multiply_adds=documents * int(self.index.d), documents=documents)


def _checked(rows: Any, width: int | None) -> Any:
    if sparse.issparse(rows):
        raise UserError(
            "faiss-flat takes dense vectors, found sparse ones", remedy="use a sparse engine, such as inverted"
        )
    if width is not None and rows.shape[1] != width:
        raise UserError(f"vectors have {rows.shape[1]} dimensions, not {width}")
    found = np.ascontiguousarray(rows, np.float32)
    if not np.isfinite(found).all():
        raise UserError("vectors hold NaN or infinite values", remedy="check the encoder's dtype and weights")
    return found
