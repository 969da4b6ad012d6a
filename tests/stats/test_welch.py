"""The ratio of two means of processes: its interval against scipy's, and how often it covers the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.stats.welch import ratio_of_means

SIDES = st.lists(st.floats(0.5, 2.0), min_size=2, max_size=8)


@pytest.mark.parametrize(("head", "base"), [((6, 1.0), (6, 1.0)), ((3, 1.1), (12, 1.0))])
def test_small_spreads_give_the_interval_of_welch(head, base):
    """Where processes differ by 0.01 %, a difference of means divided by the mean is that of their logs."""
    rng = np.random.default_rng(1)
    first, second = (level + 1e-4 * rng.standard_normal(count) for count, level in (head, base))
    _, low, high = ratio_of_means(first, second, confidence=0.99)
    expected = stats.ttest_ind(np.log(first), np.log(second), equal_var=False).confidence_interval(0.99)
    assert (math.log(low), math.log(high)) == pytest.approx((expected.low, expected.high), rel=1e-3)


@given(SIDES, SIDES)
def test_sides_changed_round_turn_the_interval_round(head, base):
    value, low, high = ratio_of_means(head, base)
    back, back_low, back_high = ratio_of_means(base, head)
    assert low <= value <= high
    assert (back, 1 / back_high, 1 / back_low) == pytest.approx((1 / value, low, high))


@pytest.mark.parametrize("processes", [2, 3, 10])
def test_equal_sides_are_told_apart_as_rarely_as_promised(processes):
    """1,000 pairs of equal sides at 95 %: at most 50 misses and three standard deviations of chance."""
    rng = np.random.default_rng(processes)
    misses = 0
    for _ in range(1000):
        head, base = np.exp(rng.normal(0, 0.02, (2, processes)))
        _, low, high = ratio_of_means(head, base)
        misses += not low <= 1 <= high
    assert misses <= 50 + 3 * math.sqrt(1000 * 0.05 * 0.95)


def test_equal_values_have_an_interval_of_no_width():
    assert ratio_of_means([2.0, 2.0], [1.0, 1.0, 1.0]) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("bad", [[1.0], [], [1.0, 0.0], [1.0, -1.0], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0]]])
def test_what_has_no_ratio_is_refused(bad):
    for sides in ((bad, [1.0, 2.0]), ([1.0, 2.0], bad)):
        with pytest.raises(ValueError, match="positive, finite"):
            ratio_of_means(*sides)
