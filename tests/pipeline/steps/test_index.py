"""Building, searching and counting against brute force; SPLADE's FLOPS metric against counting every pair."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from vector_folders import write_vectors

from harness.errors import UserError
from harness.pipeline.steps import index
from harness.pipeline.steps.index import Built, CountedWork, Searched, expected_overlap
from harness.typed_json import from_json, to_json


def quiet(*_):
    """Progress that nobody reads."""


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**32 - 1), st.integers(1, 50))
def test_it_is_the_mean_number_of_shared_terms(queries, documents, terms, seed, block):
    rng = np.random.default_rng(seed)
    asked, there = (rng.random((rows, terms)) * (rng.random((rows, terms)) < 0.4) for rows in (queries, documents))
    counts = [[np.sum((q > 0) & (d > 0)) for d in there] for q in asked]
    before, index.OVERLAP_BLOCK = index.OVERLAP_BLOCK, block
    try:
        overlap = expected_overlap(sparse.csr_matrix(asked), sparse.csr_matrix(there))
    finally:
        index.OVERLAP_BLOCK = before
    assert overlap == pytest.approx(np.mean(counts))


def test_stored_zeros_are_not_terms():
    rows = sparse.csr_matrix((np.asarray([1.0, 0.0]), [0, 1], [0, 2]), shape=(1, 3))
    assert expected_overlap(rows, rows) == 1.0


ENGINES = [("sparse", "scipy"), ("sparse", "inverted"), ("dense", "faiss-flat")]


@pytest.fixture(params=ENGINES, ids=lambda pair: pair[1])
def made(request, tmp_path):
    """An index that was built over forty seeded vectors, with the vectors as arrays."""
    kind, engine = request.param
    rng = np.random.default_rng(11)
    rows = {}
    for name, count in (("documents", 40), ("queries", 7)):
        dense = np.floor(rng.random((count, 16)) * 4).astype(np.float32)
        rows[name] = dense * (dense > 1)
        given = sparse.csr_matrix(rows[name]) if kind == "sparse" else rows[name]
        write_vectors(tmp_path / "vectors" / name, kind, 16, [given])
    (tmp_path / "index").mkdir()
    at = {"vectors": str(tmp_path / "vectors"), "report": quiet, "type": engine}
    built = index.build(out=str(tmp_path / "index"), params={}, **at)
    return kind, built, {**at, "index": str(tmp_path / "index")}, rows, tmp_path


def test_what_was_built_is_on_disk_and_comes_back_from_the_store(made):
    _, built, _, _, folder = made
    assert built.file_bytes == sum(path.stat().st_size for path in (folder / "index").rglob("*") if path.is_file()) > 0
    assert sum(built.memory.values()) > 0
    assert built.build_peak_bytes >= 0
    assert (built.build_seconds >= 0, built.conditions.violation) == (True, "")
    assert from_json(Built, json.loads(json.dumps(to_json(built)))) == built


def test_all_queries_are_searched_as_brute_force_does(made):
    kind, _, at, rows, folder = made
    (folder / "hits").mkdir()
    result = index.search(out=str(folder / "hits"), depth=5, threads=1, **at)
    assert (result.queries, result.depth) == (7, 5)
    assert isinstance(result, Searched)
    ids, scores = np.load(folder / "hits" / "ids.npy"), np.load(folder / "hits" / "scores.npy")
    assert (ids.dtype, scores.dtype, ids.shape) == (np.int64, np.float32, (7, 5))
    exact = rows["queries"] @ rows["documents"].T
    for row in range(7):
        best = np.sort(exact[row])[::-1][:5]
        np.testing.assert_allclose(scores[row], best, rtol=0.02, err_msg=kind)


def test_work_is_counted_over_all_queries_and_overlap_for_sparse_vectors_alone(made):
    kind, _, at, rows, _ = made
    counted = index.count_work(out="", k=5, **at)
    assert (counted.queries, counted.k) == (7, 5)
    assert from_json(CountedWork, json.loads(json.dumps(to_json(counted)))) == counted
    shared = [[np.sum((q > 0) & (d > 0)) for d in rows["documents"]] for q in rows["queries"]]
    if kind == "sparse":
        assert counted.expected_overlap == pytest.approx(np.mean(shared))
        assert counted.work.multiply_adds == np.sum(shared)
    else:
        assert counted.expected_overlap is None
        assert counted.work.multiply_adds == 7 * 40 * 16


def test_an_engine_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match="invertde"):
        index.open_index("invertde", str(tmp_path))


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_warming_up_never_fails(kind):
    """An engine that refuses the tiny vectors starts cold, and the work itself says what is wrong."""
    index.warm("faiss-flat", {}, kind)
    index.warm("inverted", {"no_such_parameter": 1}, kind)
    assert index.tiny(kind).shape == (64, 32)
    assert sparse.issparse(index.tiny(kind)) == (kind == "sparse")
