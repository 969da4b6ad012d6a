"""Cost at equal quality: by hand, and covering what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.levels import drawn_percentiles
from harness.stats.matching import cost_at_gain, costs_at_gain, ends_of, gain_at_cost, gains_at_cost, matched_cost


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


@given(
    st.integers(1, 6).flatmap(
        lambda members: st.lists(
            st.lists(st.tuples(st.sampled_from([1.0, 2.0, 3.5, 8.0]), st.sampled_from([0.1, 0.4, 0.5, 0.9])),
                     min_size=members, max_size=members),
            min_size=1, max_size=5,
        )
    ),
    st.floats(0.5, 9.0),
    st.floats(0.0, 1.0),
)  # fmt: skip
def test_many_draws_at_once_give_what_each_gives(draws, budget, target):
    costs, gains = np.moveaxis(np.asarray(draws), -1, 0)
    assert gains_at_cost(costs, gains, budget) == pytest.approx(
        [gain_at_cost(c, g, budget) for c, g in zip(costs, gains, strict=True)]
    )
    assert costs_at_gain(costs, gains, target) == pytest.approx(
        [cost_at_gain(c, g, target) for c, g in zip(costs, gains, strict=True)]
    )


@pytest.mark.parametrize(("confidence", "ends"), [(0.9, (4.0, 94.0)), (0.5, (24.0, 74.0)), (0.99, (0.0, np.inf))])
def test_ends_are_draws(confidence, ends):
    drawn = np.random.default_rng(1).permutation([*range(99), np.inf])
    assert ends_of(drawn, confidence) == ends


def test_the_gain_of_a_budget_by_hand():
    costs, gains = [100, 400, 1600], [0.2, 0.4, 0.5]
    assert gain_at_cost(costs, gains, 200) == pytest.approx(0.3)  # half way on the logarithm
    assert gain_at_cost(costs, gains, 400) == pytest.approx(0.4)
    assert gain_at_cost(costs, gains, 5000) == pytest.approx(0.5)
    assert gain_at_cost(costs, gains, 99) == -np.inf
    assert gain_at_cost([], [], 99) == -np.inf
    assert gain_at_cost([100, 200, 400, 400], [0.2, 0.1, 0.1, 0.4], 200) == pytest.approx(0.3)


@given(
    st.lists(st.tuples(st.floats(1, 1e6), st.floats(0, 1)), min_size=1, max_size=8, unique_by=lambda p: p[0]),
    st.floats(0.5, 2e6),
)
def test_the_gain_of_a_budget_is_the_most_that_costs_no_more(members, budget):
    costs, gains = zip(*members, strict=True)
    gain = gain_at_cost(costs, gains, budget)
    affordable = [g for c, g in members if c <= budget]
    if not affordable:
        assert gain == -np.inf
        return
    assert max(affordable) <= gain <= max(gains)
    assert cost_at_gain(costs, gains, gain - 1e-12) <= budget * (1 + 1e-6)
    if gain + 1e-6 <= max(gains):
        assert cost_at_gain(costs, gains, gain + 1e-6) > budget * (1 - 1e-9)


def test_interval_covers_as_often_as_it_says():
    """Members whose true gain is linear in log cost; the truth at the target's true gain is known."""
    rng = np.random.default_rng(8)
    costs = np.asarray([100.0, 200.0, 400.0, 800.0])
    truth, hits, trials = 100 * 2**1.5, 0, 400
    for trial in range(trials):
        hard = rng.normal(0, 0.2, 120)
        gains = 0.3 + 0.05 * np.arange(4)[:, None] + hard + rng.normal(0, 0.08, (4, 120))
        target = 0.3 + 0.05 * 1.5 + hard + rng.normal(0, 0.08, 120)
        found = matched_cost(costs, gains, target, 1000.0, seed=trial, resamples=400)
        hits += found.cost[1] <= truth <= found.cost[2]
        assert found.ratio == pytest.approx([value / 1000 for value in found.cost])
    assert 0.93 <= hits / trials <= 0.975


@pytest.mark.parametrize("drift", [0.0, 0.03], ids=["processes apart", "processes drift together"])
def test_interval_carries_the_chance_in_the_times(drift):
    """Times whose true median is known, by queries of different lengths and processes that differ.

    Quality is nearly certain here, so that an interval of quality alone misses the truth most of the time.
    """
    rng = np.random.default_rng(9)
    costs = np.asarray([100.0, 200.0, 400.0, 800.0, 500.0])  # the last one is the system to be equalled
    truth, trials, hits, ratios, without = 100 * 2**1.5, 400, 0, 0, 0
    for trial in range(trials):
        common = rng.normal(0, 0.3, (1, 120, 1)) + rng.normal(0, drift, (3, 1, 1))
        tables = [
            cost * np.exp(common + rng.normal(0, 0.02, (3, 1, 1)) + rng.normal(0, 0.1, (3, 120, 2))) for cost in costs
        ]
        seen = [float(np.quantile(table.reshape(3, -1), 0.5, axis=1).mean()) for table in tables]
        hard = rng.normal(0, 0.2, 120)
        gains = 0.3 + 0.05 * np.arange(4)[:, None] + hard + rng.normal(0, 0.01, (4, 120))
        target = 0.3 + 0.05 * 1.5 + hard + rng.normal(0, 0.01, 120)
        drawn = drawn_percentiles(tables, 0.5, seed=trial, resamples=400)
        asked = {"seed": trial, "resamples": 400}
        found = matched_cost(seen[:4], gains, target, seen[4], drawn=drawn, **asked)
        alone = matched_cost(seen[:4], gains, target, seen[4], **asked)
        hits += found.cost[1] <= truth <= found.cost[2]
        ratios += found.ratio[1] <= truth / 500 <= found.ratio[2]
        without += alone.cost[1] <= truth <= alone.cost[2]
        assert found.cost[0] == alone.cost[0]
    assert 0.92 <= hits / trials <= 0.98
    assert 0.92 <= ratios / trials <= 0.99
    assert without / trials < 0.75


def test_out_of_reach_is_infinite_and_shapes_are_checked():
    rng = np.random.default_rng(0)
    gains = rng.normal(0.2, 0.01, (2, 50))
    assert matched_cost([10, 20], gains, rng.normal(0.9, 0.01, 50), 5) == ((np.inf,) * 3, (np.inf,) * 3)
    with pytest.raises(ValueError, match="positive"):
        matched_cost([0, 20], gains, gains[0], 5)
    with pytest.raises(ValueError, match="queries"):
        matched_cost([10, 20], gains, gains[0][:-1], 5)
    with pytest.raises(ValueError, match="drawn"):
        matched_cost([10, 20], gains, gains[0], 5, drawn=np.ones((1000, 2)))
