"""Building, searching and counting against brute force; SPLADE's FLOPS metric against counting every pair."""

import json
from math import comb, log2

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from vector_folders import write_vectors

from harness.errors import UserError
from harness.pipeline.steps import index
from harness.pipeline.steps.encode import QUERY_FLOPS
from harness.pipeline.steps.index import Built, CountedWork, Searched, expected_overlap
from harness.pipeline.steps.per_query import intervals, read_per_query
from harness.typed_json import from_json, to_json
from harness.vectors import load_vectors


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
    kind, built, _, rows, folder = made
    counts = (rows["documents"] > 0).sum(axis=0)
    ways = sum(log2(comb(len(rows["documents"]), int(count))) for count in counts)
    assert built.numbers_bits == (pytest.approx(ways) if kind == "sparse" else None)
    assert built.file_bytes == sum(path.stat().st_size for path in (folder / "index").rglob("*") if path.is_file()) > 0
    assert sum(built.memory.values()) > 0
    assert built.build_peak_bytes >= 0
    assert built.build_peak_resident >= 0
    assert built.build_peak_readings >= 2  # before and at the end
    assert (built.build_seconds >= 0, built.conditions.violation) == (True, "")
    assert from_json(Built, json.loads(json.dumps(to_json(built)))) == built


def test_all_queries_are_searched_as_brute_force_does(made):
    kind, _, at, rows, folder = made
    (folder / "hits").mkdir()
    result = index.search(out=str(folder / "hits"), collection=str(folder), depth=5, threads=1, **at)
    assert (result.queries, result.depth) == (7, 5)
    assert isinstance(result, Searched)
    ids, scores = np.load(folder / "hits" / "ids.npy"), np.load(folder / "hits" / "scores.npy")
    assert (ids.dtype, scores.dtype, ids.shape) == (np.int64, np.float32, (7, 5))
    exact = rows["queries"] @ rows["documents"].T
    for row in range(7):
        best = np.sort(exact[row])[::-1][:5]
        np.testing.assert_allclose(scores[row], best, rtol=0.02, err_msg=kind)


def counted_over(folder, at, encoder_flops=tuple(range(10, 80, 10))):
    """The work of all queries, and what was left of each."""
    for name in ("collection", "work"):
        (folder / name).mkdir()
    lines = [json.dumps({"id": f"q{row}", "text": ""}) for row in range(7)]
    (folder / "collection" / "queries.jsonl").write_text("".join(line + "\n" for line in lines))
    np.save(folder / "vectors" / QUERY_FLOPS, np.asarray(encoder_flops, np.float64))
    more = {"collection": str(folder / "collection"), "confidence": 0.95}
    return index.count_work(out=str(folder / "work"), k=5, **more, **at), read_per_query(folder / "work")


def test_work_is_counted_over_all_queries_and_overlap_for_sparse_vectors_alone(made):
    kind, _, at, rows, folder = made
    counted, by_query = counted_over(folder, at)
    assert (counted.queries, counted.k) == (7, 5)
    assert from_json(CountedWork, json.loads(json.dumps(to_json(counted)))) == counted
    assert counted.work == index.open_index(at["type"], at["index"]).work(load_vectors(folder / "vectors/queries"), 5)
    shared = np.asarray([[np.sum((q > 0) & (d > 0)) for d in rows["documents"]] for q in rows["queries"]])
    own = {name: list(values.values()) for name, values in by_query.items()}
    assert list(by_query["flops_search"]) == [f"q{row}" for row in range(7)]
    if kind == "sparse":
        assert counted.expected_overlap == pytest.approx(np.mean(shared))
        assert counted.work.multiply_adds == np.sum(shared)
        assert own["flops_search"] == (2 * shared.sum(axis=1)).tolist()
        assert own["postings_touched"] == shared.sum(axis=1).tolist()
        assert own["expected_overlap"] == pytest.approx(shared.mean(axis=1))
        assert own["active_terms_query"] == (rows["queries"] > 0).sum(axis=1).tolist()
    else:
        assert counted.expected_overlap is None
        assert counted.work.multiply_adds == 7 * 40 * 16
        assert own["flops_search"] == [2 * 40 * 16] * 7
        assert not {"postings_touched", "expected_overlap", "active_terms_query"} & own.keys()
    assert own["flops_encode_query"] == [10, 20, 30, 40, 50, 60, 70]
    assert own["flops_query"] == [a + b for a, b in zip(own["flops_encode_query"], own["flops_search"], strict=True)]
    assert counted.intervals == {}, "seven queries are too few"


def test_counts_have_the_interval_of_their_mean_over_queries():
    rng = np.random.default_rng(4)
    values = rng.lognormal(5, 1, 60)
    low, high = scipy.stats.t.interval(0.9, 59, loc=values.mean(), scale=scipy.stats.sem(values))
    given = {"postings_touched": values.tolist(), "flops_search": values[:9].tolist()}
    assert intervals(given, 0.9) == {"postings_touched": (pytest.approx(low), pytest.approx(high))}


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
