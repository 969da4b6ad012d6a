"""Which codec of the arithmetic an index stores its weights or vectors in."""

from __future__ import annotations

import re

from harness.claims.memory import DENSE, SPARSE, DenseCodec, SparseCodec

_SPARSE: dict[tuple[str, str], SparseCodec] = {
    ("inverted", "u4"): SPARSE["16/4-bit"],
    ("inverted", "u8"): SPARSE["16/8-bit"],
    # Integers with a scale, which the float16 of the grid does not need.
    ("inverted", "u16"): SparseCodec("16-bit numbers, 16-bit integer weights", 2.0, 2.0, segmented=True, scaled=True),
    ("inverted", "float32"): SPARSE["16/float32"],
    ("scipy", "float32"): SPARSE["32/float32"],
}
_VECTORS = {
    "float32": "fp32", "Flat": "fp32", "SQfp16": "fp16", "SQ8": "int8",
}  # fmt: skip
_DENSE = ("faiss", "faiss-flat")
_GRAPH = re.compile(r"HNSW\d*,?")
_LISTS = re.compile(r"IVF\d+,(?=Flat$)")
"""Centroids and links are what an engine adds; other codecs in lists store what is left beside a centroid."""
_PQ = re.compile(r"PQ(\d+)(?:x8)?")


def stored_codec(engine: str, codec: str, dimensions: int) -> SparseCodec | DenseCodec | None:
    """The codec of the arithmetic that an index has; None where the arithmetic has none like it.

    Args:
        engine: Type of the index as a spec has it; of a sharded index the type of its shards.
        codec: See `harness.indexes.Index.codec`.
        dimensions: Width of dense vectors.
    """
    if engine not in _DENSE:
        return _SPARSE.get((engine, codec))
    graph = _GRAPH.match(codec)
    rest = codec[graph.end() :].lstrip("_") if graph else _LISTS.sub("", codec)
    vectors = _VECTORS.get(rest or "Flat")
    if vectors is not None:
        return DENSE[vectors]
    quantiser = _PQ.fullmatch(rest)
    if quantiser is None or dimensions % int(quantiser[1]):
        return None
    return DENSE.get(f"pq{dimensions // int(quantiser[1])}")
