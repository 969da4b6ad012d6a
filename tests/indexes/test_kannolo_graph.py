"""kANNolo through its adapter: what it finds beside brute force, weights of any size, and terms of any number."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from harness.errors import UserError
from harness.indexes import create

pytest.importorskip("kannolo", reason="the engine kannolo is not installed: it has wheels for CPython 3.11 to 3.13")

VARIANTS = {
    "float16": {},
    "permuted": {"graph": "permuted"},
    "compressed": {"graph": "compressed"},
    "u16": {"weights": "u16"},
    "u8": {"weights": "u8"},
    "dotpacking8": {"weights": "dotpacking8", "graph": "compressed"},
    "ranked again": {"mass": 70},
    "compressed and ranked again": {"mass": 70, "weights": "u8", "graph": "compressed"},
}


def vectors(seed, rows, columns=60):
    rng = np.random.default_rng(seed)
    matrix = sparse.random(rows, columns, 0.2, "csr", np.float32, rng=rng)
    matrix.data += np.float32(0.05)
    return matrix


def exact(documents, queries, k):
    scores = (queries @ documents.T).toarray()
    return np.argsort(-scores, axis=1, kind="stable")[:, :k], scores


def recall(found, wanted):
    pairs = zip(found.tolist(), wanted.tolist(), strict=True)
    return np.mean([len(set(one) & set(other)) / len(other) for one, other in pairs])


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("scale", [1, 1000])
def test_it_finds_nearly_all_where_it_looks_long_and_scores_are_those_of_the_weights(name, scale):
    """Whole numbers of kANNolo end at 4 or 8, and 16-bit floats at 65,504: higher weights are scaled down before."""
    documents, queries = vectors(1, 300) * scale, vectors(2, 8)
    index = create("kannolo", m=16, ef_construction=60, ef_search=300, **VARIANTS[name])
    index.build(documents)
    ids, scores = index.search(queries, 10)
    wanted, every = exact(documents, queries, 10)
    assert recall(ids, wanted) >= (0.9 if "8" in name else 0.95)
    np.testing.assert_allclose(scores, np.take_along_axis(every, ids, 1), rtol=0.02)
    assert (np.diff(scores) <= 0).all()


def test_more_candidates_find_more():
    documents, queries = vectors(3, 1500, 400), vectors(4, 30, 400)
    index = create("kannolo", m=4, ef_construction=10)
    index.build(documents)
    shares = []
    for candidates in (10, 60, 1500):
        index.search_with({"ef_search": candidates})
        shares.append(recall(index.search(queries, 10)[0], exact(documents, queries, 10)[0]))
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] > 0.95


def test_terms_are_numbered_anew_so_that_a_wide_vocabulary_fits():
    narrow, asked = vectors(5, 200), vectors(6, 5)
    places = np.sort(np.random.default_rng(7).choice(500_000, 60, replace=False))
    wide, wide_asked = (
        sparse.csr_matrix((rows.data, places[rows.indices], rows.indptr), (rows.shape[0], 500_000))
        for rows in (narrow, asked)
    )
    found = []
    for documents, queries in ((narrow, asked), (wide, wide_asked)):
        index = create("kannolo", ef_search=200)
        index.build(documents)
        found.append(index.search(queries, 10))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    strange = sparse.csr_matrix(([1.0], ([0], [(places[0] + 1) % 500_000])), (1, 500_000), dtype=np.float32)
    assert index.search(strange, 3)[0].tolist() == [[-1] * 3]


def test_more_terms_than_it_can_number_and_documents_without_terms_are_refused():
    every = sparse.csr_matrix((np.ones(65_536, np.float32), np.arange(65_536), np.arange(65) * 1024), (64, 65_536))
    with pytest.raises(UserError, match="65536 terms"):
        create("kannolo").build(every)
    most = every[:, :-1]
    index = create("kannolo", m=4, ef_construction=8)
    index.build(most)
    assert index.search(most[[63]], 1)[0].tolist() == [[63]]
    for rows in (0, 3):
        with pytest.raises(UserError, match="documents without terms"):
            create("kannolo").build(sparse.csr_matrix((rows, 4), dtype=np.float32))


def test_a_term_that_pruning_leaves_to_no_vector_can_be_asked_for():
    """kANNolo would end the process over a term beyond those that its graph knows."""
    rows = np.ones((40, 6), np.float32)
    rows[:, 5] = 0.01
    index = create("kannolo", mass=50)
    index.build(sparse.csr_matrix(rows))
    ids, scores = index.search(sparse.csr_matrix(np.eye(6, dtype=np.float32)[[5]]), 3)
    assert (ids >= 0).all()
    np.testing.assert_allclose(scores, 0.01, rtol=0.01)


def test_a_compressed_graph_takes_less_room():
    sizes = []
    for how in ({}, {"graph": "compressed"}, {"graph": "compressed", "weights": "dotpacking8"}):
        index = create("kannolo", m=16, **how)
        index.build(vectors(8, 400))
        sizes.append(index.memory()["graph and vectors"])
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"candidates": 10}, "nothing is ranked again"),
        ({"mass": 50, "weights": "dotpacking8"}, "weights are one of float16, u8"),
        ({"mass": 50, "graph": "compressed"}, 'needs weights = "u8"'),
    ],
)
def test_parts_that_do_not_go_together_are_refused(params, words):
    with pytest.raises(ValidationError, match=words):
        create("kannolo", **params)
