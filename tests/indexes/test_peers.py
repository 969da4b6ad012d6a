"""Engines of other people: what they return is held against brute force."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from harness.errors import UserError
from harness.indexes import create


def random_csr(rng, rows, columns, density):
    matrix = sparse.random(rows, columns, density, "csr", np.float32, random_state=rng)
    matrix.data = matrix.data + np.float32(0.01)
    return matrix


def recall(found, wanted):
    pairs = zip(found, wanted, strict=True)
    return np.mean([len(set(one.tolist()) & set(other.tolist())) / len(other) for one, other in pairs])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 90))
def test_scipy_equals_brute_force(seed, rows, k):
    rng = np.random.default_rng(seed)
    documents, queries = random_csr(rng, rows, 30, 0.2), random_csr(rng, 3, 30, 0.3)
    documents.data, queries.data = np.ceil(documents.data * 3), np.ceil(queries.data * 3)
    index = create("scipy")
    index.build(documents)
    ids, scores = index.search(queries, k)
    exact = (queries @ documents.T).toarray()
    for row in range(3):
        order = [d for d in sorted(range(rows), key=lambda d: (-exact[row, d], d)) if exact[row, d] > 0][:k]
        assert ids[row].tolist() == order + [-1] * (k - len(order))
        np.testing.assert_array_equal(scores[row, : len(order)], exact[row, order])


@pytest.mark.parametrize("density", [0.02, 0.15])
def test_bmp_is_exact_for_the_query_as_rounded(density):
    """Also where 16 bits would overflow: there the query is rounded to fewer levels."""
    pytest.importorskip("bmp", reason="the engine bmp is not installed")
    rng = np.random.default_rng(4)
    documents, queries = random_csr(rng, 400, 300, density), random_csr(rng, 12, 300, density)
    index = create("bmp", block_size=8)
    index.build(documents)
    ids, scores = index.search(queries, 10)
    impacts = documents.copy()
    impacts.data = np.clip(np.rint(documents.data / np.float32(index.scale)), 1, 255)
    coarser = 0
    for row in range(12):
        query, unit = index.rounded(queries[row].indices, queries[row].data)
        whole = np.zeros(300)
        whole[[int(term) for term in query]] = list(query.values())
        coarser += whole.max() < 32
        exact = (impacts @ whole) * unit
        np.testing.assert_allclose(scores[row], -np.sort(-exact)[:10], rtol=1e-6)
        np.testing.assert_allclose(scores[row], exact[ids[row]], rtol=1e-6)
    assert coarser == 12 if density == 0.15 else coarser < 6
    if density == 0.15:
        return
    close = np.argsort(-(queries @ documents.T).toarray(), axis=1, kind="stable")[:, :10]
    assert recall(ids, close) > 0.9


def test_bmp_refuses_more_terms_than_it_can_number_and_survives_unknown_ones():
    pytest.importorskip("bmp", reason="the engine bmp is not installed")
    index = create("bmp")
    wide = sparse.csr_matrix((np.ones(70_000), np.arange(70_000), [0, 70_000]), shape=(1, 70_000), dtype=np.float32)
    with pytest.raises(UserError, match="70000 terms"):
        index.build(wide)
    index.build(wide[:, :100])
    index.build(sparse.csr_matrix(np.array([[1.0, 0.0], [2.0, 0.0]], np.float32)))
    ids, _ = index.search(sparse.csr_matrix(np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]], np.float32)), 3)
    assert ids.tolist() == [[-1] * 3, [1, 0, -1], [-1] * 3]


@pytest.mark.parametrize("variant", ["large", "small", "dotvbyte"])
def test_seismic_finds_all_where_it_may_look_at_all(variant):
    pytest.importorskip(
        "seismic", reason="the engine seismic is not installed: pyseismic-lsr has wheels for CPython 3.11 alone"
    )
    rng = np.random.default_rng(5)
    documents, queries = random_csr(rng, 200, 60, 0.2), random_csr(rng, 6, 60, 0.2)
    index = create("seismic", variant=variant, query_cut=60, heap_factor=1.0, summary_energy=1.0, n_postings=200)
    index.build(documents)
    exact = (queries @ documents.T).toarray()
    ids, scores = index.search(queries, 10)
    assert recall(ids, np.argsort(-exact, axis=1)[:, :10]) > 0.95
    np.testing.assert_allclose(scores, np.take_along_axis(exact, ids, 1), rtol=0.02)
    alone = [index.search(queries[row], 10)[0][0].tolist() for row in range(6)]
    assert alone == ids.tolist()
    assert (np.diff(scores) <= 0).all()
    assert {"forward index", "summaries", "document numbers"} <= index.memory().keys()


@pytest.mark.parametrize("highest", [0.001, 9.0])
def test_dotvbyte_of_seismic_takes_weights_of_any_range(highest, tmp_path):
    """It holds weights below 4 in steps of 1/64: higher ones would all be the same, and small ones 0."""
    pytest.importorskip(
        "seismic", reason="the engine seismic is not installed: pyseismic-lsr has wheels for CPython 3.11 alone"
    )
    rng = np.random.default_rng(5)
    documents, queries = random_csr(rng, 200, 60, 0.2), random_csr(rng, 6, 60, 0.2)
    documents.data *= np.float32(highest) / documents.data.max()
    index = create("seismic", variant="dotvbyte", query_cut=60, heap_factor=0.2, summary_energy=1.0, n_postings=200)
    index.build(documents)
    index.save(tmp_path)
    exact = (queries @ documents.T).toarray()
    for opened in (index, type(index).load(tmp_path)):
        ids, scores = opened.search(queries, 10)
        assert recall(ids, np.argsort(-exact, axis=1)[:, :10]) > 0.95
        np.testing.assert_allclose(scores, np.take_along_axis(exact, ids, 1), rtol=0.02)
    assert index.searcher(10)(queries[0])[1][0].tolist() == scores[0].tolist()


FACTORIES = {
    "SQfp16": ({}, 0.99),
    "SQ8": ({}, 0.9),
    "HNSW16": ({"ef_search": 64, "ef_construction": 80}, 0.9),
    "IVF8,Flat": ({"nprobe": 8}, 0.999),
    "IVF4,PQ8x4": ({"nprobe": 4}, 0.3),
    "OPQ4_8,IVF4,PQ4x4": ({"nprobe": 4}, 0.15),
    "PQ8x4": ({}, 0.3),
    "RaBitQ": ({}, 0.2),
    "RaBitQ4": ({}, 0.6),
    "PQ8x4fs": ({}, 0.3),
    "RaBitQ,Refine(SQ8)": ({"k_factor": 4}, 0.5),
    "PQ8x4fs,Refine(SQ8)": ({"k_factor": 8}, 0.6),
    "SQ8,Refine(Flat)": ({"k_factor": 4}, 0.999),
}


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.filterwarnings("ignore")
def test_faiss_family(factory, tmp_path):
    rng = np.random.default_rng(6)
    documents = rng.standard_normal((600, 16), np.float32)
    queries = rng.standard_normal((8, 16), np.float32)
    params, least = FACTORIES[factory]
    index = create("faiss", factory=factory, **params)
    index.build(documents)
    exact = np.argsort(-(queries @ documents.T), axis=1)[:, :20]
    ids, scores = index.search(queries, 20)
    assert recall(ids, exact) >= least
    assert (np.diff(scores) <= 0).all()
    if factory == "IVF8,Flat":
        again = create("faiss", factory=factory, **params)
        again.build(iter([documents[:100], documents[100:]]))
        np.testing.assert_array_equal(again.search(queries, 20)[0], ids)
    index.save(tmp_path)
    loaded = type(index).load(tmp_path)
    np.testing.assert_array_equal(loaded.search(queries, 20)[0], ids)
    size = (tmp_path / "index.faiss").stat().st_size
    assert sum(index.memory().values()) == pytest.approx(size, rel=0.02)
    assert min(index.memory().values()) >= 0


def test_more_candidates_for_a_refinement_lose_less():
    rng = np.random.default_rng(4)
    documents, queries = rng.standard_normal((600, 16), np.float32), rng.standard_normal((20, 16), np.float32)
    exact = np.argsort(-(queries @ documents.T), axis=1)[:, :10]
    index = create("faiss", factory="RaBitQ,Refine(Flat)", k_factor=1)
    index.build(documents)
    shares = []
    for factor in (1, 4, 60):
        index.search_with({"k_factor": factor})
        shares.append(recall(index.search(queries, 10)[0], exact))
    assert shares[0] < shares[1] < shares[2] == 1.0


SPEC = Path(__file__).parents[2] / "experiments" / "memory_claim.toml"
RIVALS = [
    (name, factory)
    for name, table in tomllib.loads(SPEC.read_text(encoding="utf-8"))["indexes"].items()
    if table["type"] == "faiss"
    for factory in table.get("matrix", {}).get("factory", [table.get("factory")])
]


@pytest.mark.parametrize(("name", "factory"), RIVALS)
def test_every_dense_rival_of_the_memory_claim_builds_and_takes_the_bytes_of_its_codes(name, factory):
    rows = np.random.default_rng(2).standard_normal((2000, 384), np.float32)
    index = create("faiss", factory=factory, **({"k_factor": 4} if name == "refined" else {}))
    index.build(rows)
    ids, _ = index.search(rows[:5], 3)
    assert (ids[:, 0] >= 0).all()
    sizes = {"SQfp16": 768, "SQ8": 384, "RaBitQ4": 212, "RaBitQ": 56, "PQ96x4fs": 48, "Flat)": 1536, "SQ8)": 384}
    wanted = sum(sizes[part.removeprefix("Refine(")] for part in factory.split(","))
    assert index.memory()["codes"] == pytest.approx(2000 * wanted, rel=0.01)


@pytest.mark.parametrize("factory", ["IVF8,Flat", "PQ4x4", "OPQ4_8,IVF4,PQ4x4"])
@pytest.mark.filterwarnings("ignore")
def test_the_seed_decides_what_faiss_trains(factory, tmp_path):
    rows = np.random.default_rng(8).standard_normal((700, 16), np.float32)
    files = []
    for number, seed in enumerate((1, 1, 2)):
        index = create("faiss", factory=factory, seed=seed, training_rows=500)
        index.build(rows)
        (tmp_path / str(number)).mkdir()
        index.save(tmp_path / str(number))
        files.append((tmp_path / str(number) / "index.faiss").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_faiss_says_what_does_not_fit():
    rows = np.random.default_rng(0).random((50, 6), np.float32)
    with pytest.raises(UserError, match="'PQ4'"):
        create("faiss", factory="PQ4").build(rows)
    with pytest.raises(UserError, match="'Nonsense'"):
        create("faiss", factory="Nonsense").build(rows)
    with pytest.raises(ValueError, match="no nprobe"):
        create("faiss", factory="SQ8", nprobe=3)
    with pytest.raises(ValueError, match="no k_factor"):
        create("faiss", factory="SQ8", k_factor=3)
    with pytest.raises(UserError, match="dense"):
        create("faiss", factory="SQ8").build(sparse.csr_matrix(rows))


@pytest.mark.parametrize(
    ("engine", "package", "wheels"),
    [
        ("bmp", "bmp", None),
        ("seismic", "pyseismic-lsr", "CPython 3.11 alone"),
        ("qdrant-edge", "qdrant-edge-py", None),
        ("kannolo", "kannolo", "CPython 3.11 to 3.13"),
    ],
)
def test_a_missing_package_is_named(engine, package, wheels, monkeypatch):
    def refuse(name, *rest):
        raise ImportError(f"no {name}")

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(UserError, match=f"needs the package {package}") as raised:
        create(engine).build(sparse.csr_matrix(np.ones((2, 3), np.float32)))
    assert "pip install 'laconic-bench[engines]'" in raised.value.remedy
    assert ("has wheels for" in raised.value.remedy) == (wheels is not None)
    assert wheels is None or f"{package} has wheels for {wheels}" in raised.value.remedy
