"""The two-phase index: scores exact to the codec, nothing missed where its knobs are at their most, honest counts."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from harness.encoders.backbones.topical import Topical
from harness.errors import UserError
from harness.indexes import _two_phase_build, create, registry
from harness.indexes._forward import Forward, pack_rows, score_of, unpack_row
from harness.indexes._graph import heaviest

ALL = {"share": 1.0, "terms": 1 << 20, "candidates": 1 << 20}


def vectors(seed, rows, columns=40, filled=0.3):
    rng = np.random.default_rng(seed)
    return sparse.csr_matrix(rng.random((rows, columns), np.float32) * (rng.random((rows, columns)) < filled))


def quantised(documents):
    """The documented codec, by numpy alone: impacts of 8 bits, a scale a document."""
    stored = documents.toarray().astype(np.float32)
    scales = np.maximum(stored.max(axis=1, keepdims=True) / np.float32(255), np.finfo(np.float32).tiny)
    impacts = np.where(stored > 0, np.clip(np.rint(stored / scales), 1, 255), 0).astype(np.float32)
    return impacts * scales


def hits_are_of(ids, scores, exact):
    """Every score is the document's own, best first, and ties in order of numbers."""
    for found, values, every in zip(ids, scores, exact, strict=True):
        count = int((found >= 0).sum())
        assert (found[count:] == -1).all()
        assert np.isneginf(values[count:]).all()
        np.testing.assert_allclose(values[:count], every[found[:count]], rtol=2e-6)
        falls, ties = np.diff(values[:count]) < 0, np.diff(values[:count]) == 0
        assert (falls | (ties & (np.diff(found[:count]) > 0))).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 90), st.sampled_from([3, 40, 300]), st.integers(1, 100), st.integers(0, 4))
def test_nothing_is_missed_where_everything_is_read(seed, rows, columns, k, links):
    documents, queries = vectors(seed, rows, columns), vectors(seed + 1, 3, columns)
    index = create("two-phase", **ALL, links=links)
    index.build(documents)
    ids, scores = index.search(queries, k)
    exact = (queries.toarray().astype(np.float64) @ quantised(documents).T.astype(np.float64)).astype(np.float32)
    hits_are_of(ids, scores, exact)
    for values, every in zip(scores, exact, strict=True):
        wanted = np.sort(every[every > 0])[::-1][:k]
        np.testing.assert_allclose(values[: len(wanted)], wanted, rtol=2e-6)
        assert np.isneginf(values[len(wanted) :]).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sets(st.integers(0, 140_000), max_size=30), min_size=1, max_size=20), st.integers(0, 10**6))
def test_rows_come_back_from_a_wide_vocabulary(rows, seed):
    rng = np.random.default_rng(seed)
    indptr = np.cumsum([0, *map(len, rows)])
    columns = np.array([term for row in rows for term in sorted(row)], np.int32)
    weights = np.maximum(rng.random(len(columns), np.float32), 1e-6) * np.float32(3)
    documents = sparse.csr_matrix((weights, columns, indptr), (len(rows), 140_001))
    index = create("two-phase", links=2)
    index.build(documents)
    stored = index.decoded()
    np.testing.assert_array_equal(stored.indptr, documents.indptr)
    for row in range(len(rows)):
        own = documents[row].indices
        np.testing.assert_array_equal(stored[row].toarray()[0][own], quantised(documents[row])[0][own])


def test_a_row_of_many_far_terms_keeps_its_escapes():
    columns = np.array([0, 300, 4095, 4096, 70_000, 139_999], np.int32)
    documents = sparse.csr_matrix((np.arange(1, 7, dtype=np.float32), columns, [0, 6]), (1, 140_000))
    rows, offsets = np.zeros(300, np.uint8), np.zeros(2, np.uint32)
    counts, scales = np.zeros(1, np.uint16), np.zeros(1, np.float32)
    offsets[1] = used = pack_rows(
        documents.indptr.astype(np.int64), columns, documents.data, rows, offsets, counts, scales
    )
    forward = Forward(rows[:used], offsets, counts, scales)
    terms, weights = np.zeros(20, np.int64), np.zeros(20, np.float32)
    assert unpack_row(0, forward, terms, weights) == 6
    assert terms[:6].tolist() == columns.tolist()
    np.testing.assert_allclose(weights[:6], documents.data, rtol=0.02)
    query = np.zeros(140_000, np.float32)
    query[columns] = 2
    assert score_of(np.uint64(0), forward, query) == pytest.approx(2 * weights[:6].sum(), rel=1e-6)


@pytest.fixture(scope="module")
def topical():
    source = Topical(2000, 40, 15)
    return sparse.vstack(list(source.documents(3000)), format="csr"), source.queries(40)


def recall(index, queries, exact, k=10):
    ids = index.search(queries, k)[0]
    return np.mean([len(set(a.tolist()) & set(b.tolist())) / k for a, b in zip(ids, exact, strict=True)])


def test_each_knob_buys_recall(topical):
    documents, queries = topical
    index = create("two-phase", share=0.1, links=8)
    index.build(documents)
    exact = np.argsort(-(queries @ index.decoded().T).toarray(), axis=1, kind="stable")[:, :10]

    def recall_with(**values):
        index.search_with(values)
        return recall(index, queries, exact)

    few = recall_with(terms=2, candidates=10, follow=0)
    more = recall_with(terms=100, candidates=10, follow=0)
    scored = recall_with(terms=100, candidates=100, follow=0)
    linked = recall_with(terms=100, candidates=100, follow=50)
    assert few < more < scored < linked
    assert linked > 0.9


def test_counts_are_those_of_what_was_done(topical):
    documents, queries = topical
    index = create("two-phase", share=1.0, candidates=25, terms=1000)
    index.build(documents)
    inverted = create("inverted", weights="u4")
    inverted.build(documents)
    work = index.work(queries, 10)
    assert work.postings == inverted.work(queries, 10).postings
    assert work.documents == 25 * queries.shape[0]
    assert work.multiply_adds > work.postings + work.documents * documents.nnz / documents.shape[0] / 2
    index.search_with({"terms": 1})
    heaviest = [queries[row].indices[queries[row].data.argmax()] for row in range(queries.shape[0])]
    holding = np.diff(documents.tocsc().indptr)
    assert holding[heaviest].sum() <= index.work(queries, 10).postings < work.postings / 4


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 4), max_size=7), min_size=1, max_size=4), st.integers(1, 6))
def test_the_heaviest_terms_of_each_query_propose_and_of_equal_ones_the_first(rows, most):
    indptr = np.cumsum([0, *map(len, rows)])
    begins, places = heaviest(indptr, np.array([weight for row in rows for weight in row], np.float32), most)
    assert begins[0] == 0
    for number, row in enumerate(rows):
        wanted = sorted(sorted(range(len(row)), key=lambda place: (-row[place], place))[:most])
        assert (places[begins[number] : begins[number + 1]] - indptr[number]).tolist() == wanted


def test_bytes_are_those_of_the_files(topical, tmp_path):
    documents, _ = topical
    index = create("two-phase", links=8)
    index.build(documents)
    index.save(tmp_path)
    files = sum(file.stat().st_size for file in tmp_path.rglob("*.npy"))
    assert sum(index.memory().values()) == pytest.approx(files, rel=0.02)
    assert index.memory()["links"] == 8 * 3 * documents.shape[0]
    assert index.memory()["heavy postings"] == sum(index.heavy.memory().values())


@pytest.mark.parametrize("counted", [1 << 16, 1000])
def test_heavy_postings_are_those_of_the_highest_weights_times_rarities(topical, monkeypatch, counted):
    """Of the first documents `share` of the postings, by one bound for all documents; and of each document one."""
    monkeypatch.setattr(_two_phase_build, "COUNTED", counted)
    documents = topical[0].copy()
    documents.data[documents.indptr[5] : documents.indptr[6]] = 1e-3
    index = create("two-phase", share=0.3)
    index.build(iter([documents[:700], documents[700:1900], documents[1900:]]))
    first = documents[:counted].toarray()
    rarities = np.sqrt(np.log(1 + len(first) / np.maximum((first > 0).sum(axis=0), 1)))
    of_first = np.sort((first * rarities)[first > 0])
    products = documents.toarray() * rarities
    least = np.minimum(of_first[len(of_first) - int(np.ceil(0.3 * len(of_first)))], products.max(axis=1, keepdims=True))
    wanted = (products >= least * (1 - 1e-6)) & (products > 0)
    assert (wanted == (index.heavy.decoded().toarray() > 0)).all()
    assert wanted[:counted].sum() == pytest.approx(0.3 * len(of_first), rel=0.01)
    assert wanted[5].sum() >= 1


def test_threads_blocks_and_single_queries_give_the_same(topical, tmp_path):
    documents, queries = topical
    whole, parts = create("two-phase", links=8), create("two-phase", links=8)
    whole.build(documents)
    parts.build(documents[begin : begin + 700] for begin in range(0, 3000, 700))
    wanted = whole.search(queries, 20)
    searcher = whole.searcher(20)
    alone = [np.concatenate(both) for both in zip(*(searcher(queries[row]) for row in range(40)), strict=True)]
    assert searcher.engine_ns > 0
    parts.save(tmp_path)
    opened = registry.get("two-phase").load(tmp_path)
    for other in (whole.search(queries, 20, threads=3), parts.search(queries, 20), alone, opened.search(queries, 20)):
        np.testing.assert_array_equal(other[0], wanted[0])
        np.testing.assert_array_equal(other[1], wanted[1])
    assert opened.memory() == whole.memory()


def test_weights_at_the_ends_of_float32():
    documents = sparse.csr_matrix(np.array([[1e-45, 0, 1e-38], [3e38, 1, 0], [0, 0, 0], [1, 1, 1]], np.float32))
    index = create("two-phase", **ALL, links=2)
    index.build(documents)
    ids, scores = index.search(sparse.csr_matrix(np.array([[1e-30, 0, 1e-45], [0, 1, 0]], np.float32)), 4)
    assert ids[1].tolist() == [1, 3, -1, -1]
    assert ids[0][0] == 1
    assert not np.isnan(scores).any()


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(_two_phase_build, "MOST", 50)
    with pytest.raises(UserError, match="do not fit into one index"):
        create("two-phase").build(vectors(1, 51))


def test_a_damaged_file_is_refused(topical, tmp_path):
    index = create("two-phase", links=2)
    index.build(topical[0][:50])
    for name in [*index.parts._asdict(), "index"]:
        folder = tmp_path / name
        folder.mkdir()
        index.save(folder)
        file = folder / ("index.json" if name == "index" else f"{name}.npy")
        content = bytearray(file.read_bytes())
        content[-9] ^= 1
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged|not a saved index"):
            registry.get("two-phase").load(folder)


def test_heavy_postings_of_another_index_are_refused(topical, tmp_path):
    for name, rows in (("first", slice(0, 50)), ("second", slice(50, 100))):
        (tmp_path / name).mkdir()
        index = create("two-phase")
        index.build(topical[0][rows])
        index.save(tmp_path / name)
    shutil.rmtree(tmp_path / "first" / "heavy")
    shutil.copytree(tmp_path / "second" / "heavy", tmp_path / "first" / "heavy")
    with pytest.raises(UserError, match="those of another one"):
        registry.get("two-phase").load(tmp_path / "first")
    assert registry.get("two-phase").load(tmp_path / "second").documents == 50
