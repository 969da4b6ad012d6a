"""Collections at the edge of what there can be: no document, one document, empty queries, and nothing built at all."""

import importlib.util

import numpy as np
import pytest
from scipy import sparse

from harness.errors import UserError
from harness.indexes import create, registry

ENGINES = {
    "inverted": {},
    "scipy": {},
    "sharded": {"index": {"type": "inverted"}},
    "bmp": {},
    "seismic": {},
    "qdrant-edge": {},
    "kannolo": {"weights": "u16"},
    "two-phase": {},
    "sharded-two-phase": {"documents": 2},
    "faiss-flat": {},
    "faiss": {"factory": "Flat"},
    "sharded-dense": {"index": {"type": "faiss-flat"}},
}
EXACT = [name for name in ENGINES if name not in ("bmp", "seismic", "kannolo")]
MODULES = {"bmp": "bmp", "seismic": "seismic", "qdrant-edge": "qdrant_edge", "kannolo": "kannolo"}


def new(name):
    if importlib.util.find_spec(MODULES.get(name, "json")) is None:
        pytest.skip(f"the engine {name} is not installed")
    return create(name, **ENGINES[name])


def rows_for(name, rows):
    rows = np.asarray(rows, np.float32)
    return rows if registry.get(name).supports.kind == "dense" else sparse.csr_matrix(rows)


@pytest.mark.parametrize("name", EXACT)
def test_without_documents_every_place_is_empty(name, tmp_path):
    index = new(name)
    index.build(rows_for(name, np.zeros((0, 4))))
    index.save(tmp_path)
    for one in (index, registry.get(name).load(tmp_path)):
        ids, scores = one.search(rows_for(name, [[1, 0, 2, 0], [0, 0, 0, 1]]), 3)
        assert ids.tolist() == [[-1] * 3] * 2
        assert np.isneginf(scores).all()
        assert all(size >= 0 for size in one.memory().values())


@pytest.mark.parametrize("name", list(ENGINES))
@pytest.mark.parametrize("k", [1, 2, 50])
def test_one_document_is_found_first_and_alone(name, k):
    index = new(name)
    index.build(rows_for(name, [[1, 0, 2, 0]]))
    ids, scores = index.search(rows_for(name, [[1, 0, 1, 0]]), k)
    assert ids.tolist() == [[0] + [-1] * (k - 1)]
    assert scores[0, 0] == pytest.approx(3, rel=0.02)
    assert np.isneginf(scores[0, 1:]).all()


@pytest.mark.parametrize("name", [name for name in ENGINES if name not in ("faiss-flat", "faiss", "sharded-dense")])
@pytest.mark.parametrize("count", [1, 3])
def test_queries_without_terms_find_nothing(name, count):
    index = new(name)
    index.build(rows_for(name, np.eye(4) + 1))
    ids, scores = index.search(sparse.csr_matrix((count, 4), dtype=np.float32), 2)
    assert ids.tolist() == [[-1, -1]] * count
    assert np.isneginf(scores).all()


@pytest.mark.parametrize("name", EXACT)
def test_no_queries_have_no_hits(name):
    index = new(name)
    index.build(rows_for(name, np.eye(4)))
    ids, scores = index.search(rows_for(name, np.zeros((0, 4))), 3)
    assert ids.shape == scores.shape == (0, 3)


@pytest.mark.parametrize("name", EXACT)
def test_equal_documents_come_in_their_own_order(name):
    index = new(name)
    index.build(rows_for(name, np.ones((40, 4))))
    ids, scores = index.search(rows_for(name, [[1, 0, 0, 1]]), 40)
    assert ids[0].tolist() == list(range(40))
    assert len(set(scores[0].tolist())) == 1
    if name != "faiss":  # which of those that share the last place, FAISS says
        assert index.search(rows_for(name, [[1, 0, 0, 1]]), 5)[0][0].tolist() == list(range(5))


@pytest.mark.parametrize("name", list(ENGINES))
@pytest.mark.parametrize("k", [0, -3])
def test_k_is_at_least_one(name, k):
    index = new(name)
    index.build(rows_for(name, np.eye(4) + 1))
    with pytest.raises(UserError, match=f"k is {k}; it must be at least 1"):
        index.search(rows_for(name, [[1, 0, 0, 0]]), k)


@pytest.mark.parametrize("name", list(ENGINES))
def test_an_iterator_without_blocks_is_refused(name):
    with pytest.raises(UserError, match="there are no vectors to index") as caught:
        new(name).build(iter([]))
    assert "at least one block" in caught.value.remedy


@pytest.mark.parametrize("name", list(ENGINES))
def test_what_was_never_built_says_so(name):
    index = new(name)
    with pytest.raises(UserError, match=r"this index is empty|4 columns, but the index has 0"):
        index.search(rows_for(name, np.eye(4)), 2)


@pytest.mark.parametrize("name", [name for name in ENGINES if name != "sharded-dense"])
def test_empty_blocks_between_others_change_nothing(name):
    rng = np.random.default_rng(4)
    dense = rng.integers(1, 4, (30, 6)) * (rng.random((30, 6)) < 0.5)
    rows, empty = rows_for(name, dense), rows_for(name, np.zeros((0, 6)))
    whole, parts = new(name), new(name)
    whole.build(rows)
    parts.build(iter([empty, rows[:10], empty, rows[10:], empty]))
    queries = rows_for(name, dense[:3])
    for one, other in zip(whole.search(queries, 8), parts.search(queries, 8), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_failed_build_leaves_the_index_before():
    index = create("faiss", factory="Flat")
    index.build(np.eye(4, dtype=np.float32))
    with pytest.raises(UserError, match="NaN"):
        index.build(np.full((2, 4), np.nan, np.float32))
    assert index.search(np.eye(4, dtype=np.float32)[:1], 1)[0].tolist() == [[0]]


@pytest.mark.parametrize("name", ["faiss-flat", "faiss"])
def test_dense_blocks_and_queries_must_have_one_width(name):
    blocks = [np.ones((2, 4), np.float32), np.ones((2, 5), np.float32)]
    with pytest.raises(UserError, match="vectors have 5 dimensions, the index 4"):
        new(name).build(iter(blocks))
    index = new(name)
    index.build(blocks[0])
    with pytest.raises(UserError, match="queries have 5 dimensions, the index 4"):
        index.search(blocks[1], 1)
    with pytest.raises(UserError, match=f"{name} takes dense queries, found sparse ones"):
        index.search(sparse.csr_matrix(blocks[0]), 1)


@pytest.mark.parametrize("other", [np.float64, np.float16, np.int32])
def test_dense_numbers_of_another_type_are_converted(other):
    rows = np.arange(12).reshape(3, 4)
    index, same = create("faiss-flat"), create("faiss-flat")
    index.build(np.asfortranarray(rows.astype(other)))
    same.build(rows.astype(np.float32))
    for one, wanted in zip(index.search(rows[:1].astype(other), 3), same.search(rows[:1], 3), strict=True):
        np.testing.assert_array_equal(one, wanted)


COPIES = {
    **ENGINES,
    "HNSW": {"factory": "HNSW8,Flat"},
    **{f"shards of {size}": {"index": {"type": "scipy"}, "documents": size} for size in (1, 2)},
}


@pytest.mark.parametrize("name", list(COPIES))
def test_copies_of_a_document_stand_in_the_order_of_the_corpus(name):
    engine = "faiss" if name == "HNSW" else "sharded" if name.startswith("shards") else name
    if importlib.util.find_spec(MODULES.get(engine, "json")) is None:
        pytest.skip(f"the engine {engine} is not installed")
    index = create(engine, **COPIES[name])
    index.build(rows_for(engine, [[3, 0, 1, 0], [0, 1, 0, 0], [3, 0, 1, 0], [1, 0, 1, 0], [3, 0, 1, 0]]))
    ids, _ = index.search(rows_for(engine, [[1, 0, 0, 0], [0, 1, 0, 0]]), 4)
    assert ids[0].tolist() == [0, 2, 4, 3]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("factory", ["NSG8,Flat", "NSG32,Flat", "NSG8,SQ8"])
def test_an_index_whose_parts_faiss_does_not_tell_has_its_serialised_size(factory):
    import faiss

    index = create("faiss", factory=factory)
    index.build(np.random.default_rng(1).normal(size=(300, 16)).astype(np.float32))
    assert index.memory() == {"codes, links and headers": len(faiss.serialize_index(index.index))}


def test_seismic_refuses_a_corpus_without_terms():
    with pytest.raises(UserError, match="no document has a term"):
        new("seismic").build(sparse.csr_matrix((3, 4), dtype=np.float32))
