"""Curves over drawn queries and processes: by brute force, paired, and covering what they say."""

import numpy as np
import pytest
from scipy import stats

from harness.stats.bootstrap import counts
from harness.stats.curves import drawn_curve
from harness.stats.matching import cost_at_gain, costs_at_gain, ends_of, gain_at_cost, gains_at_cost

LISTS = np.array([1, 2, 4, 8, 16])


def measured(rng, queries, processes, spread=0.02, passes=3):
    """Recall and times of settings on queries that differ in how hard they are; hard ones are slow as well."""
    hard = rng.beta(2, 5, queries)
    recall = rng.binomial(100, 1 - hard ** (1 + np.log2(LISTS)[:, None])) / 100
    own = 1e-4 * LISTS[:, None] * np.exp(0.5 * hard + rng.normal(0, 0.2, queries))
    of_process = np.exp(rng.normal(0, spread, (len(LISTS), processes, 1, 1)))
    noise = np.exp(rng.normal(0, 0.05, (len(LISTS), processes, queries, passes)))
    return recall, own[:, None, :, None] * of_process * noise


def curve(recall, times, seed=0, resamples=400):
    every = np.arange(recall.shape[1])
    return drawn_curve(recall, every, list(times), every, len(every), seed=seed, resamples=resamples)


@pytest.mark.parametrize(("queries", "processes"), [(50, 3), (200, 1), (200, 3)])
def test_intervals_miss_the_truth_about_as_rarely_as_they_say(queries, processes):
    """Of a mean of a skewed sample a percentile bootstrap of 95 % misses up to 9 %, and 1 % at least."""
    recall, times = measured(np.random.default_rng(9), 200_000, 1, spread=0.0, passes=1)
    gains, costs = recall.mean(axis=1), times.mean(axis=(1, 2, 3))
    target, budget = float(gains[2:4].mean()), float(np.sqrt(costs[1] * costs[2]))
    cost, gain = cost_at_gain(costs, gains, target), gain_at_cost(costs, gains, budget)
    rng, missed = np.random.default_rng(queries + processes), np.zeros(2)
    for seed in range(150):
        drawn = curve(*measured(rng, queries, processes, 0.02 if processes > 1 else 0.0), seed=seed)
        low, high = ends_of(costs_at_gain(*drawn, target), 0.95)
        missed[0] += not low <= cost <= high
        low, high = ends_of(gains_at_cost(*drawn, budget), 0.95)
        missed[1] += not low <= gain <= high
    assert (missed <= stats.binom.ppf(0.999, 150, 0.09)).all()
    assert (missed >= stats.binom.ppf(0.001, 150, 0.01)).all()


def test_means_are_over_the_drawn_queries_by_brute_force():
    rng = np.random.default_rng(3)
    recall, times = measured(rng, 12, 1)
    drawn = curve(recall, times, seed=5, resamples=7)
    by_query = times.mean(axis=(1, 3))
    for row, often in enumerate(counts(12, 5, 7)):
        picked = np.repeat(np.arange(12), often)
        assert drawn.gains[row] == pytest.approx(recall[:, picked].mean(axis=1))
        assert drawn.costs[row] == pytest.approx(by_query[:, picked].mean(axis=1))


def test_a_query_that_is_drawn_is_drawn_for_recall_and_time_alike():
    """Recall and time of a query are the same number here, and so are their means, whatever is drawn."""
    values = np.random.default_rng(1).uniform(0.1, 1.0, (2, 40))
    drawn = curve(values, values[:, None, :])
    assert drawn.costs == pytest.approx(drawn.gains)
    assert drawn.costs.std(axis=0).min() > 0.01


def test_queries_without_a_time_or_a_recall_are_left_out_of_that_mean_alone():
    values = np.random.default_rng(2).uniform(0.1, 1.0, (2, 30))
    scored, timed = np.arange(10, 30), np.arange(20)
    drawn = drawn_curve(values[:, scored], scored, list(values[:, None, timed]), timed, 30, resamples=50)
    for row, often in enumerate(counts(30, 0, 50)):
        assert drawn.gains[row] == pytest.approx(np.average(values[:, scored], axis=1, weights=often[scored]))
        assert drawn.costs[row] == pytest.approx(np.average(values[:, timed], axis=1, weights=often[timed]))


def test_a_draw_without_any_timed_query_takes_them_alike():
    values = np.ones((1, 30))
    drawn = drawn_curve(values, np.arange(30), [values[:, None, :1][0]], np.arange(1), 30, resamples=200)
    assert np.isfinite(drawn.costs).all()


def test_processes_that_differ_widen_the_times_alone():
    recall, times = measured(np.random.default_rng(4), 60, 3, spread=0.0)
    slower = times * np.array([0.9, 1.0, 1.1])[None, :, None, None]
    alike, apart = curve(recall, times), curve(recall, slower)
    assert apart.gains.tolist() == alike.gains.tolist()
    assert (apart.costs.std(axis=0) > 2 * alike.costs.std(axis=0)).all()
    # What befalls a process befalls all settings in it: they took turns.
    assert np.corrcoef(np.log(apart.costs[:, 0]), np.log(apart.costs[:, 4]))[0, 1] > 0.9


def test_equal_seeds_give_equal_draws():
    recall, times = measured(np.random.default_rng(6), 20, 2)
    assert curve(recall, times, seed=1).costs.tolist() == curve(recall, times, seed=1).costs.tolist()
    assert curve(recall, times, seed=1).costs.tolist() != curve(recall, times, seed=2).costs.tolist()


@pytest.mark.parametrize("wrong", ["gains", "times", "zero"])
def test_shapes_that_do_not_fit_are_refused(wrong):
    recall, times = measured(np.random.default_rng(7), 20, 2)
    times = list(times)
    if wrong == "gains":
        recall = recall[:3]
    elif wrong == "times":
        times[1] = times[1][:, :5]
    else:
        times[0] = times[0] * 0
    with pytest.raises(ValueError, match=r"needed|positive"):
        curve(recall, times)
