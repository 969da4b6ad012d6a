"""Parameters of the search alone: an index that was built without them finds what one built with them finds."""

import faiss
import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from harness.indexes import create, registry

CASES = {
    "ivf": ("faiss", {"factory": "IVF16,Flat"}, {"nprobe": 5}),
    "hnsw": ("faiss", {"factory": "HNSW4", "ef_construction": 8}, {"ef_search": 64}),
    "transformed": ("faiss", {"factory": "PCA12,IVF8,Flat"}, {"nprobe": 8}),
    "refined": ("faiss", {"factory": "SQ4,RFlat"}, {"k_factor": 5}),
    "bmp": ("bmp", {"block_size": 8}, {"alpha": 0.6, "beta": 0.4}),
    "two-phase": ("two-phase", {"share": 0.3, "links": 2}, {"terms": 3, "candidates": 20, "follow": 3}),
    "sharded": ("sharded-two-phase", {"share": 0.3, "documents": 150}, {"terms": 3, "candidates": 8, "follow": 3}),
    "seismic": ("seismic", {"variant": "small", "n_postings": 60}, {"query_cut": 2, "heap_factor": 0.5}),
    "kannolo": ("kannolo", {"m": 2, "mass": 30, "ef_construction": 4}, {"ef_search": 150, "candidates": 90}),
}


def vectors(kind, rows, seed):
    rng = np.random.default_rng(seed)
    dense = (rng.random((rows, 24)) * (rng.random((rows, 24)) < 0.6)).astype(np.float32)
    return sparse.csr_matrix(dense) if kind == "sparse" else dense


@pytest.mark.parametrize("name", registry.names())
def test_every_search_parameter_can_be_left_out_of_a_build(name):
    engine = registry.get(name)
    for param in engine.search_params:
        assert not engine.Params.model_fields[param].is_required()
    assert not (engine.supports.exact and engine.search_params)


def test_each_of_them_is_in_a_case():
    tried = {(engine, param) for engine, _, search in CASES.values() for param in search}
    assert tried == {(name, param) for name in registry.names() for param in registry.get(name).search_params}


@pytest.mark.parametrize("name", CASES)
def test_a_saved_index_takes_them_when_it_is_opened(name, tmp_path):
    engine, params, search = CASES[name]
    if engine in ("bmp", "seismic", "kannolo"):
        pytest.importorskip(engine, reason=f"the engine {engine} is not installed")
    kind = registry.get(engine).supports.kind
    assert set(search) <= set(registry.get(engine).search_params)
    documents, queries = vectors(kind, 400, 1), vectors(kind, 12, 2)
    plain, whole = create(engine, **params), create(engine, **params, **search)
    plain.build(documents)
    whole.build(documents)
    plain.save(tmp_path)
    opened = registry.get(engine).load(tmp_path)
    before = opened.search(queries, 20)
    opened.search_with(search)
    after, wanted = opened.search(queries, 20), whole.search(queries, 20)
    np.testing.assert_array_equal(after[0], wanted[0])
    np.testing.assert_array_equal(after[1], wanted[1])
    assert not np.array_equal(before[0], after[0])
    ids = np.concatenate([opened.searcher(20)(queries[row : row + 1])[0] for row in range(12)])
    np.testing.assert_array_equal(ids, wanted[0])
    assert opened.params == whole.params


def test_an_index_without_such_a_parameter_says_so():
    index = create("faiss", factory="Flat")
    index.build(vectors("dense", 50, 1))
    with pytest.raises(ValidationError, match="'Flat' has no nprobe, which needs inverted lists"):
        index.search_with({"nprobe": 4})


FACTORIES = [
    "Flat", "SQ8", "PQ8x4fs", "RaBitQ", "L2norm,HNSW8", "HNSW8,SQ8", "IVF8,Flat", "IVF8_HNSW4,Flat", "IVF8(HNSW4),Flat",
    "OPQ8,IVF8,PQ8x4fs", "IDMap2,IVF8,Flat", "NSG8", "IVF8_NSG8,Flat", "RaBitQ4,Refine(SQ8)", "HNSW8,RFlat", "RQ4x4",
]  # fmt: skip
NAMES = {"nprobe": "nprobe", "ef_search": "efSearch", "ef_construction": "efConstruction", "k_factor": "k_factor_rf"}


@pytest.mark.parametrize("factory", FACTORIES)
def test_what_a_factory_string_has_no_part_for_is_known_before_anything_is_built(factory):
    """FAISS itself says which parameters an index of this string has."""

    def taken(name):
        index = faiss.index_factory(16, factory, faiss.METRIC_INNER_PRODUCT)
        try:
            faiss.ParameterSpace().set_index_parameter(index, name, 3)
        except RuntimeError:
            return False
        return True

    def accepted(name):
        try:
            registry.get("faiss").Params(factory=factory, **{name: 3})
        except ValidationError:
            return False
        return True

    assert {ours: accepted(ours) for ours in NAMES} == {ours: taken(name) for ours, name in NAMES.items()}


def test_no_values_change_nothing():
    index = create("inverted")
    before = index.params
    index.search_with({})
    assert index.params is before
