"""Two levels, processes and queries: known answers, and intervals that cover what they say."""

import numpy as np
import pytest

from harness.stats import levels as levels_module
from harness.stats.levels import drawn_percentiles, hierarchical, percentile_ratio, smallest_effect


def simulated(rng, base, processes, repeats, *, spread=0.03, noise=0.05):
    """Log-normal times of these queries in processes that differ by `spread`."""
    shape = (processes, len(base), repeats)
    logs = base[None, :, None] + rng.normal(0, spread, (processes, 1, 1)) + rng.normal(0, noise, shape)
    return np.exp(logs)


def test_values_are_numpys_quantiles_averaged_over_processes():
    table = np.random.default_rng(1).gamma(2.0, size=(3, 50, 2))
    found = hierarchical(table, {"p50": 0.5, "p90": 0.9}, resamples=20)
    rows = table.reshape(3, -1)
    assert found["p90"][0] == pytest.approx(np.quantile(rows, 0.9, axis=1).mean())
    assert found["mean"][0] == pytest.approx(table.mean())
    assert all(low <= value <= high for value, low, high in found.values())


def test_three_processes_cover_as_often_as_they_say():
    """Where processes differ most, resampling three of them would cover 67 %."""
    rng = np.random.default_rng(4)
    trials, hits = 200, 0
    truth = np.exp((0.3**2 + 0.15**2 + 0.05**2) / 2)
    for trial in range(trials):
        table = simulated(rng, rng.normal(0, 0.3, 60), 3, 1, spread=0.15)
        _, low, high = hierarchical(table, {}, seed=trial, resamples=100)["mean"]
        hits += low <= truth <= high
    assert 0.92 <= hits / trials <= 0.99


def test_a_system_against_itself_shows_no_difference_more_often_than_it_may():
    rng = np.random.default_rng(8)
    trials, false = 120, 0
    for trial in range(trials):
        base = rng.normal(0, 0.5, 80)
        first, second = simulated(rng, base, 4, 2), simulated(rng, base, 4, 2)
        _, low, high = percentile_ratio(first, second, 0.5, seed=trial, resamples=60)
        false += not low <= 1 <= high
    assert false / trials <= 0.08


def test_a_true_slowdown_is_found():
    rng = np.random.default_rng(9)
    found = 0
    for trial in range(20):
        base = rng.normal(0, 0.5, 100)
        first = 1.05 * simulated(rng, base, 5, 2, spread=0.005)
        value, low, _ = percentile_ratio(first, simulated(rng, base, 5, 2, spread=0.005), None, seed=trial)
        found += low > 1
        assert value == pytest.approx(1.05, abs=0.03)
    assert found >= 18


def test_drift_that_hits_neighbours_alike_cancels():
    rng = np.random.default_rng(10)
    base, drift = rng.normal(0, 0.5, 100), np.asarray([1.0, 1.3, 1.7, 2.2])[:, None, None]
    first = drift * simulated(rng, base, 4, 1, spread=0.0)
    second = drift * simulated(rng, base, 4, 1, spread=0.0)
    _, low, high = percentile_ratio(first, second, 0.5)
    assert high / low < 1.2
    # With another number of processes there is no pairing, and the drift is in the interval.
    _, low, high = percentile_ratio(first, second[:3], 0.5)
    assert high / low > 1.5


def turns(rng, *, passes=9, processes=8, slower=1.0, spread=0.5, between=0.004):
    """Two systems that took turns on a machine whose speed wanders from pass to pass, with bursts on single queries."""
    base = rng.normal(0, spread, 60)[None, :, None]
    drift = np.cumsum(rng.normal(0, 0.1, (processes, 1, passes)), axis=2)
    sides = []
    for factor in (slower, 1.0):
        own = rng.normal(0, between, (processes, 1, 1)) + rng.normal(0, 0.02, (processes, 1, passes))
        burst = (rng.random((processes, 60, passes)) < 0.05) * rng.exponential(2, (processes, 60, passes))
        noise = rng.normal(0, 0.03, (processes, 60, passes))
        sides.append(factor * np.exp(base + drift + own + noise + burst))
    return sides


@pytest.mark.parametrize("kind", [{}, {"spread": 0.0, "between": 0.013}], ids=["queries differ", "queries alike"])
def test_turns_on_a_wandering_machine_show_small_effects_and_few_false_ones(kind):
    rng = np.random.default_rng(12)
    trials, false, found, wide = 100, 0, 0, []
    for trial in range(trials):
        _, low, high = percentile_ratio(*turns(rng, **kind), 0.5, seed=trial, resamples=40)
        false += not low <= 1 <= high
        _, least, _ = percentile_ratio(*turns(rng, slower=1.05, **kind), 0.5, seed=trial, resamples=40)
        found += least > 1
        wide.append(high / low - 1)
    assert false / trials <= 0.07
    assert found / trials >= 0.95
    assert np.median(wide) < 0.06


def test_passes_are_compared_with_their_neighbours_alone():
    """One system is twice as slow in every pass; the machine is ten times as slow in some of them."""
    speed = np.asarray([1.0, 10.0, 1.0, 10.0, 10.0])[None, None, :]
    one = np.linspace(1, 2, 20)[None, :, None] * speed * np.ones((2, 1, 1))
    assert percentile_ratio(2 * one, one, 0.5) == pytest.approx((2.0, 2.0, 2.0))
    late = one[:, :, [0, 1, 2, 4, 3]]
    late[0, :, 0] *= 50  # a burst in one pass of one process
    assert percentile_ratio(late, one, 0.5)[0] == pytest.approx(1.0)
    assert percentile_ratio(late, one, None)[0] > 1.3  # the mean is that of all times


@pytest.mark.parametrize("shape", [(2, 31), (3, 40, 2), (1, 1, 4), (2, 7, 1)])
def test_resampling_by_counting_is_resampling(shape):
    """Against drawing the columns and sorting them anew, as it is defined."""
    times = np.random.default_rng(1).lognormal(0, 1, shape)
    levels = np.asarray([0.5, 0.9, 0.99])
    found = levels_module._resampled(times, levels, 5, 50)
    columns = np.random.default_rng(5).integers(shape[1], size=(50, shape[1]))
    anew = [levels_module._by_process(times[:, drawn], levels) for drawn in columns]
    assert found == pytest.approx(np.asarray(anew), rel=1e-12)


def test_one_process_covers_the_queries_alone():
    base = np.random.default_rng(3).normal(0, 0.5, 400)
    value, low, high = percentile_ratio(np.exp(base) * 2, np.exp(base), 0.9)
    assert (value, low, high) == pytest.approx((2.0, 2.0, 2.0))


@pytest.mark.parametrize("bad", [[[1.0, np.nan]], [[1.0, 0.0]], [[]]])
def test_missing_times_are_refused(bad):
    with pytest.raises(ValueError, match="positive times"):
        hierarchical(np.asarray(bad), {})


def test_other_queries_are_refused():
    with pytest.raises(ValueError, match="same queries"):
        percentile_ratio(np.ones((2, 3)), np.ones((2, 4)), None)


def test_smallest_effect_is_the_farther_limit():
    assert smallest_effect((1.01, 0.98, 1.05)) == pytest.approx(0.05)
    assert smallest_effect((0.99, 0.93, 1.02)) == pytest.approx(0.07)
    assert smallest_effect((1.0, 1.0, 1.0)) == 0


@pytest.mark.parametrize(("q", "queries"), [(0.5, 300), (0.95, 1000)])
def test_drawn_percentiles_move_as_those_of_drawn_queries_do(q, queries):
    """Against sorting every resample anew, draw by draw, in one process: the processes' part is left out."""
    rng = np.random.default_rng(5)
    times = np.exp(rng.normal(0, 0.4, (1, queries, 1)) + rng.normal(0, 0.1, (1, queries, 2)))
    found = drawn_percentiles([times], q, seed=3, resamples=500)[:, 0]
    columns = np.random.default_rng(3).integers(queries, size=(500, queries))
    anew = np.asarray([np.quantile(times[0, drawn], q) for drawn in columns])
    assert np.corrcoef(found, anew)[0, 1] > 0.9
    assert found.std() == pytest.approx(anew.std(), rel=0.1)
    assert np.median(found) == pytest.approx(np.median(anew), rel=0.01)


def test_drawn_percentiles_have_the_interval_of_the_percentile():
    rng = np.random.default_rng(6)
    times = np.exp(rng.normal(0, 0.4, (1, 300, 1)) + rng.normal(0, 0.05, (4, 1, 1)) + rng.normal(0, 0.1, (4, 300, 2)))
    value, low, high = hierarchical(times, {"p50": 0.5}, seed=1)["p50"]
    drawn = drawn_percentiles([times], 0.5, seed=1, resamples=4000)[:, 0]
    assert np.median(drawn) == pytest.approx(value, rel=0.02)
    reach = np.log(np.quantile(drawn, [0.025, 0.975]) / value)
    assert reach == pytest.approx(np.log([low / value, high / value]), rel=0.2)


def test_drawn_percentiles_of_systems_in_turns_move_together():
    """What both systems share (queries, what a process met) cancels in their ratio."""
    rng = np.random.default_rng(7)
    base = np.exp(rng.normal(0, 0.4, (3, 200, 1)) + rng.normal(0, 0.1, (3, 1, 1)))
    one, other = drawn_percentiles([base, 2 * base], 0.5).T
    assert other / one == pytest.approx(2.0)
    assert np.log(one).std() > 0.05
