"""Exact engines equal brute force, ids and order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from harness.errors import UserError
from harness.indexes import create, names, registry


def brute_force(index, queries, k):
    """Scores in the documented order of operations, in plain loops over terms."""
    ids = np.full((queries.shape[0], k), -1, np.int64)
    scores = np.full((queries.shape[0], k), -np.inf, np.float32)
    for row in range(queries.shape[0]):
        total = np.zeros(index.documents, np.float32)
        query = queries[row]
        for term, weight in zip(query.indices, query.data, strict=True):
            for number, segment in enumerate(index.segments):
                span = slice(int(segment.starts[term]), int(segment.starts[term + 1]))
                factor = np.float32(weight * segment.scales[term])
                total[segment.ids[span].astype(int) + number * 65536] += factor * segment.impacts[span].astype(
                    np.float32
                )
        order = sorted((d for d in range(index.documents) if total[d] > 0), key=lambda d: (-total[d], d))[:k]
        ids[row, : len(order)], scores[row, : len(order)] = order, total[order]
    return ids, scores


def random_csr(rng, rows, columns, density, levels=None):
    matrix = sparse.random(rows, columns, density, "csr", np.float32, random_state=rng)
    if levels:
        matrix.data = np.ceil(matrix.data * levels).astype(np.float32)
    return matrix


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.integers(1, 40),
    st.integers(1, 80),
    st.sampled_from(["u8", "float32"]),
)
def test_inverted_equals_brute_force(seed, rows, columns, k, weights):
    rng = np.random.default_rng(seed)
    documents, queries = random_csr(rng, rows, columns, 0.2, 3), random_csr(rng, 4, columns, 0.4, 3)
    index = create("inverted", weights=weights)
    index.build(documents)
    found, wanted = index.search(queries, k), brute_force(index, queries, k)
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])


def test_float32_weights_are_the_given_weights():
    rng = np.random.default_rng(3)
    documents, queries = random_csr(rng, 500, 200, 0.1), random_csr(rng, 20, 200, 0.1)
    index = create("inverted", weights="float32")
    index.build(documents)
    ids, scores = index.search(queries, 10)
    exact = (queries @ documents.T).toarray()
    np.testing.assert_allclose(scores, -np.sort(-exact, axis=1)[:, :10], rtol=1e-5)
    assert (ids >= 0).all()


@pytest.mark.parametrize("rows", [65_535, 65_536, 65_537])
@pytest.mark.parametrize("columns", [70_000, 140_000])
def test_segment_borders_and_wide_vocabularies(rows, columns):
    rng = np.random.default_rng(rows)
    terms = rng.integers(columns, size=(rows, 3)).astype(np.int32)
    data = rng.integers(1, 4, size=rows * 3).astype(np.float32)
    documents = sparse.csr_matrix((data, terms.ravel(), np.arange(0, rows * 3 + 1, 3)), shape=(rows, columns))
    documents.sum_duplicates()
    queries = documents[[0, 1, rows - 2, rows - 1]]
    index = create("inverted")
    index.build(documents)
    found, wanted = index.search(queries, 20, threads=2), brute_force(index, queries, 20)
    np.testing.assert_array_equal(found[0], wanted[0])
    assert rows - 1 in found[0][3]


def test_blocks_and_threads_change_nothing():
    rng = np.random.default_rng(5)
    documents, queries = random_csr(rng, 1000, 300, 0.05), random_csr(rng, 30, 300, 0.1)
    whole, parts = create("inverted"), create("inverted")
    whole.build(documents)
    parts.build(documents[i : i + 77] for i in range(0, 1000, 77))
    for one, other in zip(whole.search(queries, 50), parts.search(queries, 50, threads=2), strict=True):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 70))
def test_faiss_flat_equals_brute_force_with_ties(seed, rows, k):
    rng = np.random.default_rng(seed)
    documents = rng.integers(-2, 3, size=(rows, 4)).astype(np.float32)
    queries = rng.integers(-2, 3, size=(3, 4)).astype(np.float32)
    index = create("faiss-flat")
    index.build(documents)
    ids, scores = index.search(queries, k)
    exact = queries @ documents.T
    for row in range(3):
        order = sorted(range(rows), key=lambda d: (-exact[row, d], d))[:k]
        assert ids[row].tolist() == order + [-1] * (k - len(order))
        np.testing.assert_array_equal(scores[row, : len(order)], exact[row, order])


def vectors_for(name):
    rng = np.random.default_rng(1)
    if registry.get(name).supports.kind == "sparse":
        return random_csr(rng, 300, 50, 0.2)
    return rng.random((300, 8), np.float32)


@pytest.mark.parametrize("name", names())
def test_saved_and_loaded_is_the_same_and_memory_adds_up(name, tmp_path):
    vectors = vectors_for(name)
    index = create(name)
    index.build(vectors)
    index.save(tmp_path)
    loaded = type(index).load(tmp_path)
    for one, other in zip(index.search(vectors[:9], 7), loaded.search(vectors[:9], 7), strict=True):
        np.testing.assert_array_equal(one, other)
    payload = sum(p.stat().st_size for p in tmp_path.iterdir() if p.suffix != ".json")
    assert sum(index.memory().values()) == pytest.approx(payload, abs=128 * 8)


@pytest.mark.parametrize("name", names())
def test_any_damaged_byte_is_found(name, tmp_path):
    index = create(name)
    index.build(vectors_for(name))
    index.save(tmp_path)
    rng = np.random.default_rng(0)
    for path in sorted(tmp_path.iterdir()):
        good = path.read_bytes()
        for place in rng.integers(len(good), size=5):
            bad = bytearray(good)
            bad[place] ^= 0x15
            path.write_bytes(bytes(bad))
            with pytest.raises(UserError, match=r"index"):
                type(index).load(tmp_path)
        path.write_bytes(good[: len(good) // 2])
        with pytest.raises(UserError, match=r"index"):
            type(index).load(tmp_path)
        path.write_bytes(good)
    type(index).load(tmp_path)


def test_bad_vectors_are_refused_or_repaired():
    good = random_csr(np.random.default_rng(2), 20, 10, 0.4)
    for value, words in ((np.nan, "NaN"), (np.inf, "NaN or infinite"), (-1.0, "negative")):
        bad = good.copy()
        bad.data[0] = value
        with pytest.raises(UserError, match=words):
            create("inverted").build(bad)
    with pytest.raises(UserError, match="dense array"):
        create("inverted").build(good.toarray())
    with pytest.raises(UserError, match="sparse"):
        create("faiss-flat").build(good)
    with pytest.raises(UserError, match="NaN"):
        create("faiss-flat").build(np.full((3, 2), np.nan, np.float32))
    index = create("inverted")
    index.build(good)
    with pytest.raises(UserError, match="9 columns"):
        index.search(good[:, :9], 3)
    untidy = sparse.csr_matrix((np.array([1.0, 2.0, 4.0]), np.array([3, 1, 3]), np.array([0, 3])), shape=(1, 5))
    index = create("inverted", weights="float32")
    index.build(untidy)
    assert index.search(sparse.csr_matrix(np.eye(5, dtype=np.float32)[[3]]), 1)[1][0, 0] == 5.0


def test_work_counts_postings():
    documents = sparse.csr_matrix(np.array([[1, 0, 2], [0, 0, 1], [1, 1, 0]], np.float32))
    index = create("inverted")
    index.build(documents)
    assert index.work(sparse.csr_matrix(np.array([[1, 0, 1]], np.float32)), 2).postings == 4
    flat = create("faiss-flat")
    flat.build(documents.toarray())
    assert flat.work(np.ones((2, 3), np.float32), 2).multiply_adds == 2 * 3 * 3
