"""Means over the tasks of a suite: their intervals, ratios and p-values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.stats.means import DIFFERENCE, EVERYTHING, FRACTION, mean_interval, p_value, ratio
from harness.stats.strata import stratified, suite_mean, suite_ratio

NESTED = [1 / 4] * 3 + [1 / 48] * 12
"""Three tasks of one collection and one of twelve parts, as CQADupstack is."""


def graded(rng, count, level):
    """Values such as nDCG@10: many queries at 0, some at 1, the others between."""
    kind = rng.random(count)
    return np.where(kind < 0.3 * (2 - 2 * level), 0.0, np.where(kind > 1 - 0.4 * level, 1.0, rng.beta(1.2, 1.2, count)))


def expected(level):
    zeros, ones = 0.3 * (2 - 2 * level), 0.4 * level
    return ones + 0.5 * (1 - zeros - ones)


@pytest.mark.parametrize(
    ("sizes", "weights"),
    [
        ([50, 300, 650], [1 / 3] * 3),
        ([50, 49, 50, 50, 50], [1 / 5] * 5),
        ([50, 49, 300, 323, 400, 648, 1000, 1400, 100, 60, 80, 200, 500, 43, 150], [1 / 15] * 15),
        ([50, 300, 1000, *range(60, 300, 20)], NESTED),
    ],
    ids=["3 tasks", "5 small tasks", "15 tasks", "4 tasks, one of 12 parts"],
)
def test_the_interval_covers_the_mean_as_often_as_it_says(sizes, weights):
    rng, trials, covered = np.random.default_rng(11), 400, 0
    levels = rng.uniform(0.1, 0.9, len(sizes))
    truth = sum(weight * expected(level) for weight, level in zip(weights, levels, strict=True))
    for _ in range(trials):
        drawn = [graded(rng, size, level) for size, level in zip(sizes, levels, strict=True)]
        value, low, high = suite_mean(drawn, weights, limits=FRACTION)
        assert low <= value <= high
        covered += low <= truth <= high
    assert stats.binom.ppf(0.001, trials, 0.95) <= covered <= stats.binom.ppf(0.9999, trials, 0.95)


def test_the_ratio_covers_as_often_as_it_says():
    rng, trials, covered = np.random.default_rng(12), 400, 0
    sizes, weights = [50, 300, 100, *range(60, 300, 20)], NESTED
    levels = rng.uniform(0.3, 0.9, len(sizes))
    truth = sum(weight * expected(level) for weight, level in zip(weights, levels, strict=True))
    for _ in range(trials):
        theirs = [graded(rng, size, level) for size, level in zip(sizes, levels, strict=True)]
        ours = [0.8 * values + rng.normal(0, 0.05, len(values)) + 0.1 for values in theirs]
        _, low, high = suite_ratio(ours, theirs, weights, fractions=False)
        covered += low <= 0.8 + 0.1 / truth <= high
    assert stats.binom.ppf(0.001, trials, 0.95) <= covered <= stats.binom.ppf(0.999, trials, 0.95)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=60), min_size=1, max_size=6),
    st.sampled_from([0.8, 0.95, 0.99]),
)
def test_value_and_order_of_the_ends(strata, confidence):
    weights = [1 / len(strata)] * len(strata)
    value, low, high = suite_mean(strata, weights, confidence=confidence, limits=FRACTION)
    assert value == pytest.approx(np.mean([np.mean(values) for values in strata]), abs=1e-12)
    assert 0 <= low <= value + 1e-12
    assert value - 1e-12 <= high <= 1


@pytest.mark.parametrize("values", [np.linspace(0, 1, 50), [0.5] * 40, [0.0] * 30 + [1.0] * 3, [1.0]])
def test_one_collection_has_the_interval_that_it_has_alone(values):
    assert suite_mean([values], [1.0], limits=FRACTION)[1:] == pytest.approx(mean_interval(values, limits=FRACTION))


def test_one_collection_has_the_ratio_that_it_has_alone():
    rng = np.random.default_rng(13)
    ours, theirs = rng.random(80), rng.random(80)
    assert suite_ratio([ours], [theirs], [1.0]) == pytest.approx(ratio(ours, theirs))
    assert suite_ratio([theirs], [theirs], [1.0]) == pytest.approx(ratio(theirs, theirs))


def test_two_collections_have_the_interval_of_welch():
    rng = np.random.default_rng(14)
    first, second = rng.normal(0.5, 0.1, 40), rng.normal(0.4, 0.3, 300)
    by_scipy = stats.ttest_ind(first, -second, equal_var=False).confidence_interval(0.9)
    found = suite_mean([first, second], [0.5, 0.5], confidence=0.9)
    assert found[1:] == pytest.approx((by_scipy.low / 2, by_scipy.high / 2))


def test_parts_of_a_task_weigh_less_than_a_task():
    parts = [[0.0] * 20 + [1.0] * 20 for _ in range(12)]
    value, low, high = suite_mean([[0.9, 1.0] * 20, *parts], [0.5, *[1 / 24] * 12], limits=FRACTION)
    assert value == pytest.approx((0.95 + 0.5) / 2)
    wide = suite_mean([parts[0], parts[1]], [0.5, 0.5], limits=FRACTION)
    assert high - low < wide[2] - wide[1]


def test_a_collection_whose_queries_all_agree_makes_the_interval_wider():
    rng = np.random.default_rng(15)
    sure = rng.random(200)
    alone = suite_mean([sure, rng.random(200)], [0.5, 0.5], limits=FRACTION)
    beside = suite_mean([sure, [0.5] * 5], [0.5, 0.5], limits=FRACTION)
    assert beside[2] - beside[1] > 2 * (alone[2] - alone[1])
    own = mean_interval([0.5] * 5, limits=FRACTION)
    assert beside[2] - beside[0] == pytest.approx(
        math.hypot(0.5 * (own[1] - 0.5), 0.5 * (mean_interval(sure)[1] - sure.mean()))
    )


def test_too_few_queries_without_limits_settle_nothing():
    assert suite_mean([[1.0] * 50, [2.0] * 9], [0.5, 0.5]) == (1.5, *EVERYTHING)
    assert suite_ratio([[1.0] * 50, [2.0] * 9], [[1.0] * 50, [2.0] * 9], [0.5, 0.5], fractions=False)[1:] == EVERYTHING


def test_a_ratio_to_what_may_be_nothing_has_no_ends():
    theirs = [[0.0] * 30 + [1.0], [0.0] * 31]
    assert suite_ratio([[1.0] * 31, [1.0] * 31], theirs, [0.5, 0.5])[1:] == EVERYTHING


@pytest.mark.parametrize(
    ("strata", "weights", "words"),
    [
        ([[0.5], [0.5]], [1.0], "a weight for each"),
        ([[0.5], [0.5]], [0.5, 0.6], "their sum must be 1"),
        ([[0.5], []], [0.5, 0.5], "at least one value"),
        ([[0.5], [1.5]], [0.5, 0.5], "beyond 0 to 1"),
    ],
)
def test_what_has_no_mean(strata, weights, words):
    with pytest.raises(ValueError, match=words):
        suite_mean(strata, weights, limits=FRACTION)


def test_what_has_no_ratio():
    with pytest.raises(ValueError, match="the same queries"):
        suite_ratio([[0.5] * 3], [[0.5] * 2], [1.0])
    with pytest.raises(ValueError, match="a positive mean"):
        suite_ratio([[0.5] * 3], [[0.0] * 3], [1.0])


def test_equal_systems_under_weights_differ_in_one_of_twenty():
    rng, wrong = np.random.default_rng(16), 0
    for _ in range(600):
        strata = [rng.normal(0, 0.3, 60) for _ in NESTED]
        wrong += stratified(strata, NESTED)[1] < 0.05
    assert stats.binom.ppf(0.001, 600, 0.05) <= wrong <= stats.binom.ppf(0.999, 600, 0.05)


def test_p_value_and_interval_agree():
    rng = np.random.default_rng(17)
    strata = [rng.normal(0.03, 0.2, 60) for _ in NESTED]
    p = stratified(strata, NESTED)[1]
    value, low, high = suite_mean(strata, NESTED, confidence=1 - p, limits=DIFFERENCE)
    assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-9)
    assert value > 0


def test_one_collection_is_no_stratum_of_its_own():
    row = np.random.default_rng(4).normal(0.1, 0.3, 80)
    assert stratified([row]) == pytest.approx((row.mean(), p_value(row)))


def test_two_collections_are_compared_as_welch_compares_two_samples():
    rng = np.random.default_rng(5)
    first, second = rng.normal(0.2, 0.3, 40), rng.normal(0.1, 0.05, 300)
    mean, p = stratified([first, -second])
    assert mean == pytest.approx((first.mean() - second.mean()) / 2)
    assert p == pytest.approx(stats.ttest_ind(first, second, equal_var=False).pvalue)


def test_equal_systems_on_several_collections_differ_in_one_of_twenty():
    rng = np.random.default_rng(6)
    wrong = 0
    for _ in range(600):
        strata = [rng.normal(0, spread, count) for spread, count in ((0.3, 20), (0.1, 300), (0.2, 60))]
        wrong += stratified(strata)[1] < 0.05
    assert stats.binom.ppf(0.001, 600, 0.05) <= wrong <= stats.binom.ppf(0.999, 600, 0.05)


@pytest.mark.parametrize(
    "strata", [[[0.0] * 40, [0.0] * 40], [[0.5], [0.1] * 40], [[0.1] * 40], [[0.3, 0.2], [0.4] * 3]]
)
def test_collections_that_cannot_tell_have_p_one(strata):
    mean, p = stratified(strata)
    assert mean == pytest.approx(np.mean([np.mean(values) for values in strata]))
    assert p == 1
