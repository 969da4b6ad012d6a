"""What answers single queries: the hits of `search`, with the engine's own time, for every engine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from harness.errors import UserError
from harness.indexes import IndexBase, create

SPARSE = {f"inverted-{weights}": ("inverted", {"weights": weights}) for weights in ("u4", "u8", "u16", "float32")}
SPARSE |= {
    "scipy": ("scipy", {}),
    "sharded": ("sharded", {"index": {"type": "inverted"}, "documents": 1}),
    "bmp": ("bmp", {"block_size": 8}),
    "seismic": ("seismic", {"variant": "small"}),
    "qdrant-edge": ("qdrant-edge", {}),
    "kannolo": ("kannolo", {"weights": "u8", "m": 8, "ef_construction": 20}),
    "two-phase": ("two-phase", {"share": 0.5, "links": 3}),
    "sharded-two-phase": ("sharded-two-phase", {"share": 0.5, "documents": 90}),
}
DENSE = {
    "flat": ("faiss-flat", {}),
    "factory": ("faiss", {"factory": "Flat"}),
    "hnsw": ("faiss", {"factory": "HNSW8"}),
    "sharded-dense": ("sharded-dense", {"index": {"type": "faiss-flat"}, "documents": 1}),
}
ALL = SPARSE | DENSE
PACKAGES = {"bmp": "bmp", "seismic": "seismic", "qdrant-edge": "qdrant_edge", "kannolo": "kannolo"}


def built(name, documents):
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason=f"the engine {name} is not installed")
    engine, params = ALL[name]
    index = create(engine, **params)
    index.build(documents)
    return index


def vectors(name, seed, rows, *, ties=False, columns=24):
    rng = np.random.default_rng(seed)
    filled = rng.integers(1, 4, (rows, columns)) if ties else rng.uniform(0.1, 1, (rows, columns))
    dense = (filled * (rng.random((rows, columns)) < 0.4)).astype(np.float32)
    return dense if name in DENSE else sparse.csr_matrix(dense)


@pytest.mark.parametrize("name", list(ALL))
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 90), st.integers(1, 100), st.booleans())
def test_a_searcher_finds_what_search_finds(name, seed, rows, k, ties):
    documents, queries = vectors(name, seed, rows, ties=ties), vectors(name, seed + 1, 4, ties=ties)
    index = built(name, documents)
    searcher = index.searcher(k)
    answers = [searcher(queries[row : row + 1]) for row in range(4)]
    for row, (ids, scores) in enumerate(answers):
        wanted = index.search(queries[row : row + 1], k)
        np.testing.assert_array_equal(scores, wanted[1])
        if name in ("bmp", "factory"):  # which of those that tie at the last place, the engine says
            inside = scores > scores[:, -1:]
            np.testing.assert_array_equal(ids[inside], wanted[0][inside])
        else:
            np.testing.assert_array_equal(ids, wanted[0])
        assert (ids.dtype, scores.dtype, ids.shape) == (np.int64, np.float32, (1, k))


@pytest.mark.parametrize("name", list(ALL))
def test_the_engine_takes_a_part_of_each_search(name):
    index = built(name, vectors(name, 3, 60))
    queries = vectors(name, 4, 5)
    searcher = index.searcher(10)
    for row in range(5):
        searcher(queries[row : row + 1])
        assert searcher.engine_ns > 0


@pytest.mark.parametrize("name", list(ALL))
def test_hits_of_one_query_are_not_changed_by_the_next(name):
    index = built(name, vectors(name, 3, 60))
    queries = vectors(name, 4, 2)
    searcher = index.searcher(10)
    ids, scores = searcher(queries[:1])
    before = ids.copy(), scores.copy()
    searcher(queries[1:])
    np.testing.assert_array_equal(ids, before[0])
    np.testing.assert_array_equal(scores, before[1])


@pytest.mark.parametrize("name", list(ALL))
def test_no_documents_cannot_be_asked_for(name):
    with pytest.raises(UserError, match="k is 0"):
        built(name, vectors(name, 3, 20)).searcher(0)(vectors(name, 4, 1))


@pytest.mark.parametrize("name", ["inverted-u8", "scipy", "flat", "factory"])
def test_the_first_query_is_checked(name):
    index = built(name, vectors(name, 3, 20))
    other = "flat" if name in SPARSE else "scipy"
    with pytest.raises(UserError, match=r"takes (sparse|dense)"):
        index.searcher(3)(vectors(other, 4, 1))
    with pytest.raises(UserError, match=r"the index (has )?24"):
        index.searcher(3)(vectors(name, 4, 1, columns=23))


def test_an_untidy_query_finds_what_a_tidy_one_finds():
    index = built("inverted-u8", vectors("inverted-u8", 3, 60))
    tidy = sparse.csr_matrix(([0.5, 1.0, 0.25], ([0, 0, 0], [1, 4, 9])), shape=(1, 24), dtype=np.float32)
    arrays = np.asarray([0.25, 0.5, 0.75, 0.25], np.float64), np.asarray([9, 1, 4, 4]), np.asarray([0, 4])
    untidy = sparse.csr_matrix(arrays, shape=(1, 24))
    searcher = index.searcher(7)
    for found, wanted in zip(searcher(untidy), searcher(tidy), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_an_engine_without_a_searcher_of_its_own_answers_by_search():
    asked = []

    class Own(IndexBase):
        def search(self, queries, k, *, threads=1):
            asked.append((queries, k, threads))
            return "hits"

    searcher = Own().searcher(5, threads=2)
    assert searcher("row") == "hits"
    assert asked == [("row", 5, 2)]
    assert searcher.engine_ns is None


def test_an_open_bmp_index_keeps_its_file_on_disk(tmp_path):
    index = built("bmp", vectors("bmp", 3, 60))
    index.save(tmp_path)
    opened = type(index).load(tmp_path)
    assert opened.file == tmp_path / "index.bmp"
    assert opened.memory() == index.memory()
    again = tmp_path / "again"
    again.mkdir()
    opened.save(again)
    assert (again / "index.bmp").read_bytes() == (tmp_path / "index.bmp").read_bytes()
