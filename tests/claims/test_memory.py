"""The grid on paper: against arrays that are really allocated, by hand, and its own properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from harness.claims import memory
from harness.claims.readings import AGAINST, CLAIMED, DIMENSIONS, TERMS_KEPT, readings

SIZES = {"32": np.int32, "16": np.uint16, "float32": np.float32, "float16": np.float16, "8-bit": np.uint8}


@pytest.mark.parametrize("number", ["32", "16"])
@pytest.mark.parametrize("weight", ["float32", "float16", "8-bit"])
def test_sparse_size_is_that_of_the_arrays(number, weight):
    documents, vocabulary = 70_000, 50
    matrix = sparse.random(documents, vocabulary, 0.1, format="csr", rng=np.random.default_rng(1), dtype=np.float32)
    ends = range(0, documents, memory.SEGMENT) if number == "16" else [0]
    total = 0
    for begin in ends:
        part = matrix[begin : begin + memory.SEGMENT].tocsc() if number == "16" else matrix.tocsc()
        total += part.indices.astype(SIZES[number]).nbytes + part.data.astype(SIZES[weight]).nbytes
        total += part.indptr.astype(np.uint32 if number == "16" else np.uint64).nbytes
        total += np.ones(vocabulary, np.float32).nbytes if weight == "8-bit" else 0
    found = memory.SPARSE[f"{number}/{weight}"].size(documents, matrix.nnz / documents, vocabulary)
    assert found == pytest.approx(total)


def test_dense_size_is_that_of_faiss():
    faiss = pytest.importorskip("faiss")
    rows = np.random.default_rng(0).standard_normal((300, 32), np.float32)
    made = {
        "fp32": faiss.IndexFlatIP(32),
        "fp16": faiss.IndexScalarQuantizer(32, faiss.ScalarQuantizer.QT_fp16),
        "int8": faiss.IndexScalarQuantizer(32, faiss.ScalarQuantizer.QT_8bit),
        "pq8": faiss.IndexPQ(32, 4, 8),
    }
    for name, index in made.items():
        index.train(rows)
        index.add(rows)
        # FAISS writes a header of its own.
        assert 0 <= len(faiss.serialize_index(index)) - memory.DENSE[name].size(300, 32) < 200


def test_plain_arithmetic_of_the_claim():
    reductions = {d: memory.cell(d, memory.AS_PUBLISHED, 4096, 512).reduction for d in ("fp32", "fp16", "int8")}
    assert reductions == pytest.approx({"fp32": 0.81, "fp16": 0.62, "int8": 0.25}, abs=0.006)
    needed = {dense: memory.terms_for(CLAIMED, dense, "32/float16", DIMENSIONS) for dense in AGAINST}
    assert needed["fp32"] == pytest.approx(792, abs=1)
    assert needed["fp16"] == pytest.approx(396, abs=1)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(memory.DENSE)),
    st.sampled_from(sorted(memory.SPARSE)),
    st.integers(32, 4096),
    st.integers(1000, 10**7),
    st.floats(-1, 0.95),
)
def test_reduction_at_the_terms_found_is_the_one_asked_for(dense, codec, dimensions, documents, reduction):
    terms = memory.terms_for(reduction, dense, codec, dimensions, documents)
    if terms is None:
        assert memory.cell(dense, codec, dimensions, 0, documents).reduction < reduction
    elif terms < memory.LLAMA_TERMS:
        assert memory.cell(dense, codec, dimensions, terms, documents).reduction == pytest.approx(reduction, abs=1e-6)


@given(st.floats(1e-6, 0.5), st.floats(1e-6, 0.5))
def test_unequal_lists_never_need_more_than_equal_ones(first, second):
    """Bits of two lists of different density are at most those of two lists of the mean density."""
    mean = (first + second) / 2
    apart = first * memory.gap_bits(first) + second * memory.gap_bits(second)
    assert apart <= 2 * mean * memory.gap_bits(mean) + 1e-9


def test_gap_bits_is_the_entropy_of_geometric_gaps():
    density = 0.01
    gaps = np.arange(1, 5000)
    chances = density * (1 - density) ** (gaps - 1)
    assert memory.gap_bits(density) == pytest.approx(-(chances * np.log2(chances)).sum(), abs=1e-6)
    assert memory.gap_bits(0) == memory.gap_bits(1) == 0


def test_grid_is_whole_and_shapes_are_checked():
    cells = list(memory.grid((384, 4096), (64, 512)))
    assert len(cells) == len(memory.DENSE) * len(memory.SPARSE) * 4
    assert any(cell.reduction < 0 for cell in cells)
    with pytest.raises(ValueError, match="positive"):
        memory.cell("fp32", memory.AS_PUBLISHED, 0, 512)
    with pytest.raises(ValueError, match="vocabulary"):
        memory.cell("fp32", memory.AS_PUBLISHED, 8, 512, vocabulary=100)


def test_readings_spread_from_paper_to_engine():
    found = {one.label: one for one in readings()}
    narrow = found["Postings alone: 32-bit numbers, 16-bit weights"]
    assert narrow.low == narrow.high == TERMS_KEPT * 6
    assert narrow.reductions("fp32")[0] == pytest.approx(1 - TERMS_KEPT * 6 / (4 * DIMENSIONS))
    quoted = [one for one in found.values() if one.source == "quoted"]
    assert quoted
    for one in quoted:
        low, high = one.reductions("fp32")
        assert low < high < 0.71
