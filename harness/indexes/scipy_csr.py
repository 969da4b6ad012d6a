"""The plain baseline: scipy's product of sparse matrices, by term."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy import sparse

from harness.errors import UserError
from harness.indexes import Hits, IndexBase, Supports, Work, register
from harness.indexes._files import map_array, save_array, seal, unseal
from harness.indexes._peers import hits
from harness.indexes._rows import rows_of, tidy_csr
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.vectors import Vectors

ENGINE, VERSION = "scipy", 1
PARTS = {"data": "weights", "indices": "document numbers", "indptr": "offsets"}


class ScipyParams(Params):
    """The product of scipy has no parameters."""


@register("scipy")
class Scipy(IndexBase):
    """Exact: queries x (terms x documents) in CSR, float32, then the top k of each row."""

    Params: ClassVar[type[Params]] = ScipyParams
    supports: ClassVar[Supports] = Supports("sparse", exact=True, threads=False, block=1)
    libraries: ClassVar[tuple[str, ...]] = ("numba", "numpy", "scipy")

    def __init__(self, params: ScipyParams) -> None:
        self.params = params
        self.matrix: Any = None

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Transpose all rows."""
        self.matrix = sparse.csr_matrix(tidy_csr(vectors).T)

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The exact top k; one thread, whatever is asked for."""
        if k < 1:
            raise UserError(f"k is {k}; it must be at least 1")
        product: Any = rows_of(queries, self.matrix.shape[0], what="queries").tidy().csr() @ self.matrix
        found = []
        for begin, end in zip(product.indptr[:-1], product.indptr[1:], strict=True):
            numbers, scores = product.indices[begin:end], product.data[begin:end]
            if len(scores) > k:
                kept = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
                numbers, scores = numbers[kept], scores[kept]
            found.append((numbers, scores))
        return hits(found, k)

    def save(self, directory: Path) -> None:
        """One .npy an array."""
        for name in PARTS:
            save_array(directory, name, getattr(self.matrix, name))
        seal(directory, ENGINE, VERSION, {"shape": [int(n) for n in self.matrix.shape]})

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Map a saved index."""
        facts = unseal(directory, ENGINE, VERSION)
        index = cls(ScipyParams())
        index.matrix = sparse.csr_matrix(tuple(facts["shape"]), dtype=np.float32)
        for name in PARTS:
            setattr(index.matrix, name, map_array(directory, name))
        return index

    def memory(self) -> dict[str, int]:
        """Bytes of the three arrays."""
        return {label: int(getattr(self.matrix, name).nbytes) for name, label in PARTS.items()}

    def work(self, queries: Vectors, k: int) -> Work:
        """Every posting of a query's terms: one multiply-add each."""
        rows = rows_of(queries, self.matrix.shape[0], what="queries").tidy()
        postings = int((self.matrix.indptr[rows.indices + 1] - self.matrix.indptr[rows.indices]).sum())
        return Work(multiply_adds=postings, postings=postings, documents=len(rows) * int(self.matrix.shape[1]))
