"""Sparse rows for engines: whatever is given as tidy blocks, repaired where that is safe, else refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from harness.errors import UserError
from harness.vectors import forget_pages, matrices_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from harness.vectors import Vectors

BLOCK = 4096
"""Rows that are tidied, and copied, at a time."""


@dataclass(frozen=True)
class Rows:
    """Sparse rows as they came: CSR arrays of any type, and their width. `indptr` need not begin at 0."""

    indptr: NDArray[np.int32 | np.int64]
    indices: NDArray[np.int32 | np.int64]
    data: NDArray[np.generic]
    width: int

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def part(self, begin: int, end: int) -> Rows:
        """Rows from `begin` to before `end`, nothing copied."""
        return replace(self, indptr=self.indptr[begin : end + 1])

    def tidy(self) -> TidyRows:
        """A copy as int64, int32, float32, `indptr` from 0, columns ascending and unique, weights positive.

        Duplicates are summed, zeros left out, other number types converted.

        Raises:
            UserError: NaN, infinite or negative weights, or a column that is not there.
        """
        from harness.indexes._kernels import NEGATIVE, NOT_FINITE, OUTSIDE, UNTIDY, inspect

        first, last = int(self.indptr[0]), int(self.indptr[-1])
        indptr = np.array(self.indptr, np.int64) - first
        indices, data = np.array(self.indices[first:last], np.int32), _float32(self.data[first:last])
        forget_pages(self.indices)
        forget_pages(self.data)
        state = inspect(indptr, indices, data, self.width)
        if state == UNTIDY:
            matrix = sparse.csr_matrix((data, indices, indptr), shape=(len(self), self.width))
            matrix.sum_duplicates()
            matrix.eliminate_zeros()
            indptr, indices, data = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data
            state = inspect(indptr, indices, data, self.width)
        if state == NOT_FINITE:
            raise UserError("vectors hold NaN or infinite weights", remedy="check the encoder's dtype and weights")
        if state == NEGATIVE:
            raise UserError("vectors hold negative weights", remedy="make every weight positive")
        if state == OUTSIDE:
            raise UserError(f"vectors hold a column outside 0 to {self.width - 1}", remedy="check how they were made")
        return TidyRows(indptr, indices, data, self.width)

    def ready(self) -> TidyRows:
        """As `tidy`, but over the same arrays where there is nothing to change, which takes a query less time."""
        from harness.indexes._kernels import TIDY, inspect

        as_wanted = self.data.dtype == np.float32 and self.indices.dtype == np.int32 and self.indptr[0] == 0
        if as_wanted and self.data.flags.carray and self.indices.flags.carray and len(self.data) == self.indptr[-1]:
            indptr = self.indptr.astype(np.int64, copy=False)
            if inspect(indptr, self.indices, self.data, self.width) == TIDY:
                indices, data = np.asarray(self.indices, np.int32), np.asarray(self.data, np.float32)
                return TidyRows(indptr, indices, data, self.width)
        return self.tidy()


@dataclass(frozen=True)
class TidyRows(Rows):
    """Rows whose columns ascend without repetition and whose weights are positive and finite; `indptr` from 0."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]

    def block(self, begin: int, end: int) -> TidyRows:
        """Rows from `begin` to before `end` over the same columns and weights; `indptr` is from 0 again."""
        first, last = self.indptr[begin], self.indptr[end]
        return TidyRows(
            self.indptr[begin : end + 1] - first, self.indices[first:last], self.data[first:last], self.width
        )

    def csr(self) -> sparse.csr_matrix[np.float32]:
        """As a matrix that shares the arrays."""
        return sparse.csr_matrix((self.data, self.indices, self.indptr), shape=(len(self), self.width))


def rows_of(vectors: Vectors, width: int | None = None, *, what: str = "vectors") -> Rows:
    """The rows of one matrix, nothing copied.

    Raises:
        UserError: They are dense, or not `width` columns wide.
    """
    if not sparse.issparse(vectors):
        raise UserError(
            f"{what} are dense; this engine takes sparse ones (CSR)", remedy="use a dense engine, such as faiss-flat"
        )
    matrix = vectors.tocsr()
    if width is not None and matrix.shape[1] != width:
        raise UserError(f"{what} have {matrix.shape[1]} columns, but the index has {width}")
    return Rows(matrix.indptr, matrix.indices, matrix.data, int(matrix.shape[1]))


def blocks_of(vectors: Vectors | Iterable[Vectors], size: int = BLOCK) -> Iterator[Rows]:
    """All rows in order as blocks of at most `size` rows, not yet tidied; one matrix or an iterator of matrices.

    Raises:
        UserError: As `rows_of`, the matrices differ in width, or there is none.
    """
    width = None
    for matrix in matrices_of(vectors):
        rows = rows_of(matrix, width)
        width = rows.width
        for begin in range(0, max(len(rows), 1), size):
            yield rows.part(begin, min(begin + size, len(rows)))


def tidy_csr(vectors: Vectors | Iterable[Vectors]) -> sparse.csr_matrix:
    """All rows as one tidy CSR matrix, for engines that want everything at once."""
    tidied = [block.tidy() for block in blocks_of(vectors)]
    lengths = np.concatenate([[0], *(np.diff(block.indptr) for block in tidied)])
    data, indices = np.concatenate([b.data for b in tidied]), np.concatenate([b.indices for b in tidied])
    return sparse.csr_matrix((data, indices, np.cumsum(lengths)), shape=(len(lengths) - 1, tidied[0].width))


def _float32(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """A copy; a finite float64 too large for float32 becomes infinite, and is then refused."""
    with np.errstate(over="ignore"):
        return np.array(values, np.float32)
