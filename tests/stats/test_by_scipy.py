"""Statistics whose pieces scipy has: the same numbers by another way."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from harness.stats.changes import MAD, Noise, drift, noise, steps
from harness.stats.levels import hierarchical, percentile_ratio
from harness.stats.matching import cost_at_gain, matched_means
from harness.stats.paired import compare, minimum_detectable_effect
from harness.stats.samples import tables
from harness.stats.scaling import fit, predict
from harness.stats.turns import ratio_in_turns

SEEDS = st.integers(0, 10**6)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(10, 60), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_of_a_difference_is_scipys(seed, count, confidence):
    data = np.random.default_rng(seed).normal(0.3, 2, count)
    (found,) = compare(data, 0.1, confidence=confidence)
    low, high = stats.ttest_1samp(data, 0).confidence_interval(confidence)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.effect == pytest.approx(stats.ttest_1samp(data, 0).statistic / np.sqrt(count))


@pytest.mark.parametrize("n", [2, 3, 10, 50, 1000])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_the_detectable_effect_has_its_power_by_the_noncentral_t(n, power):
    effect = minimum_detectable_effect(1.0, n, power=power)
    limit = stats.t.ppf(0.975, n - 1)
    shift = effect * np.sqrt(n)
    wrong_side = np.nan_to_num(stats.nct.cdf(-limit, n - 1, shift))
    assert stats.nct.sf(limit, n - 1, shift) + wrong_side == pytest.approx(power, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 8), st.sampled_from([0.9, 0.95]))
def test_with_one_query_the_interval_is_students_over_processes(seed, processes, confidence):
    times = np.exp(np.random.default_rng(seed).normal(0, 0.2, (processes, 1)))
    value, low, high = hierarchical(times, {"p50": 0.5}, confidence=confidence, resamples=10)["p50"]
    assert value == pytest.approx(times.mean())
    logs = np.log(times[:, 0])
    reach = stats.t.ppf((1 + confidence) / 2, processes - 1) * stats.sem(logs)
    assert (np.log(value / low), np.log(high / value)) == pytest.approx((reach, reach))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(2, 6), st.integers(2, 6))
def test_with_one_query_a_ratio_has_the_interval_of_a_t_test(seed, first, second):
    """Of pairs where both have as many processes, of Welch where they have not."""
    rng = np.random.default_rng(seed)
    one, other = (np.exp(rng.normal(0, 0.3, (count, 1))) for count in (first, second))
    value, low, high = percentile_ratio(one, other, None, resamples=10)
    logs = np.log(one[:, 0]), np.log(other[:, 0])
    test = stats.ttest_rel(*logs) if first == second else stats.ttest_ind(*logs, equal_var=False)
    limits = test.confidence_interval(0.95)
    assert value == pytest.approx(one.mean() / other.mean())
    assert np.log(high / low) == pytest.approx(limits.high - limits.low)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(4, 10), st.floats(-2, 2), st.floats(0.01, 5))
def test_an_affine_law_is_the_non_negative_least_squares(seed, count, a, b):
    rng = np.random.default_rng(seed)
    sizes = np.sort(rng.uniform(1, 50, count))
    values = np.maximum((abs(a) * 30 if a < 0 else a + b * sizes) * np.exp(rng.normal(0, 0.2, count)), 1e-3)
    assume(len(np.unique(sizes)) >= 3)
    law = fit(sizes.tolist(), values.tolist(), "affine")
    (wanted_a, wanted_b), _ = optimize.nnls(np.stack([1 / values, sizes / values], axis=1), np.ones(count))
    assert law.at(1.0) == pytest.approx(wanted_a + wanted_b, rel=1e-5, abs=1e-9)
    assert law.at(100.0) == pytest.approx(wanted_a + 100 * wanted_b, rel=1e-5, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(4, 10))
def test_a_power_law_and_its_interval_are_those_of_a_line_through_logarithms(seed, count):
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.uniform(0, 6, count))
    values = 3 * sizes**0.7 * np.exp(rng.normal(0, 0.1, count))
    x, y = np.log(sizes), np.log(values)
    line = stats.linregress(x, y)
    found = predict(fit(sizes.tolist(), values.tolist(), "power"), 1e4)
    at = np.log(1e4)
    spread = np.sqrt(((y - line.intercept - line.slope * x) ** 2).sum() / (count - 2))
    width = np.sqrt(1 + 1 / count + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    reach = stats.t.ppf(0.975, count - 2) * spread * width
    assert np.log(found.value) == pytest.approx(line.intercept + line.slope * at)
    assert (np.log(found.low), np.log(found.high)) == pytest.approx(
        (np.log(found.value) - reach, np.log(found.value) + reach)
    )


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(8, 80))
def test_level_and_spread_of_nights_are_medians(seed, nights):
    data = np.random.default_rng(seed).normal(100, 5, nights)
    found = noise(data)
    assert found.level == pytest.approx(np.median(data))
    assert found.spread == pytest.approx(MAD * stats.median_abs_deviation(data) * (1 + 6 / nights))
    assert 0 <= found.correlation <= 0.8


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.5, 0.8])
def test_the_spread_of_a_sum_is_that_of_its_covariances(correlation):
    nights = np.arange(1, 12)
    found = Noise(0.0, 1.0, correlation).of_sum(nights.astype(float))
    for count, spread in zip(nights, found, strict=True):
        distance = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
        assert spread == pytest.approx(np.sqrt((correlation**distance).sum()))


def test_series_too_short_for_a_verdict_have_none():
    assert drift(np.arange(20.0), worse=1) is None
    assert steps([1.0] * 8) == []
    assert steps([]) == []


@pytest.mark.parametrize(("worse", "sign"), [(1, 1), (-1, -1)])
def test_drift_for_the_better_is_none(worse, sign):
    rng = np.random.default_rng(5)
    better = 100 - sign * np.arange(60) + rng.normal(0, 0.2, 60)
    assert drift(better, worse=worse) is None
    assert drift(better[::-1], worse=worse).change * sign > 0


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(2, 8), st.floats(0, 1))
def test_a_cost_on_a_rising_front_is_a_line_between_logarithms(seed, members, share):
    rng = np.random.default_rng(seed)
    costs, gains = np.exp(np.cumsum(rng.uniform(0.1, 1, members))), np.cumsum(rng.uniform(0.1, 1, members))
    target = gains[0] + share * (gains[-1] - gains[0])
    order = rng.permutation(members)
    wanted = np.exp(np.interp(target, gains, np.log(costs)))
    assert cost_at_gain(costs[order], gains[order], target) == pytest.approx(wanted)
    assert cost_at_gain(costs, gains, gains[-1] + 1) == np.inf
    assert cost_at_gain(costs, gains, gains[0] - 1) == pytest.approx(costs[0])


@pytest.mark.parametrize(
    ("costs", "gains", "theirs"),
    [([], [1.0], 1.0), ([1.0], [1.0], 1.0), ([0.0], [1.0, 1.0], 1.0), ([1.0], [1.0, 1.0], 0.0)],
)
def test_costs_that_are_none_are_refused(costs, gains, theirs):
    with pytest.raises(ValueError, match="positive costs are needed"):
        matched_means(costs, np.asarray(gains), np.ones((3, len(gains))), theirs)


@pytest.mark.parametrize("drawn", [np.ones((3, 3)), np.zeros((3, 2))])
def test_drawn_costs_have_a_column_each_and_are_positive(drawn):
    with pytest.raises(ValueError, match="drawn costs must be positive"):
        matched_means([1.0], np.ones(2), np.ones((3, 2)), 1.0, drawn=drawn)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(6, 40))
def test_turns_have_the_interval_of_the_median_by_the_sign_test(seed, pairs):
    rng = np.random.default_rng(seed)
    first = np.exp(rng.normal(0, 0.3, (pairs, 1, 1)))
    value, low, high = ratio_in_turns(first, np.ones((pairs, 1, 1)))
    ratios = np.log(first[:, 0, 0])
    assert np.log(value) == pytest.approx(np.median(ratios))
    for limit in (low, high):
        inside = np.log(limit) - np.sign(limit - value) * 1e-9
        below = int((ratios < inside).sum())
        assert stats.binomtest(below, pairs, 0.5).pvalue > 0.05, "no point inside is refused by the test"


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([(2, 3, 2), (1, 400, 1), (300, 300, 1)]))
def test_tables_by_either_way_of_sorting_are_the_same(seed, shape):
    """Small numbers are sorted as 16 bits, large ones by numpy.lexsort."""
    processes, queries, repeats = shape
    rng = np.random.default_rng(seed)
    process = np.repeat(np.arange(processes), queries * repeats)
    query = np.tile(np.repeat(np.arange(queries), repeats), processes)
    order = rng.permutation(len(process))
    process, query = process[order].astype(np.int32), query[order].astype(np.int32)
    seconds = rng.random(len(process))
    (small,) = tables(process, query, seconds)
    (large,) = tables(process * 1000, query * 1000, seconds)
    np.testing.assert_array_equal(small, large)
    assert small.shape == shape
    np.testing.assert_array_equal(np.sort(small[-1, 0]), np.sort(seconds[(process == processes - 1) & (query == 0)]))
