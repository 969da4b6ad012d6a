"""Tests on pairs: against scipy, brute force and simulation."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paired_tests import effect_size, paired_randomisation, paired_t, tost
from scipy import stats

from harness.stats.paired import compare, holm, minimum_detectable_effect
from harness.stats.pareto import pareto_front

FIRST = np.asarray([0.61, 0.34, 0.95, 0.10, 0.77, 0.51, 0.43, 0.88])
SECOND = np.asarray([0.55, 0.36, 0.80, 0.05, 0.70, 0.52, 0.40, 0.71])


def test_randomisation_is_exact_for_few_pairs():
    difference = FIRST - SECOND
    means = [abs(np.mean(difference * signs)) for signs in itertools.product([1, -1], repeat=8)]
    expected = np.mean(np.asarray(means) >= abs(difference.mean()) - 1e-12)
    assert paired_randomisation(FIRST, SECOND) == pytest.approx(expected)


def test_randomisation_keeps_its_level_when_nothing_differs():
    rng = np.random.default_rng(0)
    found = [
        paired_randomisation(rng.normal(size=30), rng.normal(size=30), seed=i, resamples=400) < 0.05 for i in range(300)
    ]
    assert 0.02 <= np.mean(found) <= 0.085


def test_equal_systems_have_p_one():
    assert paired_randomisation(FIRST, FIRST) == 1.0
    assert paired_t(FIRST, FIRST).p_value == 1.0
    assert paired_t(FIRST, FIRST - 1).p_value == pytest.approx(0.0, abs=1e-60)


def test_t_agrees_with_scipy():
    expected = stats.ttest_rel(FIRST, SECOND)
    found = paired_t(FIRST, SECOND)
    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue))


def test_tost_agrees_with_the_interval_within_the_margin():
    """Equivalent at 95 % if and only if the 90 % interval of the difference lies within the margin."""
    interval = stats.ttest_rel(FIRST, SECOND).confidence_interval(0.90)
    assert tost(FIRST, SECOND, interval.high * 1.01).equivalent
    assert not tost(FIRST, SECOND, interval.high * 0.99).equivalent


def test_tost_on_constant_differences_and_bad_margins():
    assert tost(FIRST, FIRST, 0.01).equivalent
    assert not tost(np.ones(3), np.zeros(3), 0.5).equivalent
    assert not tost([1.0], [1.0], 0.5).equivalent
    with pytest.raises(ValueError, match="margin"):
        tost(FIRST, SECOND, 0.0)


def test_effect_size_is_t_over_root_n():
    assert effect_size(FIRST, SECOND) == pytest.approx(paired_t(FIRST, SECOND).statistic / np.sqrt(8))
    assert effect_size(FIRST, FIRST) == 0
    assert effect_size([1.0, 1.0], [0.0, 0.0]) == np.inf


def test_minimum_detectable_effect_is_found_as_often_as_it_says():
    rng = np.random.default_rng(6)
    effect = minimum_detectable_effect(2.0, 40, power=0.8)
    found = [stats.ttest_1samp(rng.normal(effect, 2.0, 40), 0).pvalue < 0.05 for _ in range(1000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)
    with pytest.raises(ValueError, match="2 pairs"):
        minimum_detectable_effect(1.0, 1)


DARWIN = np.asarray([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]) / 8
"""Crossed less self-fertilised maize, inches; Fisher (1935, chapter III) tests them both ways."""
SLEEP = (
    np.asarray([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]),
    np.asarray([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]),
)
"""Student's (1908) hours of sleep, R's data set "sleep"."""


def test_fishers_randomisation_of_darwins_maize():
    assert paired_randomisation(DARWIN, DARWIN * 0, resamples=2**15) == pytest.approx(1726 / 32768)
    found = paired_t(DARWIN, DARWIN * 0)
    assert (found.statistic, found.p_value) == pytest.approx((2.148, 0.0497), abs=5e-4)


def test_r_on_sleep():
    """t.test(extra ~ group, data = sleep, paired = TRUE) prints t = -4.0621, df = 9, p-value = 0.002833."""
    found = paired_t(*SLEEP)
    assert (found.statistic, found.p_value) == pytest.approx((-4.0621, 0.002833), abs=5e-5)
    (one,) = compare((SLEEP[0] - SLEEP[1])[None], 0.5)
    assert (one.low, one.high) == pytest.approx((-2.4598858, -0.7001142), abs=1e-6)


def test_r_power_and_adjustment():
    """pwr.t.test(d = 0.5, power = 0.8, type = "paired") gives n = 33.36713; p.adjust(p, "holm") the other line."""
    assert minimum_detectable_effect(1.0, 33.36713) == pytest.approx(0.5, abs=1e-6)
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


def test_statsmodels_says_the_same():
    """What statsmodels has too: Holm's correction, two one-sided tests, the power of a paired t-test."""
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    power = pytest.importorskip("statsmodels.stats.power")
    rng = np.random.default_rng(5)
    p_values = rng.uniform(0, 0.2, 25)
    assert holm(p_values.tolist()) == pytest.approx(multitest.multipletests(p_values, method="holm")[1].tolist())
    for margin in (0.02, 0.05, 0.1):
        theirs = weightstats.ttost_paired(FIRST, SECOND, -margin, margin)[0]
        assert tost(FIRST, SECOND, margin).p_value == pytest.approx(theirs)
        wider = np.concatenate([FIRST - SECOND, SECOND - FIRST - 0.01])
        (one,) = compare(wider[None], margin)
        theirs = weightstats.ttost_paired(wider, wider * 0, -margin, margin)[0]
        assert one.equivalence == pytest.approx(theirs)
    for n in (5, 40, 500):
        theirs = power.TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8, alternative="two-sided")
        assert minimum_detectable_effect(1.0, n) == pytest.approx(theirs, rel=1e-5)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_never_lowers(p_values):
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    for (p, a), (q, b) in itertools.combinations(zip(p_values, adjusted, strict=True), 2):
        assert (p < q and a <= b) or (p > q and a >= b) or p == q


def test_pareto_by_hand():
    assert pareto_front([1, 2, 2, 3], [5, 5, 7, 6]) == [True, False, True, False]
    assert pareto_front([1, 1], [2, 2]) == [True, True]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_every_point_off_the_front_is_beaten_by_one_on_it(points):
    front = pareto_front([c for c, _ in points], [g for _, g in points])
    assert any(front)
    for (cost, gain), on in zip(points, front, strict=True):
        beaten = any(
            f and c <= cost and g >= gain and (c, g) != (cost, gain) for (c, g), f in zip(points, front, strict=True)
        )
        assert beaten != on


def test_many_comparisons_agree_with_one_by_one():
    rng = np.random.default_rng(9)
    table = rng.normal([[0.0], [0.05], [0.4]], 0.3, (3, 40))
    for row, found in zip(table, compare(table, 0.1), strict=True):
        interval = stats.ttest_1samp(row, 0).confidence_interval()
        assert (found.difference, found.low, found.high) == pytest.approx((row.mean(), interval.low, interval.high))
        assert found.effect == pytest.approx(effect_size(row, row * 0))
        assert found.equivalence == pytest.approx(tost(row, row * 0, 0.1).p_value)
        assert found.detectable == pytest.approx(minimum_detectable_effect(float(row.std(ddof=1)), 40))
        assert found.p_value == pytest.approx(paired_randomisation(row, row * 0), abs=0.03)


def test_comparison_of_constant_differences():
    same, moved = compare(np.stack([np.zeros(30), np.full(30, 0.2)]), 0.1)
    assert (same.difference, same.p_value, same.effect, same.equivalence) == (0, 1, 0, 0)
    assert (moved.effect, moved.equivalence, moved.low, moved.high) == pytest.approx((np.inf, 1, 0.2, 0.2))
    with pytest.raises(ValueError, match="2 queries"):
        compare(np.zeros((1, 1)), 0.1)


def test_equivalence_is_found_as_rarely_as_it_says_at_the_margin():
    """At a true difference of exactly the margin, 5 % are called equivalent."""
    rng = np.random.default_rng(12)
    found = [tost(rng.normal(0.5, 1.0, 60), np.zeros(60), 0.5).equivalent for _ in range(1500)]
    assert 0.035 <= np.mean(found) <= 0.065


def test_interval_of_a_difference_covers_as_often_as_it_says():
    rng = np.random.default_rng(13)
    found = compare(rng.gamma(2.0, 0.1, (1000, 80)) - 0.2, 0.1)
    assert 0.93 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.97
