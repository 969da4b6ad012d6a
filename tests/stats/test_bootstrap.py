"""Intervals of means and quantiles: against scipy, and covering what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quantiles import quantile_interval
from scipy import stats

from harness.stats.bootstrap import bootstrap_mean, paired_difference, paired_ratio


def test_mean_agrees_with_scipy():
    values = np.random.default_rng(3).gamma(2.0, size=80)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=2000, rng=np.random.default_rng(7), method="BCa", confidence_level=0.9
    ).confidence_interval
    assert bootstrap_mean(values, confidence=0.9, seed=7) == pytest.approx((expected.low, expected.high))


def test_mean_covers_as_often_as_it_says():
    rng = np.random.default_rng(11)
    hits = 0
    for trial in range(600):
        low, high = bootstrap_mean(rng.normal(5, 2, 60), seed=trial, resamples=400)
        hits += low <= 5 <= high
    assert 0.93 <= hits / 600 <= 0.97


@pytest.mark.parametrize("values", [[0.5], [0.25] * 10, [0.0, 0.0]])
def test_degenerate_samples_give_a_point(values):
    assert bootstrap_mean(values) == (values[0], values[0])


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0], [2.0]]])
def test_what_is_no_sample_is_refused(values):
    with pytest.raises(ValueError, match="value"):
        bootstrap_mean(values)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_interval_is_ordered_and_within_the_range(values):
    low, high = bootstrap_mean(values, resamples=100)
    slack = 1e-9 * max(1.0, max(abs(v) for v in values))
    assert min(values) - slack <= low <= high <= max(values) + slack


def test_same_seed_same_interval_and_another_another():
    values = np.random.default_rng(0).normal(size=50)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_pairing_cancels_what_both_share():
    rng = np.random.default_rng(5)
    shared = rng.normal(0, 10, 200)
    value, low, high = paired_difference(shared + 1 + rng.normal(0, 0.1, 200), shared)
    assert low < value < high
    assert low > 0.9
    assert high < 1.1


def test_unequal_lengths_are_no_pairs():
    with pytest.raises(ValueError, match="pairs"):
        paired_difference([1.0, 2.0], [1.0])


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


def test_ratio_covers_as_often_as_it_says():
    """Correlated queries whose true ratio of means is 0.8."""
    rng, hits, trials = np.random.default_rng(12), 0, 600
    for trial in range(trials):
        hard = rng.beta(2, 2, 80)
        ours = 0.8 * hard + rng.normal(0, 0.05, 80)
        _, low, high = paired_ratio(ours, hard, seed=trial, resamples=400)
        hits += low <= 0.8 <= high
    assert 0.93 <= hits / trials <= 0.97
