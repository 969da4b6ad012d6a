"""Distributions by their ranks: what numpy says of all values written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.figures.distributions import Spread

COUNTS = st.dictionaries(st.integers(1, 500), st.integers(1, 40), min_size=1, max_size=30)


@given(COUNTS, st.floats(0, 1))
def test_quantiles(counts, q):
    values = np.asarray(sorted(counts), np.float64)
    vectors = np.asarray([counts[int(value)] for value in values])
    written = np.repeat(values, vectors)
    assert Spread(values, np.cumsum(vectors)).quantile(q) == pytest.approx(np.quantile(written, q), abs=1e-9)
    assert Spread(written).quantile(q) == pytest.approx(np.quantile(written, q), abs=1e-9)
    assert len(Spread(values, np.cumsum(vectors))) == len(written)


@given(COUNTS, st.integers(0, 400), st.integers(2, 200), st.integers(2, 60))
def test_histograms(counts, low, wide, bins):
    values = np.asarray(sorted(counts), np.float64)
    vectors = np.asarray([counts[int(value)] for value in values])
    written, edges = np.repeat(values, vectors), np.linspace(low, low + wide, bins)
    wanted = np.histogram(written, bins=edges)[0]
    assert Spread(values, np.cumsum(vectors)).histogram(edges).tolist() == wanted.tolist()
    assert Spread(written).histogram(edges).tolist() == wanted.tolist()
