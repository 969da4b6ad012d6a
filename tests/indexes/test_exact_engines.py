"""Exact engines equal brute force, ids and order."""

import itertools
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from brute_force import assert_equal_hits, brute_force, random_csr, stored
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from harness.errors import UserError
from harness.indexes import _kernels, create, names, registry


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 300),
    st.integers(1, 40),
    st.integers(1, 320),
    st.sampled_from([0.0, 0.01, 0.2, 0.9]),
    st.sampled_from(["u4", "u8", "u16", "float32"]),
)
def test_inverted_equals_brute_force(seed, rows, columns, k, density, weights):
    """Empty rows and terms, scores that tie, fewer documents than k, escapes in the lists of rare terms."""
    rng = np.random.default_rng(seed)
    documents = random_csr(rng, rows, columns, density, rng.choice([0, 3]))
    queries = random_csr(rng, 4, columns, 0.4, 3)
    index = create("inverted", weights=weights)
    index.build(documents)
    assert_equal_hits(index.search(queries, k), brute_force(documents, queries, k, weights))
    scales, impacts = stored(documents, weights)
    np.testing.assert_array_equal(index.decoded().toarray(), impacts.toarray() * scales)


@pytest.mark.parametrize("weights", ["u4", "u8", "u16", "float32"])
def test_zero_subnormal_and_huge_weights(weights):
    values = np.array([[0, 1e-45, 3e38], [2e-45, 1e-20, 1], [0, 0, 0], [1e-38, 2e-20, 1]], np.float32)
    documents = sparse.csr_matrix((values.ravel(), np.tile(np.arange(3), 4), np.arange(0, 13, 3)), shape=(4, 3))
    index = create("inverted", weights=weights)
    index.build(documents)
    queries = sparse.csr_matrix(np.eye(3, dtype=np.float32) * 0.5)
    assert_equal_hits(index.search(queries, 4), brute_force(sparse.csr_matrix(values), queries, 4, weights))
    assert index.decoded().nnz == np.count_nonzero(values)


def test_nothing_in_and_nothing_asked():
    index = create("inverted")
    index.build(sparse.csr_matrix((0, 5), dtype=np.float32))
    assert index.search(sparse.csr_matrix(np.ones((2, 5), np.float32)), 3)[0].tolist() == [[-1] * 3] * 2
    index.build(sparse.csr_matrix(np.ones((1, 5), np.float32)))
    assert index.search(sparse.csr_matrix((1, 5), dtype=np.float32), 2)[0].tolist() == [[-1, -1]]
    with pytest.raises(UserError, match="k is 0"):
        index.search(sparse.csr_matrix((1, 5), dtype=np.float32), 0)


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
@pytest.mark.parametrize("columns", [65_600, 131_100])
def test_segment_borders_and_wide_vocabularies(rows, columns):
    """Few terms used, some beyond 2^16 and 2^17, so that lists are long and the last document's distances large."""
    rng = np.random.default_rng(rows)
    used = np.unique(np.append(rng.integers(columns, size=50), [0, 65_535, 65_536, columns - 1]))
    terms = rng.choice(used, size=(rows, 3), p=(p := 1 / np.arange(1, len(used) + 1) ** 2) / p.sum())
    data = rng.integers(1, 4, size=rows * 3).astype(np.float32)
    documents = sparse.csr_matrix((data, terms.ravel(), np.arange(0, rows * 3 + 1, 3)), shape=(rows, columns))
    documents.sum_duplicates()
    queries = documents[[0, 1, rows - 2, rows - 1]]
    narrow = documents[:, used], queries[:, used]
    index = create("inverted")
    index.build(documents)
    assert_equal_hits(index.search(queries, 100, threads=2), brute_force(*narrow, 100))
    rare = sparse.csr_matrix(([1.0, 2.0], ([3, rows - 1], [columns - 1, columns - 1])), shape=(rows, columns))
    index.build(rare)
    assert index.search(rare[[3]], 3)[0].tolist() == [[rows - 1, 3, -1]]


def test_blocks_and_threads_change_nothing():
    rng = np.random.default_rng(5)
    documents, queries = random_csr(rng, 1000, 300, 0.05), random_csr(rng, 30, 300, 0.1)
    whole, parts = create("inverted"), create("inverted")
    whole.build(documents)
    parts.build(documents[i : i + 77] for i in range(0, 1000, 77))
    for one, other in zip(whole.segments[0], parts.segments[0], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(whole.search(queries, 50), parts.search(queries, 50, threads=2), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_build_by_two_threads_is_the_same():
    rng = np.random.default_rng(6)
    terms = rng.integers(400, size=(150_000, 2)) + np.array([0, 400])
    data = rng.integers(1, 9, size=300_000).astype(np.float32)
    documents = sparse.csr_matrix((data, terms.ravel(), np.arange(0, 300_001, 2)), shape=(150_000, 800))
    one, two = create("inverted"), create("inverted", build_threads=2)
    one.build(documents)
    two.build(documents[i : i + 40_000] for i in range(0, 150_000, 40_000))
    assert (one.documents, len(one.segments)) == (two.documents, len(two.segments)) == (150_000, 3)
    for segment, other in zip(one.segments, two.segments, strict=True):
        for array, wanted in zip(other, segment, strict=True):
            np.testing.assert_array_equal(array, wanted)


RUNNABLE = {"expand": ("bits", "shuffle", "expand"), "shuffle": ("bits", "shuffle"), "bits": ("bits",)}[_kernels.KERNEL]
"""The kernels for bitmaps that this processor has the instructions for."""


@cache
def searcher_of(kernel):
    return _kernels._searcher(8, kernel)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(16, 400),
    st.integers(1, 30),
    st.integers(1, 90),
    st.sampled_from([0.1, 0.2, 0.5, 1.0]),
)
def test_every_kernel_for_bitmaps_equals_brute_force(seed, rows, columns, k, density):
    """Lists beside bitmaps, bitmaps that are full, and last words of which few bits belong to documents."""
    rng = np.random.default_rng(seed)
    documents, queries = random_csr(rng, rows, columns, density), random_csr(rng, 4, columns, 0.5, 3)
    index = create("inverted")
    index.build(documents)
    wanted = brute_force(documents, queries, k)
    for kernel in RUNNABLE:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(_kernels.search_segment, 8, searcher_of(kernel))
            assert_equal_hits(index.search(queries, k), wanted)


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


PARAMS = {
    "faiss": {"factory": "IVF4,Flat"},
    "sharded": {"index": {"type": "scipy"}, "documents": 120},
    "sharded-dense": {"index": {"type": "faiss-flat"}},
}
NEEDS = {"bmp": "bmp", "seismic": "seismic", "qdrant-edge": "qdrant_edge", "kannolo": "kannolo"}
OWN_FILES = {"seismic": 0.25}
"""Engines whose memory is laid out otherwise than their files, and by how much the two may differ."""


THREADED = [(name, PARAMS.get(name, {})) for name in names() if name != "sharded"]
THREADED += [("sharded", {"index": {"type": "inverted"}, "documents": 4000})]
THREADED += [("faiss", {"factory": factory}) for factory in ("HNSW32", "SQ8", "PQ4x4")]


@pytest.mark.parametrize(("name", "params"), THREADED)
def test_as_many_threads_as_asked(name, params):
    """Threads alive beside those from before, seen from the outside while batches are searched; 1 adds none."""
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"the engine {name} is not installed")
    script = Path(__file__).parents[1] / "support" / "thread_count.py"
    few = name in ("bmp", "kannolo", "qdrant-edge")  # whose adapters take one query after another
    asked = [sys.executable, script, name, json.dumps(params), "1000" if few else "12000"]
    alone, three = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    if name == "seismic":
        # Its work is done in a pool of its own, which lives for milliseconds: fewer may be seen, never more than asked.
        assert alone <= 1
        assert three <= 3
        return
    assert alone == 0
    if registry.get(name).supports.threads:
        # faiss's threads are OpenMP's, of which the calling one is the first
        assert three in ((2, 3) if "faiss" in json.dumps([name, params]) else (3,))
    else:
        assert three == 0


def made(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"the engine {name} is not installed")
    return create(name, **PARAMS.get(name, {}))


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def vectors_for(name):
    rng = np.random.default_rng(1)
    if registry.get(name).supports.kind == "sparse":
        return random_csr(rng, 300, 50, 0.2)
    return rng.random((300, 8), np.float32)


@pytest.mark.parametrize("name", names())
def test_saved_and_loaded_is_the_same_and_memory_adds_up(name, tmp_path):
    index = made(name)
    vectors = vectors_for(name)
    index.build(vectors)
    index.save(tmp_path)
    loaded = type(index).load(tmp_path)
    for one, other in zip(index.search(vectors[:9], 7), loaded.search(vectors[:9], 7), strict=True):
        np.testing.assert_array_equal(one, other)
    arrays = [path for path in files_of(tmp_path) if path.suffix != ".json"]
    payload = sum(path.stat().st_size for path in arrays)
    allowed = {"rel": OWN_FILES[name]} if name in OWN_FILES else {"abs": 128 * max(8, len(arrays))}
    assert sum(index.memory().values()) == pytest.approx(payload, **allowed)


@pytest.mark.parametrize("name", names())
def test_any_damaged_byte_is_found(name, tmp_path):
    index = made(name)
    index.build(vectors_for(name))
    index.save(tmp_path)
    rng = np.random.default_rng(0)
    for path in files_of(tmp_path):
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
    outside = good.copy()
    outside.indices[0] = 99
    with pytest.raises(UserError, match="outside 0 to 9"):
        create("inverted").build(outside)
    with pytest.raises(UserError, match="NaN or infinite"):
        create("inverted").build(good.astype(np.float64) * 1e300)
    with pytest.raises(UserError, match="8 columns"):
        create("inverted").build(iter([good, good[:, :8]]))
    with pytest.raises(UserError, match="dense"):
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


@pytest.mark.parametrize("name", ["inverted", "scipy"])
def test_bad_queries_are_refused_or_repaired_like_bad_documents(name):
    rng = np.random.default_rng(9)
    documents, good = random_csr(rng, 60, 12, 0.5), random_csr(rng, 3, 12, 0.6)
    index = create(name)
    index.build(documents)
    wanted = index.search(good, 9)
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in itertools.pairwise(good.indptr)])
    unsorted = sparse.csr_matrix((good.data[order], good.indices[order], good.indptr), shape=good.shape)
    twice = np.repeat(np.arange(good.nnz), 2)
    halves = sparse.csr_matrix((good.data[twice] / 2, good.indices[twice], good.indptr * 2), shape=good.shape)
    wide = sparse.csr_matrix(good, dtype=np.float64)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    for repaired in (unsorted, halves, wide, sparse.coo_matrix(good)):
        assert_equal_hits(index.search(repaired, 9), wanted)
    for value, words in ((np.nan, "NaN"), (np.inf, "NaN or infinite"), (-1.0, "negative")):
        bad = good.copy()
        bad.data[-1] = value
        with pytest.raises(UserError, match=words):
            index.search(bad, 9)


def test_work_counts_postings():
    documents = sparse.csr_matrix(np.array([[1, 0, 2], [0, 0, 1], [1, 1, 0]], np.float32))
    index = create("inverted")
    index.build(documents)
    assert index.work(sparse.csr_matrix(np.array([[1, 0, 1]], np.float32)), 2).postings == 4
    common = sparse.csr_matrix(np.tile(np.array([[1.0, 0.0, 2.0]], np.float32), (64, 1)))
    index.build(common)
    assert (index.segments[0].widths == 0).all()
    found = index.work(sparse.csr_matrix(np.array([[1, 1, 1], [0, 0, 1]], np.float32)), 2)
    assert (found.postings, found.multiply_adds, found.documents, found.bounds) == (192, 192, 128, 0)
    flat = create("faiss-flat")
    flat.build(documents.toarray())
    assert flat.work(np.ones((2, 3), np.float32), 2).multiply_adds == 2 * 3 * 3


def test_what_was_compiled_is_found_again_by_another_process():
    """Compiling takes seconds, which each process of a run would pay."""
    code = (
        "import numpy as np; from scipy import sparse; from harness.indexes import create, _kernels\n"
        "rows = sparse.eye(5, format='csr', dtype=np.float32)\n"
        "index = create('inverted'); index.build(rows); index.search(rows, 2)\n"
        "print(sum(_kernels.search_segment[8].stats.cache_misses.values()))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in "ab"]
    assert runs[1].stdout.strip() == "0"
