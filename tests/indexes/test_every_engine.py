"""What all engines promise alike: hits in order, blocks, saving, opening, and refusing what is broken."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import sparse

from harness.errors import UserError
from harness.indexes import codec, create, names, registry

WEIGHTS = ("u4", "u8", "u16", "float32")
SPARSE = {f"inverted-{weights}": ("inverted", {"weights": weights}) for weights in WEIGHTS}
SPARSE["scipy"] = ("scipy", {})
SPARSE["sharded"] = ("sharded", {"index": {"type": "scipy"}, "documents": 40})
DENSE = {
    "flat": ("faiss-flat", {}),
    "factory": ("faiss", {"factory": "Flat"}),
    "fp16": ("faiss", {"factory": "SQfp16"}),
}
ALL = {**SPARSE, **DENSE}


def new(name):
    engine, params = ALL[name]
    return create(engine, **params)


def vectors(name, seed, rows, columns=24):
    """Whole numbers from 1 to 4, so that sums are exact in float32 in any order and many documents tie."""
    rng = np.random.default_rng(seed)
    filled = rng.integers(1, 5, (rows, columns)) * (rng.random((rows, columns)) < 0.3)
    dense = filled.astype(np.float32)
    return dense if name in DENSE else sparse.csr_matrix(dense)


def array(rows):
    return rows.toarray() if sparse.issparse(rows) else rows


def expected(documents, queries, k, *, zero=False):
    """By plain products and sorting; a document scored 0 matches in a dense engine alone."""
    scores = array(queries) @ array(documents).T
    ids, values = np.full((len(scores), k), -1), np.full((len(scores), k), -np.inf, np.float32)
    for row, every in enumerate(scores):
        order = [d for d in np.lexsort((np.arange(len(every)), -every)) if zero or every[d] > 0][:k]
        ids[row, : len(order)], values[row, : len(order)] = order, every[order]
    return ids, values


def exact_weights(name):
    """Quantised weights of whole numbers up to 4 are not those numbers; their order with one term is."""
    return not name.startswith("inverted-u")


@pytest.mark.parametrize("name", [name for name in ALL if exact_weights(name)])
@pytest.mark.parametrize("k", [1, 7, 99, 100, 130])
def test_hits_are_those_of_plain_products(name, k):
    documents, queries = vectors(name, 1, 100), vectors(name, 2, 9)
    index = new(name)
    index.build(documents)
    ids, scores = index.search(queries, k)
    wanted = expected(documents, queries, k, zero=name in DENSE)
    np.testing.assert_array_equal(scores, wanted[1])
    if name in ("factory", "fp16"):  # which of those that tie at the last place, FAISS says
        inside = scores > scores[:, -1:]
        np.testing.assert_array_equal(ids[inside], wanted[0][inside])
    else:
        np.testing.assert_array_equal(ids, wanted[0])
    assert (ids.dtype, scores.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("name", list(ALL))
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 90), st.integers(1, 100))
def test_hits_have_the_promised_order(name, seed, rows, k):
    documents, queries = vectors(name, seed, rows), vectors(name, seed + 1, 3)
    index = new(name)
    index.build(documents)
    ids, scores = index.search(queries, k)
    assert ids.shape == scores.shape == (3, k)
    for found, values in zip(ids, scores, strict=True):
        count = int((found >= 0).sum())
        assert (found[count:] == -1).all()
        assert np.isneginf(values[count:]).all()
        assert len(set(found[:count])) == count
        assert (found[:count] < rows).all()
        falls, ties = np.diff(values[:count]) < 0, np.diff(values[:count]) == 0
        assert (falls | (ties & (np.diff(found[:count]) > 0))).all()


@pytest.mark.parametrize("name", list(ALL))
def test_a_shorter_list_is_the_beginning_of_a_longer_one(name):
    documents, queries = vectors(name, 3, 120), vectors(name, 4, 5)
    index = new(name)
    index.build(documents)
    longest = index.search(queries, 60)
    for k in (1, 5, 30):
        short = index.search(queries, k)
        np.testing.assert_array_equal(short[1], longest[1][:, :k])
        if name not in ("factory", "fp16"):
            np.testing.assert_array_equal(short[0], longest[0][:, :k])


@pytest.mark.parametrize("name", list(ALL))
@pytest.mark.parametrize("size", [1, 13, 64, 1000])
def test_blocks_of_any_size_make_the_same_index(name, size):
    documents, queries = vectors(name, 5, 130), vectors(name, 6, 4)
    whole, parts = new(name), new(name)
    whole.build(documents)
    parts.build(documents[begin : begin + size] for begin in range(0, 130, size))
    for one, other in zip(whole.search(queries, 20), parts.search(queries, 20), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.memory() == parts.memory()


@pytest.mark.parametrize("name", list(ALL))
def test_one_query_at_a_time_is_the_same_as_all(name):
    documents, queries = vectors(name, 7, 80), vectors(name, 8, 6)
    index = new(name)
    index.build(documents)
    ids, scores = index.search(queries, 15)
    for row in range(6):
        alone = index.search(queries[row : row + 1], 15)
        np.testing.assert_array_equal(alone[0][0], ids[row])
        np.testing.assert_array_equal(alone[1][0], scores[row])


@pytest.mark.parametrize("name", list(ALL))
def test_saved_and_opened_it_finds_the_same(name, tmp_path):
    documents, queries = vectors(name, 9, 90), vectors(name, 10, 4)
    index = new(name)
    index.build(documents)
    index.save(tmp_path)
    opened = registry.get(ALL[name][0]).load(tmp_path)
    for one, other in zip(index.search(queries, 20), opened.search(queries, 20), strict=True):
        np.testing.assert_array_equal(one, other)
    assert dict(index.memory()) == dict(opened.memory())


@pytest.mark.parametrize("name", list(ALL))
def test_a_build_forgets_the_one_before(name):
    queries = vectors(name, 12, 3)
    index, fresh = new(name), new(name)
    index.build(vectors(name, 11, 100))
    index.build(vectors(name, 13, 30))
    fresh.build(vectors(name, 13, 30))
    for one, other in zip(index.search(queries, 40), fresh.search(queries, 40), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", list(ALL))
@pytest.mark.parametrize("how", ["cut", "flip", "remove", "grow"])
def test_every_damaged_file_is_refused(name, how, tmp_path):
    index = new(name)
    index.build(vectors(name, 14, 60))
    index.save(tmp_path)
    engine = registry.get(ALL[name][0])
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert any(path.name == "index.json" for path in files)
    for path in files:
        good = path.read_bytes()
        middle = len(good) // 2
        if how == "remove":
            path.unlink()
        else:
            flipped = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
            path.write_bytes({"cut": good[:-1], "flip": flipped, "grow": good + b"x"}[how])
        with pytest.raises(UserError) as caught:
            engine.load(tmp_path)
        assert caught.value.file is not None
        assert "build the index again" in str(caught.value)
        path.write_bytes(good)
    engine.load(tmp_path)


@pytest.mark.parametrize("name", list(ALL))
def test_an_index_of_another_engine_is_refused(name, tmp_path):
    index = new(name)
    index.build(vectors(name, 15, 30))
    index.save(tmp_path)
    for other in {engine for engine, _ in ALL.values()} - {ALL[name][0]}:
        with pytest.raises(UserError, match=f"an index of {ALL[name][0]}.* version .*, not {other}"):
            registry.get(other).load(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"sha256": "x", "body": {}}', "\x00"])
def test_a_description_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "index.json").write_text(content)
    for engine in {engine for engine, _ in ALL.values()}:
        with pytest.raises(UserError) as caught:
            registry.get(engine).load(tmp_path)
        assert caught.value.file == tmp_path / "index.json"


def test_a_changed_fact_is_refused(tmp_path):
    index = new("inverted-u8")
    index.build(vectors("inverted-u8", 16, 30))
    index.save(tmp_path)
    sealed = json.loads((tmp_path / "index.json").read_text())
    sealed["body"]["facts"]["weights"] = "u16"
    (tmp_path / "index.json").write_text(json.dumps(sealed))
    with pytest.raises(UserError, match="checksum differs"):
        registry.get("inverted").load(tmp_path)


@pytest.mark.parametrize("name", list(ALL))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused_wherever_it_stands(name, value):
    for place in ((0, 0), (29, 3)):
        rows = array(vectors(name, 17, 30)).copy()
        rows[place] = value
        broken = rows if name in DENSE else sparse.csr_matrix(rows)
        with pytest.raises(UserError, match="NaN or infinite"):
            new(name).build(broken)


@pytest.mark.parametrize("name", list(SPARSE))
def test_a_negative_weight_is_refused(name):
    rows = array(vectors(name, 18, 30)).copy()
    rows[11, 5] = -0.5
    with pytest.raises(UserError, match="negative weights"):
        new(name).build(sparse.csr_matrix(rows))


@pytest.mark.parametrize("name", list(ALL))
def test_vectors_of_the_other_kind_are_refused(name):
    rows = array(vectors(name, 19, 20))
    with pytest.raises(UserError, match=r"dense|sparse") as caught:
        new(name).build(sparse.csr_matrix(rows) if name in DENSE else rows)
    assert "engine" in str(caught.value)


@pytest.mark.parametrize("name", list(ALL))
def test_queries_of_another_width_are_refused(name):
    index = new(name)
    index.build(vectors(name, 20, 50))
    with pytest.raises(UserError, match=r"23"):
        index.search(vectors(name, 21, 2, columns=23), 5)


@pytest.mark.parametrize("name", [*SPARSE, "flat"])
def test_blocks_of_different_widths_are_refused(name):
    blocks = [vectors(name, 22, 5), vectors(name, 23, 5, columns=25)]
    with pytest.raises(UserError, match="25"):
        new(name).build(iter(blocks))


@pytest.mark.parametrize("name", [name for name in SPARSE if name != "sharded"])
def test_untidy_rows_are_the_tidy_ones(name):
    """Columns out of order, twice, or stored with weight 0, and numbers of other types."""
    tidy = vectors(name, 24, 40)
    queries = vectors(name, 25, 4)
    rng = np.random.default_rng(26)
    data, indices, indptr = [], [], [0]
    for row in range(40):
        span = slice(tidy.indptr[row], tidy.indptr[row + 1])
        order = rng.permutation(span.stop - span.start)
        columns, weights = tidy.indices[span][order], tidy.data[span][order]
        halves = np.concatenate([weights * 0.25, weights * 0.75, [0.0]])
        places = np.concatenate([columns, columns, [23]])
        data.append(halves)
        indices.append(places)
        indptr.append(indptr[-1] + len(halves))
    untidy = sparse.csr_matrix(
        (np.concatenate(data).astype(np.float64), np.concatenate(indices).astype(np.int64), np.asarray(indptr)),
        shape=tidy.shape,
    )
    kept = untidy.copy()
    one, other = new(name), new(name)
    one.build(tidy)
    other.build(untidy)
    for found, wanted in zip(other.search(queries, 20), one.search(queries, 20), strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(untidy.data, kept.data)  # what was given is left as it was
    np.testing.assert_array_equal(untidy.indices, kept.indices)


@pytest.mark.parametrize("name", list(SPARSE))
def test_empty_rows_are_documents_that_nothing_finds(name):
    rows = array(vectors(name, 27, 50)).copy()
    rows[[0, 10, 11, 49]] = 0
    index = new(name)
    index.build(sparse.csr_matrix(rows))
    everything = sparse.csr_matrix(np.ones((1, 24), np.float32))
    ids, scores = index.search(everything, 50)
    assert set(ids[0]) == set(range(50)) - {0, 10, 11, 49} | {-1}
    assert np.isneginf(scores[0, 46:]).all()


@pytest.mark.parametrize("name", [name for name in SPARSE if name != "sharded"])
def test_work_counts_the_postings_of_a_querys_terms(name):
    documents, queries = vectors(name, 28, 70), vectors(name, 29, 5)
    index = new(name)
    index.build(documents)
    holders = np.diff(documents.tocsc().indptr)
    wanted = int(holders[queries.indices].sum())
    work = index.work(queries, 10)
    assert work.documents == 70 * 5
    assert work.multiply_adds == work.postings
    assert work.postings == wanted if name == "scipy" else work.postings >= wanted


def test_work_of_a_flat_index_is_every_dimension():
    index = new("flat")
    index.build(vectors("flat", 30, 70))
    work = index.work(vectors("flat", 31, 5), 10)
    assert (work.multiply_adds, work.documents, work.postings) == (70 * 24 * 5, 70 * 5, None)


@pytest.mark.parametrize("weights", WEIGHTS[:3])
def test_rounded_weights_are_near_the_given_ones(weights):
    rng = np.random.default_rng(32)
    rows = (rng.random((80, 24)) * (rng.random((80, 24)) < 0.4)).astype(np.float32)
    index = create("inverted", weights=weights)
    index.build(sparse.csr_matrix(rows))
    stored = index.decoded().toarray()
    levels = {"u4": 15, "u8": 255, "u16": 65535}[weights]
    # Half a level, the scale rounded up to 16 bits of float32, and the least impact of 1.
    step = rows.max(axis=0) / levels * (1 + 2**-7)
    assert (np.abs(stored - rows) <= np.maximum(step, 1e-7)).all()
    assert ((stored > 0) == (rows > 0)).all()


def test_finer_weights_take_more_room_and_lose_less():
    rng = np.random.default_rng(33)
    rows = sparse.random(600, 50, 0.3, "csr", np.float32, random_state=rng)
    sizes, losses = [], []
    for weights in WEIGHTS:
        index = create("inverted", weights=weights)
        index.build(rows)
        sizes.append(index.memory()["impacts"])
        losses.append(float(abs(index.decoded() - rows).max()))
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 4
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == 0


@pytest.mark.parametrize("k", [0, -1])
@pytest.mark.parametrize("name", [name for name in SPARSE if name != "sharded"])
def test_no_documents_cannot_be_asked_for(name, k):
    index = new(name)
    index.build(vectors(name, 34, 10))
    with pytest.raises(UserError, match=f"k is {k}"):
        index.search(vectors(name, 35, 1), k)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("inverted", {"weights": "u32"}),
        ("inverted", {"build_threads": 0}),
        ("scipy", {"k": 1}),
        ("faiss-flat", {"m": 1}),
        ("faiss", {}),
        ("faiss", {"factory": "Flat", "ef_search": 0}),
        ("sharded", {}),
    ],
)
def test_wrong_parameters_are_refused(name, params):
    with pytest.raises(ValidationError):
        create(name, **params)


def test_an_unknown_engine_is_named_with_the_nearest():
    with pytest.raises(UserError, match="there is no index 'invertd'") as caught:
        create("invertd")
    assert "did you mean 'inverted'?" in caught.value.remedy
    assert {engine for engine, _ in ALL.values()} <= set(names())


@pytest.mark.parametrize(
    ("name", "params", "wanted"),
    [
        ("inverted", {}, "u8"),
        ("inverted", {"weights": "u16"}, "u16"),
        ("scipy", {}, "float32"),
        ("faiss-flat", {}, "float32"),
        ("faiss", {"factory": "SQ8"}, "SQ8"),
        ("sharded", {"index": {"type": "inverted", "weights": "u8"}, "documents": 5}, "u8"),
    ],
)
def test_the_codec_is_what_the_parameters_choose(name, params, wanted):
    assert codec(name, params) == wanted
