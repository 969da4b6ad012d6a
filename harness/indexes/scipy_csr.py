"""The plain baseline: scipy's product of sparse matrices, by term."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import sparse

from harness.indexes import Hits, IndexBase, Searcher, Supports, Work, register
from harness.indexes._checks import built, check_k
from harness.indexes._peers import PeerSearcher, hits
from harness.indexes._rows import rows_of, tidy_csr
from harness.indexes.files import Header, map_array, save_array, seal, unseal_header
from harness.spec.params import Params
from harness.vectors import csr_over

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.vectors import Vectors

ENGINE, VERSION = "scipy", 1
WHOLE: tuple[type[np.int32 | np.int64], ...] = (np.int32, np.int64)
PARTS = {"data": "weights", "indices": "document numbers", "indptr": "offsets"}


class ScipyHeader(Header):
    """Terms and documents."""

    shape: tuple[int, int]


class ScipyParams(Params):
    """The product of scipy has no parameters."""


@register("scipy")
class Scipy(IndexBase[ScipyParams]):
    """Exact: queries x (terms x documents) in CSR, float32, then the top k of each row."""

    Params: ClassVar[type[Params]] = ScipyParams
    supports: ClassVar[Supports] = Supports("sparse", exact=True, threads=False, block=1)
    libraries: ClassVar[tuple[str, ...]] = ("numba", "numpy", "scipy")

    def __init__(self, params: ScipyParams) -> None:
        self.params = params
        self.matrix: sparse.csr_matrix[np.float32] | None = None

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Transpose all rows."""
        self.matrix = sparse.csr_matrix(tidy_csr(vectors).T)

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The exact top k, by one thread whatever `threads` says."""
        check_k(k)
        matrix = built(self.matrix)
        product = rows_of(queries, matrix.shape[0], what="queries").tidy().csr() @ matrix
        ends = zip(product.indptr[:-1], product.indptr[1:], strict=True)
        return hits([_among_best(product.indices[a:b], product.data[a:b], k) for a, b in ends], k)

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """The product of one row, the choice of the best and their order."""
        check_k(k)
        matrix = built(self.matrix)

        def prepare(query: Vectors) -> sparse.csr_matrix[np.float32]:
            if isinstance(query, sparse.csr_matrix) and query.shape[1] == matrix.shape[0]:
                return query
            return rows_of(query, matrix.shape[0], what="queries").tidy().csr()

        def multiply(query: sparse.csr_matrix[np.float32]) -> tuple[NDArray[np.int32 | np.int64], NDArray[np.float32]]:
            product = query @ matrix
            numbers, scores = _among_best(product.indices, product.data, k)
            order = np.lexsort((numbers, -scores))[:k]
            return numbers[order], scores[order]

        return PeerSearcher(prepare, multiply, lambda _, best: best, k, in_order=True)

    def save(self, directory: Path) -> None:
        """One .npy an array."""
        matrix = built(self.matrix)
        for name in PARTS:
            save_array(directory, name, getattr(matrix, name))
        terms, documents = matrix.shape
        seal(directory, ENGINE, VERSION, ScipyHeader(shape=(int(terms), int(documents))))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Map a saved index."""
        header = unseal_header(directory, ENGINE, VERSION, ScipyHeader)
        index = cls(ScipyParams())
        indices, indptr = (map_array(directory, name, *WHOLE) for name in ("indices", "indptr"))
        index.matrix = csr_over(map_array(directory, "data", np.float32), indices, indptr, header.shape[1])
        return index

    def memory(self) -> dict[str, int]:
        """Bytes of the three arrays."""
        matrix = built(self.matrix)
        return {label: int(getattr(matrix, name).nbytes) for name, label in PARTS.items()}

    def work(self, queries: Vectors, k: int) -> Work:
        """Every posting of a query's terms: one multiply-add each."""
        matrix = built(self.matrix)
        rows = rows_of(queries, matrix.shape[0], what="queries").tidy()
        postings = int((matrix.indptr[rows.indices + 1] - matrix.indptr[rows.indices]).sum())
        return Work(multiply_adds=postings, postings=postings, documents=len(rows) * int(matrix.shape[1]))


def _among_best(
    numbers: NDArray[np.int32 | np.int64], scores: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int32 | np.int64], NDArray[np.float32]]:
    """The best k of a row and what equals the last of them, in any order."""
    if len(scores) <= k:
        return numbers, scores
    among = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
    return numbers[among], scores[among]
