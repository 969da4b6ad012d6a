"""Vectors between stages: CSR in memory-mapped files for sparse ones, .npy for dense ones."""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np
from scipy import sparse

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Kind: TypeAlias = Literal["sparse", "dense"]
Vectors: TypeAlias = "sparse.csr_matrix | NDArray[np.float32]"

MOST_COLUMNS = 2**31
"""The number of a column is stored in 32 bits, one of them for the sign."""


@dataclass(frozen=True)
class VectorsInfo:
    """What a folder of vectors holds: `rows` x `columns`, `stored` explicit values, of this kind."""

    kind: Kind
    rows: int
    columns: int
    stored: int


class VectorsWriter:
    """Write vectors block by block, so that no more than one block is held in memory.

    Sparse: ``data.f32``, ``indices.i32`` (raw little-endian), ``indptr.npy`` (int64) and ``shape.json``.
    Dense: ``vectors.f32`` (raw little-endian, C order) and ``shape.json``.

    Args:
        directory: An existing folder.
        kind: ``sparse`` (CSR blocks) or ``dense`` (float32 blocks, rows x columns).
        columns: Width of the vectors: terms or dimensions.

    Raises:
        UserError: There are more columns than 32 bits can number; or a block holds NaN or infinite values, or has
            another width.
    """

    def __init__(self, directory: Path, kind: Kind, columns: int) -> None:
        if columns > MOST_COLUMNS:
            raise UserError(
                f"vectors have {columns} columns, and {MOST_COLUMNS} are the most that can be stored",
                remedy="number the columns from 0 without gaps",
            )
        self.directory, self.kind, self.columns = directory, kind, columns
        self.rows = self.stored = 0
        self._lengths: list[NDArray[np.int64]] = []
        self._data = (directory / ("data.f32" if kind == "sparse" else "vectors.f32")).open("wb")
        self._indices = (directory / "indices.i32").open("wb") if kind == "sparse" else None

    def append(self, block: Vectors) -> None:
        """Add rows: CSR float32 with sorted indices (repaired if not) or a float32 ndarray."""
        if block.shape[1] != self.columns:
            raise UserError(f"vectors have {block.shape[1]} columns, not {self.columns}")
        values = block.data if sparse.issparse(block) else block
        if not np.isfinite(np.asarray(values)).all():
            raise UserError(
                f"vectors hold NaN or infinite values (in rows {self.rows} to {self.rows + block.shape[0] - 1})",
                remedy="check the model's weights and its dtype: float16 overflows where bfloat16 and float32 do not",
            )
        if self._indices is not None:
            block = sparse.csr_matrix(block, dtype=np.float32)
            block.sum_duplicates()
            block.eliminate_zeros()
            self._data.write(np.ascontiguousarray(block.data, "<f4").tobytes())
            self._indices.write(np.ascontiguousarray(block.indices, "<i4").tobytes())
            self._lengths.append(np.diff(block.indptr).astype(np.int64))
            self.stored += int(block.nnz)
        else:
            self._data.write(np.ascontiguousarray(block, "<f4").tobytes())
            self.stored += int(block.shape[0] * block.shape[1])
        self.rows += int(block.shape[0])

    def close(self) -> VectorsInfo:
        """Finish the files and say what they hold."""
        self._data.close()
        if self._indices is not None:
            self._indices.close()
            lengths = np.concatenate([np.zeros(1, np.int64), *self._lengths])
            np.save(self.directory / "indptr.npy", np.cumsum(lengths, dtype=np.int64))
        info = VectorsInfo(self.kind, self.rows, self.columns, self.stored)
        (self.directory / "shape.json").write_text(json.dumps(vars(info)))
        return info


def vectors_info(directory: Path) -> VectorsInfo:
    """Read what a folder of vectors holds, without its values."""
    return VectorsInfo(**json.loads((directory / "shape.json").read_text()))


def load_vectors(directory: Path) -> Vectors:
    """Map a folder of vectors: a CSR matrix or float32 ndarray whose arrays are read-only maps of the files."""
    info = vectors_info(directory)
    if info.kind == "dense":
        if info.rows == 0:
            return np.zeros((0, info.columns), np.float32)
        return np.memmap(directory / "vectors.f32", "<f4", "r", shape=(info.rows, info.columns))
    indptr = np.load(directory / "indptr.npy", mmap_mode="r")
    data, indices = np.zeros(0, np.float32), np.zeros(0, np.int32)
    if info.stored:
        data = np.memmap(directory / "data.f32", np.dtype(np.float32).newbyteorder("<"), "r")
        indices = np.memmap(directory / "indices.i32", np.dtype(np.int32).newbyteorder("<"), "r")
    matrix = csr_over(data, indices, indptr, info.columns)
    matrix.has_sorted_indices = True
    return matrix


def csr_over(
    data: NDArray[np.float32], indices: NDArray[np.int32 | np.int64], indptr: NDArray[np.int32 | np.int64], columns: int
) -> sparse.csr_matrix[np.float32]:
    """A CSR matrix over these very arrays: scipy's constructor would copy mapped ones to harmonise the index types."""
    rows = len(indptr) - 1
    empty = np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(rows + 1, np.int32)
    matrix = sparse.csr_matrix(empty, shape=(rows, columns))
    for name, array in (("data", data), ("indices", indices), ("indptr", indptr)):
        setattr(matrix, name, array)
    return matrix


def matrices_of(vectors: Vectors | Iterable[Vectors]) -> Iterator[Vectors]:
    """One matrix as it is, or the matrices of an iterable in order: what an index is built from.

    Raises:
        UserError: The iterable has no matrix, so that nobody knows how wide the vectors are.
    """
    if isinstance(vectors, np.ndarray) or sparse.issparse(vectors):
        yield cast("Vectors", vectors)  # an array is an iterable too, for a type checker
        return
    count = 0
    for count, matrix in enumerate(vectors, 1):  # noqa: B007 - counted to know whether there was one
        yield matrix
    if not count:
        raise UserError("there are no vectors to index", remedy="give at least one block, even an empty one")


def load_csr(directory: Path) -> sparse.csr_matrix[np.float32]:
    """Map a folder of sparse vectors, as `load_vectors`.

    Raises:
        ValueError: The vectors are dense.
    """
    vectors = load_vectors(directory)
    if isinstance(vectors, np.ndarray):
        raise ValueError(f"{directory}: the vectors are dense")
    return vectors


def forget_pages(array: NDArray[np.generic]) -> None:
    """Let the system drop what was read of a mapped array, so that one pass over it does not stay resident."""
    mapped = getattr(array, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)
