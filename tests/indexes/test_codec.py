"""In what an index stores its weights or vectors, as claims name it."""

import pytest

from harness.indexes import codec


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("inverted", {"weights": "u4"}, "u4"),
        ("faiss-flat", {}, "float32"),
        ("faiss", {"factory": "IVF64,SQfp16", "nprobe": 4}, "IVF64,SQfp16"),
        ("sharded", {"index": {"type": "inverted", "weights": "u16"}}, "u16"),
    ],
)
def test_codec(name, params, expected):
    assert codec(name, params) == expected
