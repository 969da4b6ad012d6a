"""Intervals of quantiles: against scipy, and covering what they say."""

import numpy as np
import pytest
from quantiles import quantile_interval
from scipy import stats


def test_quantile_interval_covers_at_least_what_it_says():
    rng = np.random.default_rng(2)
    for q, n in [(0.5, 30), (0.95, 150), (0.99, 800)]:
        truth = stats.expon.ppf(q)
        found = [quantile_interval(rng.exponential(size=n), q) for _ in range(400)]
        assert sum(low <= truth <= high for _, low, high in found) / 400 >= 0.93


def test_quantile_interval_is_not_given_where_the_sample_is_too_small():
    values = np.arange(100.0)
    assert quantile_interval(values, 0.5) is not None
    assert quantile_interval(values, 0.99) is None
    with pytest.raises(ValueError, match="quantile"):
        quantile_interval(values, 1.0)


def test_quantile_interval_agrees_with_scipy():
    values = np.random.default_rng(4).lognormal(size=300)
    for q in (0.1, 0.5, 0.9):
        theirs = stats.quantile_test(values, q=1.0, p=q).confidence_interval(0.95)
        _, low, high = quantile_interval(values, q)
        assert (low, high) == pytest.approx((theirs.low, theirs.high))
