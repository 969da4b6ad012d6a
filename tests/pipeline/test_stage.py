"""Keys of stages."""

import pytest

from harness.pipeline.stage import key_of


def test_keys_follow_content_not_order():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
    with pytest.raises(ValueError, match="JSON"):
        key_of({"a": float("nan")})
