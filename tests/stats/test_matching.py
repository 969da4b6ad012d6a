"""Cost at equal quality: by hand, and covering what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import cost_at_gain, matched_cost


def test_by_hand():
    costs, gains = [100, 400, 1600], [0.2, 0.4, 0.5]
    assert cost_at_gain(costs, gains, 0.3) == pytest.approx(200)  # half way on the logarithm
    assert cost_at_gain(costs, gains, 0.4) == pytest.approx(400)
    assert cost_at_gain(costs, gains, 0.45) == pytest.approx(800)
    assert cost_at_gain(costs, gains, 0.1) == pytest.approx(100)
    assert cost_at_gain(costs, gains, 0.51) == np.inf


def test_members_that_gain_nothing_for_their_cost_are_left_out():
    assert cost_at_gain([100, 200, 400], [0.2, 0.1, 0.4], 0.3) == cost_at_gain([100, 400], [0.2, 0.4], 0.3)
    assert cost_at_gain([400, 100, 200], [0.4, 0.2, 0.1], 0.3) == pytest.approx(200)


@given(
    st.lists(st.tuples(st.floats(1, 1e6), st.floats(0, 1)), min_size=1, max_size=8, unique_by=lambda p: p[0]),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_more_gain_never_costs_less(members, first, second):
    costs, gains = zip(*members, strict=True)
    low, high = sorted((first, second))
    assert cost_at_gain(costs, gains, low) <= cost_at_gain(costs, gains, high) * (1 + 1e-9)
    reached = cost_at_gain(costs, gains, low)
    assert reached == np.inf or min(costs) * (1 - 1e-9) <= reached <= max(costs) * (1 + 1e-9)


def test_interval_covers_as_often_as_it_says():
    """Members whose true gain is linear in log cost; the truth at the target's true gain is known."""
    rng = np.random.default_rng(8)
    costs = np.asarray([100.0, 200.0, 400.0, 800.0])
    truth, hits, trials = 100 * 2**1.5, 0, 400
    for trial in range(trials):
        hard = rng.normal(0, 0.2, 120)
        gains = 0.3 + 0.05 * np.arange(4)[:, None] + hard + rng.normal(0, 0.08, (4, 120))
        found = matched_cost(
            costs, gains, 0.3 + 0.05 * 1.5 + hard + rng.normal(0, 0.08, 120), seed=trial, resamples=400
        )
        hits += found.low <= truth <= found.high
    assert 0.93 <= hits / trials <= 0.975


def test_out_of_reach_is_infinite_and_shapes_are_checked():
    rng = np.random.default_rng(0)
    gains = rng.normal(0.2, 0.01, (2, 50))
    assert matched_cost([10, 20], gains, rng.normal(0.9, 0.01, 50)) == (np.inf, np.inf, np.inf)
    with pytest.raises(ValueError, match="positive"):
        matched_cost([0, 20], gains, gains[0])
    with pytest.raises(ValueError, match="queries"):
        matched_cost([10, 20], gains, gains[0][:-1])
