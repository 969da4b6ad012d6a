"""Qdrant Edge through its adapter: exact, ties in order, and memory by component."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from harness.indexes import create

pytest.importorskip("qdrant_edge", reason="the engine qdrant-edge is not installed")


def whole_numbers(rng, rows, columns, density):
    """Weights from 1 to 3: sums are exact in float32 in any order, and many documents tie."""
    matrix = sparse.random(rows, columns, density, "csr", np.float32, rng=rng)
    matrix.data = np.ceil(matrix.data * 3)
    return matrix


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(1, 90), st.sampled_from([0.05, 0.4]))
def test_hits_are_those_of_brute_force_with_ties(seed, rows, k, density):
    rng = np.random.default_rng(seed)
    documents, queries = whole_numbers(rng, rows, 25, density), whole_numbers(rng, 3, 25, 0.3)
    index = create("qdrant-edge")
    index.build(iter([documents[: rows // 3], documents[rows // 3 :]]))
    ids, scores = index.search(queries, k)
    exact = (queries @ documents.T).toarray()
    for row in range(3):
        order = [d for d in np.lexsort((np.arange(rows), -exact[row])) if exact[row, d] > 0][:k]
        assert ids[row].tolist() == order + [-1] * (k - len(order))
        np.testing.assert_array_equal(scores[row, : len(order)], exact[row, order])


def test_weights_of_8_bits_are_off_by_no_more_than_a_level_of_their_term():
    rng = np.random.default_rng(3)
    documents = sparse.random(800, 40, 0.3, "csr", np.float32, rng=rng)
    queries = sparse.random(8, 40, 0.4, "csr", np.float32, rng=rng)
    indexes = {weights: create("qdrant-edge", weights=weights) for weights in ("float32", "u8")}
    for index in indexes.values():
        index.build(documents)
    exact = (queries @ documents.T).toarray()
    columns = documents.tocsc()
    spans = [columns.data[a:b] for a, b in zip(columns.indptr[:-1], columns.indptr[1:], strict=True)]
    allowed = queries @ np.array([(span.max() - span.min()) / 255 for span in spans])
    ids, scores = indexes["u8"].search(queries, 50)
    off = np.abs(scores - np.take_along_axis(exact, ids, 1)).max(axis=1)
    assert (off <= allowed * 1.001).all()
    assert (off > 1e-6).any()  # rounded it is
    missed = -np.sort(-exact, axis=1)[:, 49] - np.take_along_axis(exact, ids, 1).min(axis=1)
    assert (missed <= 2 * allowed).all()
    sizes = {weights: index.memory() for weights, index in indexes.items()}
    assert set(sizes["u8"]) == {"inverted index", "storage"}
    saved = sizes["float32"]["inverted index"] - sizes["u8"]["inverted index"]
    assert saved > documents.nnz  # up to three of four bytes of each weight: short lists are packed otherwise


def test_two_indexes_do_not_share_what_they_hold():
    indexes = [create("qdrant-edge"), create("qdrant-edge")]
    for number, index in enumerate(indexes):
        index.build(sparse.csr_matrix(np.eye(3, dtype=np.float32) * (number + 1)))
    everything = sparse.csr_matrix(np.ones((1, 3), np.float32))
    assert [index.search(everything, 1)[1][0, 0] for index in indexes] == [1, 2]
