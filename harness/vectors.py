"""Vectors between stages: CSR in memory-mapped files for sparse ones, .npy for dense ones."""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from scipy import sparse

from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Kind: TypeAlias = Literal["sparse", "dense"]
Vectors: TypeAlias = "sparse.csr_matrix | NDArray[np.float32]"


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
        UserError: A block holds NaN or infinite values, or has another width.
    """

    def __init__(self, directory: Path, kind: Kind, columns: int) -> None:
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
    if info.stored:
        data = np.memmap(directory / "data.f32", "<f4", "r")
        indices = np.memmap(directory / "indices.i32", "<i4", "r")
    else:
        data, indices = np.zeros(0, np.float32), np.zeros(0, np.int32)  # type: ignore[assignment]
    shape: Any = (info.rows, info.columns)
    matrix: Any = sparse.csr_matrix(shape, dtype=np.float32)
    # Set directly: the constructor would copy the maps into memory to harmonise the index types.
    matrix.data, matrix.indices, matrix.indptr = data, indices, indptr
    matrix.has_sorted_indices = True
    loaded: Vectors = matrix
    return loaded


def forget_pages(array: NDArray[Any]) -> None:
    """Let the system drop what was read of a mapped array, so that one pass over it does not stay resident."""
    mapped = getattr(array, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)
