"""Formats of precomputed vectors, each read row by row."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from harness.encoders.precomputed import parquet_files, tensor_files
from harness.encoders.precomputed.array_files import ArrayStream, columns_within, damaged, members, npy_stream, weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.vectors import Kind, Vectors

BLOCK = 1024
"""Rows at a time."""
FORMATS = (".npz", ".npy", ".safetensors", ".parquet", ".jsonl")
NAMED = (".parquet", ".jsonl")
"""Formats that have the identifiers in them."""
Columns: TypeAlias = dict[str, int]
"""Token -> column, in the order in which tokens were first read."""
Block: TypeAlias = "tuple[list[str], Vectors]"
"""Identifiers and rows."""


@dataclass(frozen=True)
class VectorFile:
    """Vectors of one side.

    Attributes:
        file: Of one of `FORMATS`.
        ids: One identifier a line; None where the file has them (`NAMED`).
    """

    file: Path
    ids: Path | None

    def kind(self) -> Kind:
        """Whether the vectors are sparse or dense.

        Raises:
            UserError: The file is damaged, or has neither.
        """
        if self.file.suffix == ".parquet":
            return parquet_files.kind_of(self.file)
        if self.file.suffix == ".safetensors":
            return "sparse" if "indptr" in tensor_files.shapes(self.file) else "dense"
        return "dense" if self.file.suffix == ".npy" else "sparse"

    def names_tokens(self) -> bool:
        """Whether columns are tokens; else they are numbers."""
        if self.file.suffix == ".parquet":
            return parquet_files.names_tokens(self.file)
        if self.file.suffix == ".jsonl":
            return True
        if self.file.suffix != ".npz":
            return False
        with members(self.file, ("indices",)) as arrays:
            return "indices" in arrays and arrays["indices"].dtype.kind in "US"

    def tokens(self, columns: Columns) -> None:
        """Give every token that has no column the next one."""
        if self.file.suffix == ".jsonl":
            for _, vector in _lines(self.file):
                for token in vector:
                    columns.setdefault(token, len(columns))
            return
        if self.file.suffix == ".parquet":
            for token in parquet_files.tokens(self.file):
                columns.setdefault(token, len(columns))
            return
        with members(self.file, ("indices",)) as arrays:
            for piece in arrays["indices"].pieces(1 << 16):
                for name in _names(piece):
                    columns.setdefault(name, len(columns))

    def width(self) -> int:
        """Columns of the vectors where these are numbers; without a stated shape, one more than the largest of them."""
        if self.file.suffix == ".parquet":
            return parquet_files.width(self.file)
        if self.kind() == "dense":
            with _array(self.file) as stream:
                return int(stream.shape[1])
        with _arrays(self.file, ("shape", "indices")) as arrays:
            if "shape" in arrays:
                shape = arrays["shape"].whole()
                if len(shape) != 2 or shape.dtype.kind not in "iu":
                    raise damaged(self.file, "the shape is not two whole numbers")
                return int(shape[1])
            _complete(self.file, arrays, ("indices",))
            return 1 + max((int(piece.max()) for piece in arrays["indices"].pieces(1 << 20)), default=-1)

    def blocks(self, width: int, columns: Columns) -> Iterator[Block]:
        """All rows in order.

        Args:
            width: Of every row.
            columns: Of tokens, where they are named.

        Raises:
            UserError: The file is damaged, or has other identifiers than rows.
        """
        if self.file.suffix == ".jsonl":
            yield from self._of_lines(width, columns)
            return
        if self.file.suffix == ".parquet":
            yield from parquet_files.rows(self.file, width, columns)
            return
        parts = self._dense() if self.kind() == "dense" else self._csr(width, columns)
        names = _identifiers(self.ids or self.file.with_name("ids.txt"))
        rows = 0
        for part in parts:
            ids = [name for _, name in zip(range(part.shape[0]), names, strict=False)]
            rows += part.shape[0]
            if len(ids) < part.shape[0]:
                raise damaged(self.file, f"there are at least {rows} vectors, and fewer identifiers")
            yield ids, part
        if next(names, None) is not None:
            raise damaged(self.file, f"there are {rows} vectors, and more identifiers")

    def _dense(self) -> Iterator[NDArray[np.float32]]:
        with _array(self.file) as stream:
            rows, width = stream.shape
            for begin in range(0, rows, BLOCK):
                count = min(BLOCK, rows - begin)
                yield weights(self.file, stream.read(count * width)).reshape(count, width)

    def _csr(self, width: int, columns: Columns) -> Iterator[sparse.csr_matrix]:
        with _arrays(self.file, ("data", "indices", "indptr", "format")) as arrays:
            _complete(self.file, arrays, ("data", "indices", "indptr"))
            if "format" in arrays and _names(arrays["format"].whole()) != ["csr"]:
                raise damaged(self.file, "the matrix is not stored by rows (CSR)")
            if arrays["indptr"].dtype.kind not in "iu" or arrays["data"].dtype.kind not in "fiu":
                raise damaged(self.file, "indptr must hold whole numbers, and data numbers")
            indptr = arrays["indptr"].whole().astype(np.int64)
            stored = arrays["data"].size
            same = arrays["indices"].shape == arrays["data"].shape
            if not len(indptr) or indptr[0] != 0 or (np.diff(indptr) < 0).any() or indptr[-1] != stored or not same:
                raise damaged(self.file, "indptr, indices and data do not fit together")
            for begin in range(0, len(indptr) - 1, BLOCK):
                ends = indptr[begin : begin + BLOCK + 1]
                count = int(ends[-1] - ends[0])
                data = weights(self.file, arrays["data"].read(count))
                raw = arrays["indices"].read(count)
                named = raw.dtype.kind in "US"
                places = columns_within(self.file, [columns[name] for name in _names(raw)] if named else raw, width)
                yield sparse.csr_matrix((data, places, ends - ends[0]), shape=(len(ends) - 1, width))

    def _of_lines(self, width: int, columns: Columns) -> Iterator[Block]:
        ids: list[str] = []
        indptr, places, data = [0], list[int](), list[float]()
        for name, vector in _lines(self.file):
            ids.append(name)
            places += [columns[token] for token in vector]
            data += vector.values()
            indptr.append(len(places))
            if len(ids) == BLOCK:
                yield ids, _rows(weights(self.file, data), places, indptr, width)
                ids, indptr, places, data = [], [0], [], []
        if ids:
            yield ids, _rows(weights(self.file, data), places, indptr, width)


def _rows(data: NDArray[np.float32], places: Sequence[int], indptr: Sequence[int], width: int) -> sparse.csr_matrix:
    parts = (data, np.asarray(places, np.int64), np.asarray(indptr, np.int64))
    return sparse.csr_matrix(parts, shape=(len(indptr) - 1, width))


def _arrays(file: Path, names: tuple[str, ...]) -> AbstractContextManager[Mapping[str, ArrayStream]]:
    """The arrays of these names in a .npz or .safetensors."""
    return (tensor_files.tensors if file.suffix == ".safetensors" else members)(file, names)


@contextmanager
def _array(file: Path) -> Iterator[ArrayStream]:
    """The one array of a .npy or .safetensors file; it has two dimensions."""
    with ExitStack() as opened:
        if file.suffix == ".safetensors":
            names = tuple(tensor_files.shapes(file))
            if len(names) != 1:
                what = "which are neither a CSR (data, indices, indptr) nor one matrix"
                raise damaged(file, f"the file has {len(names)} arrays ({', '.join(names)}), {what}")
            stream = opened.enter_context(tensor_files.tensors(file, names))[names[0]]
        else:
            try:
                stream = npy_stream(opened.enter_context(file.open("rb")), file)
            except OSError as error:
                raise damaged(file, f"the file cannot be read: {error}") from None
        if len(stream.shape) != 2 or stream.dtype.kind not in "fiu":
            raise damaged(file, f"the array has {len(stream.shape)} dimensions of {stream.dtype}, not 2 of numbers")
        yield stream


def _lines(file: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Identifier and token weights of each line: {"id": ..., "vector": {token: weight}} (Anserini, Pyserini)."""
    number = 0
    try:
        with file.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                number += 1
                row = json.loads(line)
                vector = {str(token): float(weight) for token, weight in dict(row["vector"]).items()}
                name = row["id"]
                if not isinstance(name, str | int):
                    raise TypeError("the identifier is neither text nor a number")
                yield str(name), vector
    except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        what = f'no {{"id": ..., "vector": {{token: weight}}}} in line {number}: {error!r}'
        raise damaged(file, what) from None


def _identifiers(file: Path) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield line.removesuffix("\n")
    except (OSError, ValueError) as error:
        raise damaged(file, f"the identifiers cannot be read: {error}") from None


def _names(values: NDArray[np.generic]) -> list[str]:
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values.tolist()]


def _complete(file: Path, arrays: Mapping[str, ArrayStream], names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in arrays]
    if missing:
        raise damaged(file, f"there is no array {missing[0]!r}: a CSR has data, indices and indptr")
    indices = arrays["indices"]
    if indices.size and indices.dtype.kind not in "iuUS":
        raise damaged(file, f"indices hold {indices.dtype}, not whole numbers or tokens")
