"""Sparse rows for engines: tidied as scipy would, refused where that is not safe."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from harness.errors import UserError
from harness.indexes._rows import blocks_of, rows_of, tidy_csr

VALUES = st.sampled_from([0.0, 0.25, 1.0, 3.5, 1e-30])


@st.composite
def untidy(draw, most=12):
    """CSR arrays with columns in any order, repeated columns, and zeros; (matrix, the same as a dense array)."""
    rows, width = draw(st.integers(0, most)), draw(st.integers(1, 9))
    columns = [draw(st.lists(st.integers(0, width - 1), max_size=6)) for _ in range(rows)]
    data = [draw(st.lists(VALUES, min_size=len(row), max_size=len(row))) for row in columns]
    indptr = np.cumsum([0, *map(len, columns)])
    matrix = sparse.csr_matrix((rows, width), dtype=np.float32)
    matrix.indptr, matrix.indices = indptr, np.asarray([place for row in columns for place in row], np.int64)
    matrix.data = np.asarray([value for row in data for value in row], draw(st.sampled_from([np.float32, np.float64])))
    dense = np.zeros((rows, width))
    for row, (places, values) in enumerate(zip(columns, data, strict=True)):
        for place, value in zip(places, values, strict=True):
            dense[row, place] += np.float32(value)
    return matrix, dense


@settings(max_examples=150, deadline=None)
@given(untidy())
def test_tidy_rows_have_the_same_values_in_order(given_rows):
    matrix, dense = given_rows
    rows = rows_of(matrix).tidy()
    assert (rows.indptr.dtype, rows.indices.dtype, rows.data.dtype) == (np.int64, np.int32, np.float32)
    np.testing.assert_allclose(rows.csr().toarray(), dense, rtol=1e-6)
    assert (rows.data > 0).all()
    for begin, end in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
        assert (np.diff(rows.indices[begin:end]) > 0).all()


@settings(max_examples=60, deadline=None)
@given(untidy(), st.integers(1, 5))
def test_blocks_are_all_rows_in_order(given_rows, size):
    matrix, dense = given_rows
    blocks = list(blocks_of(matrix, size))
    assert all(len(block) <= size for block in blocks)
    np.testing.assert_allclose(np.concatenate([b.tidy().csr().toarray() for b in blocks]), dense, rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(untidy(), st.integers(0, 12))
def test_one_matrix_and_its_parts_are_the_same(given_rows, cut):
    matrix, dense = given_rows
    parts = iter([matrix[:cut], matrix[cut:]])
    np.testing.assert_allclose(tidy_csr(parts).toarray(), dense, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(untidy(), st.data())
def test_a_part_begins_where_it_says(given_rows, data):
    matrix, dense = given_rows
    begin = data.draw(st.integers(0, len(dense)))
    end = data.draw(st.integers(begin, len(dense)))
    part = rows_of(matrix).part(begin, end)
    assert len(part) == end - begin
    np.testing.assert_allclose(part.tidy().csr().toarray(), dense[begin:end], rtol=1e-6)


def test_ready_rows_are_handed_on_as_they_are():
    matrix = sparse.csr_matrix(np.array([[0, 1, 2], [3, 0, 0]], np.float32))
    rows = rows_of(matrix)
    ready = rows.ready()
    assert ready.data is matrix.data
    assert ready.indices is matrix.indices
    assert ready.indptr.dtype == np.int64
    matrix.data = matrix.data.astype(np.float64)
    assert rows_of(matrix).ready().data.dtype == np.float32


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "NaN or infinite"),
        (np.inf, "NaN or infinite"),
        (-1.0, "negative"),
        (1e300, "NaN or infinite"),  # too large for float32
    ],
)
def test_weights_that_no_engine_can_take(value, words):
    matrix = sparse.csr_matrix(np.array([[1.0, value]]))
    with pytest.raises(UserError, match=words):
        rows_of(matrix).tidy()


def test_a_column_that_is_not_there():
    matrix = sparse.csr_matrix(np.ones((1, 2), np.float32))
    matrix.indices[1] = 7
    with pytest.raises(UserError, match="a column outside 0 to 1"):
        rows_of(matrix).tidy()


def test_wrong_kinds_and_widths():
    with pytest.raises(UserError, match="queries are dense"):
        rows_of(np.ones((1, 2), np.float32), what="queries")
    with pytest.raises(UserError, match="have 2 columns, but the index has 3"):
        rows_of(sparse.csr_matrix((1, 2)), 3)
    with pytest.raises(UserError, match="have 3 columns, but the index has 2"):
        list(blocks_of(iter([sparse.csr_matrix((1, 2)), sparse.csr_matrix((1, 3))])))
    with pytest.raises(UserError, match="no vectors to index"):
        tidy_csr(iter([]))
