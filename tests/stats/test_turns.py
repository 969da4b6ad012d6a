"""The ratio of two things timed in turns, on times whose ratio is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.turns import ratio_in_turns


def unrest(rng, pairs=12, passes=9, queries=60):
    """What slows a machine for a while, which falls on both, and what falls on single times."""
    slow = np.exp(np.cumsum(0.3 * rng.standard_normal((pairs, passes, 1)), axis=1))
    own = rng.lognormal(0, 0.5, (1, 1, queries))
    return slow * own * 1e-4


def single(rng, shape, spread=0.15):
    return np.exp(spread * rng.standard_t(3, shape))


def test_a_slowdown_is_seen_through_unrest_that_is_many_times_larger():
    rng = np.random.default_rng(1)
    both = unrest(rng)
    value, low, high = ratio_in_turns(1.05 * both * single(rng, both.shape), both * single(rng, both.shape))
    assert value == pytest.approx(1.05, abs=0.015)
    assert 1 < low < 1.05 < high


def test_one_pair_with_an_unlucky_layout_does_not_matter():
    rng = np.random.default_rng(2)
    both = unrest(rng)
    head = 1.05 * both * single(rng, both.shape)
    head[3] *= 0.7
    value, low, _ = ratio_in_turns(head, both * single(rng, both.shape), confidence=0.99)
    assert value == pytest.approx(1.05, abs=0.015)
    assert low > 1


def test_the_interval_covers_as_often_as_it_says():
    rng, missed = np.random.default_rng(3), 0
    for _ in range(400):
        layout = np.exp(0.02 * rng.standard_t(2, (12, 1, 1)))
        both = np.ones((12, 3, 5))
        _, low, high = ratio_in_turns(layout * both, both, confidence=0.9)
        missed += not low <= 1 <= high
    assert 0 < missed <= 55  # 7.2 are expected in 100 with the order statistics that 0.9 allows of 12


@pytest.mark.parametrize(
    ("pairs", "confidence", "places"),
    [(12, 0.99, (1, 10)), (12, 0.998, (0, 11)), (20, 0.95, (5, 14)), (4, 0.99, (0, 3))],
)
def test_limits_are_the_order_statistics_of_the_sign_test(pairs, confidence, places):
    """Of 12: 2 (1 + 12) / 4096 is 0.6 %, with one place further in 3.9 %; of 20: 4.1 %, further in 11.5 %."""
    ratios = np.exp(np.arange(pairs, dtype=float))
    _, low, high = ratio_in_turns(ratios[:, None, None], np.ones((pairs, 1, 1)), confidence=confidence)
    assert (np.log(low), np.log(high)) == pytest.approx(places)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 14), st.floats(0.1, 10), st.integers(0, 99))
def test_swapping_the_two_inverts_the_ratio_and_units_do_not_matter(pairs, unit, seed):
    rng = np.random.default_rng(seed)
    one, other = rng.lognormal(0, 0.2, (2, pairs, 2, 5))
    value, low, high = ratio_in_turns(one, other)
    swapped = ratio_in_turns(unit * other, unit * one)
    assert (1 / value, 1 / high, 1 / low) == pytest.approx(swapped)
    assert low <= value <= high


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 3, 4), (2, 3, 5)), ((0, 1, 1), (0, 1, 1))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="pairs x passes x queries"):
        ratio_in_turns(*(np.ones(shape) for shape in shapes))


def test_times_of_nothing_are_refused():
    with pytest.raises(ValueError, match="positive"):
        ratio_in_turns(np.zeros((2, 2, 2)), np.ones((2, 2, 2)))
