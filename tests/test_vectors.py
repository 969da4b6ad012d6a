"""Folders of vectors: what is written comes back, mapped and not copied, and what no folder can hold is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from vector_folders import write_vectors

from harness.errors import UserError
from harness.vectors import VectorsWriter, csr_over, forget_pages, load_vectors, matrices_of, vectors_info


def blocks_of(rows, cuts):
    return [rows[begin:end] for begin, end in zip([0, *cuts], [*cuts, rows.shape[0]], strict=True)]


SHAPES = st.tuples(st.integers(0, 12), st.integers(1, 9), st.integers(0, 10**6))
CUTS = st.lists(st.integers(0, 12), max_size=4)


@settings(max_examples=60, deadline=None)
@given(SHAPES, CUTS)
def test_sparse_vectors_come_back(tmp_path_factory, shape, cuts):
    folder, (rows, columns, seed) = tmp_path_factory.mktemp("vectors"), shape
    matrix = sparse.random(rows, columns, 0.4, "csr", np.float32, random_state=np.random.default_rng(seed))
    cuts = sorted(min(cut, rows) for cut in cuts)
    info = write_vectors(folder, "sparse", columns, blocks_of(matrix, cuts))
    assert (info.kind, info.rows, info.columns, info.stored) == ("sparse", rows, columns, matrix.nnz)
    assert vectors_info(folder) == info
    back = load_vectors(folder)
    np.testing.assert_array_equal(back.toarray(), matrix.toarray())
    assert (back.data.dtype, back.indices.dtype, back.indptr.dtype) == (np.float32, np.int32, np.int64)
    assert back.has_sorted_indices


@settings(max_examples=60, deadline=None)
@given(SHAPES, CUTS)
def test_dense_vectors_come_back(tmp_path_factory, shape, cuts):
    folder, (rows, columns, seed) = tmp_path_factory.mktemp("vectors"), shape
    matrix = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    info = write_vectors(folder, "dense", columns, blocks_of(matrix, sorted(min(cut, rows) for cut in cuts)))
    assert (info.rows, info.columns, info.stored) == (rows, columns, rows * columns)
    back = load_vectors(folder)
    assert (back.shape, back.dtype) == ((rows, columns), np.float32)
    np.testing.assert_array_equal(back, matrix)


def test_untidy_rows_are_written_tidy(tmp_path):
    """Columns descending, one twice, and a stored zero; numbers of 64 bits."""
    matrix = sparse.csr_matrix((1, 6), dtype=np.float64)
    matrix.data, matrix.indices = np.array([1.0, 2.0, 0.5, 0.0]), np.array([5, 2, 2, 1])
    matrix.indptr = np.array([0, 4])
    info = write_vectors(tmp_path / "v", "sparse", 6, [matrix])
    back = load_vectors(tmp_path / "v")
    assert (info.stored, back.indices.tolist(), back.data.tolist()) == (2, [2, 5], [2.5, 1.0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_the_rows_of_a_value_that_is_no_number_are_named(tmp_path, kind, value):
    writer = VectorsWriter(tmp_path, kind, 3)
    good, bad = np.ones((4, 3), np.float32), np.array([[1, value, 1]], np.float32)
    convert = sparse.csr_matrix if kind == "sparse" else np.asarray
    writer.append(convert(good))
    with pytest.raises(UserError, match=r"NaN or infinite values \(in rows 4 to 4\)") as caught:
        writer.append(convert(bad))
    assert "bfloat16" in caught.value.remedy


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_a_block_of_another_width_is_refused(tmp_path, kind):
    writer = VectorsWriter(tmp_path, kind, 3)
    with pytest.raises(UserError, match="vectors have 4 columns, not 3"):
        writer.append(np.ones((1, 4), np.float32) if kind == "dense" else sparse.csr_matrix((1, 4)))


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_loaded_arrays_are_maps_that_nobody_can_write(tmp_path, kind):
    rows = np.eye(50, dtype=np.float32)
    write_vectors(tmp_path / "v", kind, 50, [sparse.csr_matrix(rows) if kind == "sparse" else rows])
    back = load_vectors(tmp_path / "v")
    for array in (back.data, back.indices, back.indptr) if kind == "sparse" else (back,):
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_pages_that_are_forgotten_are_read_again(tmp_path):
    rows = np.arange(20_000, dtype=np.float32).reshape(-1, 20)
    write_vectors(tmp_path / "v", "dense", 20, [rows])
    back = load_vectors(tmp_path / "v")
    before = float(back.sum(dtype=np.float64))
    forget_pages(back)
    assert float(back.sum(dtype=np.float64)) == before
    forget_pages(rows)  # not mapped: nothing happens
    assert rows[0, 1] == 1


def test_the_description_is_plain_json(tmp_path):
    write_vectors(tmp_path / "v", "dense", 2, [np.ones((3, 2), np.float32)])
    described = json.loads((tmp_path / "v" / "shape.json").read_text())
    assert described == {"kind": "dense", "rows": 3, "columns": 2, "stored": 6}


@pytest.mark.parametrize("whole", [np.int32, np.int64])
def test_a_matrix_over_arrays_shares_them(whole):
    data, indices = np.array([1, 2, 3], np.float32), np.array([0, 3, 1], whole)
    indptr = np.array([0, 2, 3], whole)
    matrix = csr_over(data, indices, indptr, 4)
    assert matrix.data is data
    assert matrix.indices is indices
    assert matrix.indptr is indptr
    assert matrix.toarray().tolist() == [[1, 0, 0, 2], [0, 3, 0, 0]]


def test_one_matrix_and_several_are_told_apart():
    dense, rows = np.ones((2, 3), np.float32), sparse.csr_matrix(np.ones((2, 3), np.float32))
    assert [id(matrix) for matrix in matrices_of(dense)] == [id(dense)]
    assert [id(matrix) for matrix in matrices_of(rows)] == [id(rows)]
    assert [id(matrix) for matrix in matrices_of([dense, rows])] == [id(dense), id(rows)]
    with pytest.raises(UserError, match="no vectors to index"):
        list(matrices_of(iter([])))


def test_columns_that_32_bits_cannot_number_are_refused(tmp_path):
    with pytest.raises(UserError, match="4294967296 columns"):
        VectorsWriter(tmp_path, "sparse", 2**32)
    assert VectorsWriter(tmp_path, "sparse", 2**31).close().columns == 2**31
