"""Intervals and p-values of means over queries, against scipy, by inversion, and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from paired_tests import paired_randomisation
from scipy import stats

from harness.stats.means import (
    DIFFERENCE,
    EVERYTHING,
    FEWEST,
    FRACTION,
    difference,
    equivalence,
    mean_interval,
    p_value,
    p_values,
    ratio,
)

fractions = st.floats(0, 1, width=32)
many = st.lists(st.floats(-1, 1, width=32), min_size=2 * FEWEST, max_size=60)


def enough(values):
    return len(values) - np.unique(values, return_counts=True)[1].max() >= FEWEST


@given(many, st.sampled_from([0.8, 0.95, 0.99]))
def test_many_different_values_have_the_interval_of_scipy(values, confidence):
    assume(enough(values))
    wanted = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert mean_interval(values, confidence=confidence) == pytest.approx(tuple(wanted))
    held = mean_interval(values, confidence=confidence, limits=DIFFERENCE)
    assert held == pytest.approx((max(wanted.low, -1), min(wanted.high, 1)))


@given(many)
def test_many_different_values_have_the_p_value_of_scipy(values):
    assume(enough(values) and abs(np.mean(values)) > 1e-9)
    assert p_value(values, limits=DIFFERENCE) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-12)


@given(st.integers(0, FEWEST - 1), st.integers(0, FEWEST - 1), st.integers(FEWEST, 300))
def test_few_differences_have_the_interval_of_their_share(better, worse, equal):
    assume(better + worse < FEWEST)
    values = [0.0] * equal + [0.25] * better + [-0.5] * worse
    low, high = mean_interval(values, limits=DIFFERENCE)
    for hits, end in ((worse, -low), (better, high)):
        assert end == pytest.approx(stats.binomtest(hits, len(values)).proportion_ci(0.95, "exact").high)


@given(st.lists(fractions, min_size=1, max_size=40), st.sampled_from([0.5, 0.95]))
def test_an_interval_holds_its_mean_and_lies_within_the_limits(values, confidence):
    low, high = mean_interval(values, confidence=confidence, limits=FRACTION)
    assert 0 <= low <= np.mean(values, dtype=float) + 1e-15
    assert np.mean(values, dtype=float) - 1e-15 <= high <= 1
    assert low < high


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=40))
def test_the_interval_of_confidence_one_less_p_just_reaches_zero(values):
    p = p_value(values, limits=DIFFERENCE)
    assert 0 <= p <= 1
    if p < 1 - 1e-9:
        narrow = mean_interval(values, confidence=1 - min(p * 1.01 + 1e-9, 1 - 1e-9), limits=DIFFERENCE)
        assert narrow[0] > 0 or narrow[1] < 0
    if 1e-12 < p < 1:
        wide = mean_interval(values, confidence=1 - p * 0.99, limits=DIFFERENCE)
        assert wide[0] <= 0 <= wide[1]


@given(st.lists(st.tuples(fractions, fractions), min_size=1, max_size=40))
def test_the_two_orders_of_a_difference_mirror_each_other(pairs):
    first, second = np.asarray(pairs, float).T
    value, low, high = difference(first, second)
    assert difference(second, first) == pytest.approx((-value, -high, -low))


@pytest.mark.parametrize("count", [1, 3, 19])
def test_a_few_equal_queries_settle_nothing(count):
    _, low, high = difference([0.5] * count, [0.5] * count)
    assert high == -low > 0.17
    low, high = mean_interval([1.0] * count, limits=FRACTION)
    assert low < 0.83
    assert high == 1


def test_three_hundred_equal_queries_settle_a_difference_of_a_fiftieth():
    _, low, high = difference([0.5] * 300, [0.5] * 300)
    assert high == -low == pytest.approx(1 - 0.025 ** (1 / 300))
    assert high < 0.02


@pytest.mark.parametrize("count", [1, 3, FEWEST - 1])
def test_a_few_values_without_limits_have_no_interval(count):
    values = np.arange(count) + 3.0
    assert mean_interval(values) == EVERYTHING
    assert p_value(values) == equivalence(values, 9.0) == 1
    assert ratio(values, values, fractions=False)[1:] == difference(values, values, limits=None)[1:] == EVERYTHING


def test_equal_values_without_limits_have_no_spread():
    assert mean_interval([0.1] * 30) == (pytest.approx(0.1), pytest.approx(0.1))
    assert p_value([0.1] * 30) == 0
    assert p_value([0.0] * 30) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [([], "at least one"), ([math.nan], "finite"), ([[0.1]], "one dimension"), ([0.5, 1.5], "beyond 0 to 1")],
)
def test_what_is_no_sample_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        mean_interval(values, limits=FRACTION)


@given(st.lists(st.tuples(fractions, fractions), min_size=2 * FEWEST, max_size=60))
def test_a_ratio_is_within_where_student_does_not_exclude_it(pairs):
    ours, theirs = np.asarray(pairs, float).T
    assume(theirs.mean() > 0.05 and enough(ours - theirs) and np.ptp(ours) > 0.01 and np.ptp(theirs) > 0.01)
    value, low, high = ratio(ours, theirs)
    assert low <= value <= high
    if math.isinf(high):
        assert stats.ttest_1samp(theirs, 0).pvalue > 0.05 - 1e-9
        return
    assume(1e-6 < high - low < 1e3)
    step = (high - low) * 1e-3
    for end, inwards in ((low, step), (high, -step)):
        assert stats.ttest_1samp(ours - (end + inwards) * theirs, 0).pvalue > 0.05 - 1e-6
        assert stats.ttest_1samp(ours - (end - inwards) * theirs, 0).pvalue < 0.05 + 1e-6


def test_a_ratio_of_equal_runs_is_as_wide_as_the_number_of_queries_asks():
    theirs = np.tile([0.2, 0.6, 1.0], 100)
    value, low, high = ratio(theirs, theirs)
    assert value == 1
    assert 0.97 < low < 0.985
    assert high - 1 == pytest.approx(1 - low)


def test_a_ratio_by_what_may_be_nothing_has_no_ends():
    assert ratio([1.0, 1.0, 0.0], [1.0, 0.0, 0.0])[1:] == EVERYTHING
    with pytest.raises(ValueError, match="positive mean"):
        ratio([1.0], [0.0])
    with pytest.raises(ValueError, match="the same queries"):
        ratio([1.0], [1.0, 0.5])


@pytest.mark.parametrize("queries", [20, 43, 50, 200, 1000])
@pytest.mark.parametrize("share", [0.05, 0.25, 0.6])
def test_equal_systems_differ_in_no_more_than_one_of_twenty_collections(queries, share):
    runs = 600
    rng = np.random.default_rng([queries, int(share * 100)])
    table = np.clip(rng.normal(0, 0.3, (runs, queries)), -1, 1) * (rng.random((runs, queries)) < share)
    wrong = [low > 0.0 or high < 0.0 for low, high in (mean_interval(row, limits=DIFFERENCE) for row in table)]
    # What one run in a thousand may exceed by chance where 5 % is true.
    assert sum(wrong) <= stats.binom.ppf(0.999, runs, 0.05)
    by_p = [p_value(row, limits=DIFFERENCE) < 0.05 for row in table]
    assert by_p == wrong


@pytest.mark.parametrize("queries", [20, 50, 200, 1000])
@pytest.mark.parametrize("share", [0.05, 0.25, 0.6])
def test_the_true_difference_of_unlike_systems_lies_within_in_nineteen_of_twenty(queries, share):
    runs = 600
    rng = np.random.default_rng([7, queries, int(share * 100)])
    table = np.clip(rng.normal(0.1, 0.3, (runs, queries)), -1, 1) * (rng.random((runs, queries)) < share)
    true = share * float(np.clip(np.random.default_rng(0).normal(0.1, 0.3, 10**6), -1, 1).mean())
    wrong = sum(not low <= true <= high for low, high in (mean_interval(row, limits=DIFFERENCE) for row in table))
    assert wrong <= stats.binom.ppf(0.999, runs, 0.06)


LATTICE = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0])


@given(st.lists(LATTICE, min_size=1, max_size=40), st.sampled_from([0.01, 0.1, 0.4, 0.9]))
def test_equivalence_decides_as_the_interval_at_twice_the_error(values, margin):
    p = equivalence(values, margin, limits=DIFFERENCE)
    assert 0 <= p <= 1
    for factor, within in ((1.01, True), (0.99, False)):
        error = p * factor + (1e-9 if within else -1e-9)
        if 1e-6 < error < 0.499:
            low, high = mean_interval(values, confidence=1 - 2 * error, limits=DIFFERENCE)
            assert (-margin < low and high < margin) == within


@given(many, st.floats(0.01, 1))
def test_equivalence_is_the_larger_of_the_two_tests_of_scipy(values, margin):
    assume(enough(values))
    below = stats.ttest_1samp(values, -margin, alternative="greater").pvalue
    above = stats.ttest_1samp(values, margin, alternative="less").pvalue
    assert equivalence(values, margin) == pytest.approx(max(below, above), abs=1e-12)


@given(st.integers(1, 5), st.integers(1, 60), st.data())
def test_many_p_values_are_those_of_each(rows, queries, data):
    table = np.asarray(
        data.draw(st.lists(st.lists(LATTICE, min_size=queries, max_size=queries), min_size=rows, max_size=rows))
    )
    for limits in (None, DIFFERENCE):
        wanted = [p_value(row, limits=limits) for row in table]
        assert p_values(table, limits=limits) == pytest.approx(wanted, abs=1e-12)


def test_p_values_hardly_differ_from_those_of_randomisations():
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.02, 0.05):
        row = rng.normal(shift, 0.2, 200) * (rng.random(200) < 0.6)
        assert p_value(row, limits=DIFFERENCE) == pytest.approx(paired_randomisation(row, row * 0), abs=0.02)
