"""The codec of an index among those of the arithmetic, against the bytes that FAISS stores of a vector."""

import pytest

from harness.claims.memory import DENSE, SPARSE
from harness.claims.stored_codec import stored_codec


@pytest.mark.parametrize(
    ("factory", "name"),
    [
        ("Flat", "fp32"), ("SQfp16", "fp16"), ("SQ8", "int8"), ("PQ8", "pq4"), ("PQ4x8", "pq8"), ("PQ2", "pq16"),
        ("HNSW32", "fp32"), ("HNSW8,Flat", "fp32"), ("HNSW8_SQ8", "int8"), ("IVF4,Flat", "fp32"),
    ],
)  # fmt: skip
def test_a_factory_has_the_codec_whose_bytes_it_stores(factory, name):
    faiss = pytest.importorskip("faiss")
    assert stored_codec("faiss", factory, 32) is DENSE[name]
    code = faiss.index_factory(32, factory, faiss.METRIC_INNER_PRODUCT)
    stored = code.storage.sa_code_size() if factory.startswith("HNSW") else faiss.downcast_index(code).code_size
    assert stored == DENSE[name].size(1000, 32) // 1000 - DENSE[name].shared * 32 // 1000


@pytest.mark.parametrize(
    "factory", ["PQ8,RFlat", "PQ8x4", "PQ32", "PQ5", "RaBitQ", "IVF4,SQ8", "IVF4,PQ8", "OPQ8,PQ8", "SQ4", "HNSW8_PQ8x4"]
)
def test_other_factories_have_none(factory):
    """Refined ones store more, rotated and residual ones other tables, and some codes the arithmetic does not have."""
    assert stored_codec("faiss", factory, 32) is None


def test_weights_are_those_of_an_engine():
    assert stored_codec("inverted", "u8", 1000) is SPARSE["16/8-bit"]
    assert stored_codec("scipy", "float32", 1000) is SPARSE["32/float32"]
    assert stored_codec("faiss-flat", "float32", 384) is DENSE["fp32"]
    for engine, codec in (("bmp", "u8"), ("seismic", "float16"), ("mine", "float32"), ("inverted", "float16")):
        assert stored_codec(engine, codec, 1000) is None
