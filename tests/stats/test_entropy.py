"""Bits of subsets against counting them."""

from math import comb, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.entropy import subset_bits


@given(total=st.integers(0, 500), data=st.data())
def test_bits_are_logarithms_of_numbers_of_subsets(total, data):
    sizes = data.draw(st.lists(st.integers(0, total), max_size=8))
    expected = sum(log2(comb(total, size)) for size in sizes)
    assert subset_bits(np.array(sizes, np.int64), total) == pytest.approx(expected, rel=1e-9, abs=1e-6)
