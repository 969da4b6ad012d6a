"""An index in shards finds what one index finds: numbers, scores and ties, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from ties import assert_same, tied_csr

from harness.errors import UserError
from harness.indexes import create
from harness.indexes.sharded import merge


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(1, 90), st.integers(1, 120), st.integers(1, 3))
def test_shards_equal_the_whole(seed, rows, size, k, threads):
    rng = np.random.default_rng(seed)
    documents, queries = tied_csr(rng, rows, 12, 3, 2), tied_csr(rng, 4, 12, 3, 2)
    whole, shards = create("scipy"), create("sharded", index={"type": "scipy"}, documents=size)
    whole.build(documents)
    shards.build(documents)
    assert len(shards.shards) == -(-rows // size)
    assert_same(shards.search(queries, k, threads=threads), whole.search(queries, k))
    assert_same(shards.search(queries[:1], k, threads=threads), whole.search(queries[:1], k))
    assert shards.work(queries, k) == whole.work(queries, k)


@pytest.mark.parametrize("weights", ["u4", "u8", "u16", "float32"])
def test_inverted_is_cut_between_segments(weights, tmp_path):
    """Scales belong to segments of 65,536 documents: a shard asked to be smaller has one of them."""
    rng = np.random.default_rng(7)
    documents, queries = tied_csr(rng, 140_000, 50, 3, 9), tied_csr(rng, 8, 50, 5, 9)
    documents.data[:200_000] *= np.float32(0.37)  # the first segment has scales of its own
    index = {"type": "inverted", "weights": weights}
    whole, shards = create("inverted", weights=weights), create("sharded", index=index, documents=1000)
    whole.build(documents)
    shards.build(iter([documents[:70_000], documents[70_000:]]))
    assert shards.starts == [0, 65_536, 131_072, 140_000]
    wanted = whole.search(queries, 500)
    assert len(np.unique(wanted[1][0])) < 500, "the queries must have ties"
    assert_same(shards.search(queries, 500), wanted)
    assert_same(shards.search(queries, 500, threads=2), wanted)
    assert shards.memory() == whole.memory()
    assert shards.work(queries, 500) == whole.work(queries, 500)
    shards.save(tmp_path)
    assert_same(type(shards).load(tmp_path).search(queries, 500), wanted)


def test_scores_would_differ_were_a_segment_cut():
    """What the alignment is for: with 8-bit weights, halves of a segment have other scales than the whole."""
    rng = np.random.default_rng(3)
    documents, queries = tied_csr(rng, 1000, 20, 4, 9), tied_csr(rng, 4, 20, 5, 9)
    documents.data[:2000] *= np.float32(0.37)
    parts = [create("inverted"), create("inverted"), create("inverted")]
    for part, rows in zip(parts, (documents, documents[:500], documents[500:]), strict=True):
        part.build(rows)
    cut = merge([parts[1].search(queries, 500), parts[2].search(queries, 500)], [0, 500], 1000)
    assert not np.array_equal(cut[1], parts[0].search(queries, 1000)[1])


@pytest.mark.parametrize("queries", [1, 3, 40])
def test_dense_shards_equal_the_whole(queries, tmp_path):
    """With 20 queries and more FAISS multiplies blocks of 1,024 vectors; few values make ties."""
    rng = np.random.default_rng(5)
    documents = rng.integers(-2, 3, (5000, 24)).astype(np.float32) / np.float32(3)
    asked = rng.standard_normal((queries, 24)).astype(np.float32)
    documents[3000:3200] = documents[:200]
    whole, shards = create("faiss-flat"), create("sharded-dense", index={"type": "faiss-flat"}, documents=1500)
    whole.build(documents)
    shards.build(documents)
    assert shards.starts == [0, 2048, 4096, 5000]
    for k in (1, 10, 150):
        assert_same(shards.search(asked, k), whole.search(asked, k))
        assert_same(shards.search(asked, k, threads=2), whole.search(asked, k))
    shards.save(tmp_path)
    assert_same(type(shards).load(tmp_path).search(asked, 10), whole.search(asked, 10))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 90), st.integers(1, 60), st.integers(1, 3))
def test_approximate_shards_that_score_all_miss_nothing(seed, rows, size, k, threads):
    rng = np.random.default_rng(seed)
    documents, queries = tied_csr(rng, rows, 12, 3, 2), tied_csr(rng, 4, 12, 3, 2)
    given_all = {"share": 1.0, "candidates": rows}
    whole, shards = create("two-phase", **given_all), create("sharded-two-phase", **given_all, documents=size)
    whole.build(documents)
    shards.build(documents)
    assert len(shards.shards) == -(-rows // size)
    wanted, found = whole.search(queries, k)[1], shards.search(queries, k, threads=threads)[1]
    np.testing.assert_allclose(found, wanted, rtol=2e-6)
    assert sum(shards.memory().values()) > 0


def test_each_approximate_shard_scores_candidates_of_its_own(tmp_path):
    rng = np.random.default_rng(2)
    documents, queries = tied_csr(rng, 400, 30, 4, 9), tied_csr(rng, 6, 30, 4, 9)
    shards, parts = create("sharded-two-phase", documents=150, candidates=20), []
    shards.build(documents)
    assert shards.work(queries, 10).documents <= 6 * 3 * 20
    for begin in (0, 150, 300):
        part = create("two-phase", candidates=20)
        part.build(documents[begin : begin + 150])
        parts.append(part)
    wanted = merge([part.search(queries, 10) for part in parts], [0, 150, 300], 10)
    assert_same(shards.search(queries, 10), wanted)
    shards.save(tmp_path)
    opened = type(shards).load(tmp_path)
    assert opened.params == shards.params
    assert_same(opened.search(queries, 10), wanted)


def test_what_cannot_be_sharded_is_refused():
    for name, inner, words in (
        ("sharded", {"type": "faiss-flat"}, "scipy"),
        ("sharded", {"type": "two-phase"}, "the engine sharded-two-phase"),
        ("sharded-dense", {"type": "faiss", "factory": "HNSW32"}, "shard one of: faiss-flat"),
        ("sharded-dense", {"type": "inverted"}, "shard one of: faiss-flat"),
    ):
        with pytest.raises(ValueError, match=words):
            create(name, index=inner)
    with pytest.raises(ValueError, match="there is no index 'nothing'"):
        create("sharded", index={"type": "nothing"})
    with pytest.raises(ValueError, match=r"index\.weights"):
        create("sharded", index={"type": "inverted", "weights": "u7"})


def test_a_shard_of_another_index_is_found(tmp_path):
    rng = np.random.default_rng(1)
    for name in ("one", "two"):
        shards = create("sharded", index={"type": "scipy"}, documents=40)
        shards.build(tied_csr(rng, 100, 12, 3, 2))
        (tmp_path / name).mkdir()
        shards.save(tmp_path / name)
    (tmp_path / "one/shard-1").rename(tmp_path / "old")
    (tmp_path / "two/shard-1").rename(tmp_path / "one/shard-1")
    with pytest.raises(UserError, match="another index"):
        type(shards).load(tmp_path / "one")


def test_no_rows_at_all():
    shards = create("sharded", index={"type": "scipy"})
    shards.build(sparse.csr_matrix((0, 5), dtype=np.float32))
    assert shards.search(sparse.csr_matrix(np.eye(5, dtype=np.float32)[:1]), 3)[0].tolist() == [[-1, -1, -1]]
