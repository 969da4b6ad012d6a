"""Vectors of a Parquet file, read row by row: a column of identifiers, and columns of lists.

Sparse vectors have the columns ``id``, ``indices`` (lists of whole numbers or of tokens) and ``values`` (lists of
numbers), dense ones ``id`` and ``vector`` (lists of numbers, of one length).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from harness.encoders.precomputed.array_files import columns_within, damaged, weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    import pyarrow as pa
    import pyarrow.parquet as pq
    from numpy.typing import NDArray

    from harness.vectors import Kind, Vectors

BLOCK = 1024
"""Rows at a time."""
ID, INDICES, VALUES, VECTOR = "id", "indices", "values", "vector"


def kind_of(file: Path) -> Kind:
    """Whether the vectors are sparse or dense.

    Raises:
        UserError: The file is damaged, or has other columns.
    """
    with _opened(file) as opened:
        return "sparse" if INDICES in opened.schema_arrow.names else "dense"


def names_tokens(file: Path) -> bool:
    """Whether the columns of sparse vectors are tokens; else they are numbers."""
    import pyarrow as pa

    with _opened(file) as opened:
        schema = opened.schema_arrow
        return INDICES in schema.names and _text(pa, schema.field(INDICES).type.value_type)


def tokens(file: Path) -> Iterator[str]:
    """All tokens in the order of the rows, repeated as they are there."""
    with _opened(file) as opened:
        for batch in _batches(opened, [INDICES]):
            yield from _values(file, batch, INDICES)[0].to_pylist()


def width(file: Path) -> int:
    """Dimensions of dense vectors; of sparse ones one more than the largest index."""
    with _opened(file) as opened:
        column = INDICES if INDICES in opened.schema_arrow.names else VECTOR
        widest = -1
        for batch in _batches(opened, [column]):
            values, lengths = _values(file, batch, column)
            if column == VECTOR:
                return int(lengths[0])
            if len(values):
                widest = max(widest, int(values.to_numpy(zero_copy_only=False).max()))
        return widest + 1


def rows(file: Path, columns_of_rows: int, columns: dict[str, int]) -> Iterator[tuple[list[str], Vectors]]:
    """Identifiers and vectors (CSR or matrix, float32), `BLOCK` rows at a time.

    Args:
        file: The file.
        columns_of_rows: Width of every row.
        columns: Token -> column, where indices are tokens.

    Raises:
        UserError: The file is damaged, lacks a value, or has rows of other widths.
    """
    with _opened(file) as opened:
        is_sparse = INDICES in opened.schema_arrow.names
        for batch in _batches(opened, [ID, INDICES, VALUES] if is_sparse else [ID, VECTOR]):
            names = [str(name) for name in _without_nulls(file, batch, ID).to_pylist()]
            values, lengths = _values(file, batch, VALUES if is_sparse else VECTOR)
            data = weights(file, values.to_numpy(zero_copy_only=False))
            if not is_sparse:
                if (lengths != columns_of_rows).any():
                    raise damaged(file, f"not every vector has {columns_of_rows} dimensions")
                yield names, data.reshape(len(names), columns_of_rows)
                continue
            indices, counts = _values(file, batch, INDICES)
            if (counts != lengths).any():
                raise damaged(file, "a row has not as many indices as values")
            numbers = (
                [columns[token] for token in indices.to_pylist()] if columns else indices.to_numpy(zero_copy_only=False)
            )
            places = columns_within(file, numbers, columns_of_rows)
            indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
            yield names, sparse.csr_matrix((data, places, indptr), shape=(len(names), columns_of_rows))


@contextmanager
def _opened(file: Path) -> Iterator[pq.ParquetFile]:
    """A file whose columns are those of vectors."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Pages are read as they are wanted: a group of rows may hold all of them.
        with pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False) as opened:
            _check(pa, file, opened.schema_arrow)
            yield opened
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise damaged(file, f"the file cannot be read: {str(error).partition(chr(10))[0]}") from None


def _check(pa: ModuleType, file: Path, schema: pa.Schema) -> None:
    """The columns that vectors need, of types that they can have."""
    sparse_ones = INDICES in schema.names or VALUES in schema.names
    for name in (ID, INDICES, VALUES) if sparse_ones else (ID, VECTOR):
        if schema.names.count(name) != 1:
            raise damaged(file, f"there is no column {name!r}: vectors have id, and indices and values, or vector")
        kind, numbers = schema.field(name).type, pa.types.is_integer
        if name != ID:
            if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
                raise damaged(file, f"the column {name!r} holds {kind}, not lists")
            kind = kind.value_type
        fit = _text(pa, kind) or numbers(kind) if name in {ID, INDICES} else pa.types.is_floating(kind) or numbers(kind)
        if not fit:
            raise damaged(file, f"the column {name!r} holds {kind}, which it cannot hold")


def _text(pa: ModuleType, kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _batches(opened: pq.ParquetFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for batch in opened.iter_batches(batch_size=BLOCK, columns=columns, use_threads=False):
        if batch.num_rows:
            yield batch


def _without_nulls(file: Path, batch: pa.RecordBatch, name: str) -> pa.Array:
    array = batch.column(name)
    if array.null_count:
        raise damaged(file, f"the column {name!r} lacks values")
    return array


def _values(file: Path, batch: pa.RecordBatch, name: str) -> tuple[pa.Array, NDArray[np.int64]]:
    """All values of a column of lists one after the other, and the length of each list."""
    array = _without_nulls(file, batch, name)
    values = array.flatten()
    if values.null_count:
        raise damaged(file, f"the lists of the column {name!r} lack values")
    return values, np.asarray(array.value_lengths().to_numpy(zero_copy_only=False), np.int64)
