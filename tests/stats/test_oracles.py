"""Statistics against brute force, scipy and exact arithmetic, over drawn and degenerate data."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.stats.bootstrap import counts, weights
from harness.stats.levels import drawn_percentiles, hierarchical, percentile_ratio
from harness.stats.matching import cost_at_gain, matched_cost
from harness.stats.paired import (
    compare,
    holm,
    minimum_detectable_effect,
)
from harness.stats.pareto import pareto_front
from harness.stats.samples import table, tables
from harness.stats.scaling import FORMS, choose, fit, held_out, predict


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=10, max_size=30), st.integers(0, 99))
def test_t_tests_and_effects_are_scipys(values, seed):
    first = np.asarray(values)
    second = np.random.default_rng(seed).normal(0, 1, len(first))
    assume(np.ptp(first - second) > 1e-6)
    difference = first - second
    (found,) = compare(difference[None], 1.0, confidence=0.9)
    interval = stats.ttest_rel(first, second).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.difference == pytest.approx(difference.mean())
    assert found.effect == pytest.approx(difference.mean() / difference.std(ddof=1))


@settings(max_examples=40, deadline=None)
@given(st.integers(10, 40), st.floats(0.05, 2), st.integers(0, 99))
def test_equivalence_is_the_larger_of_two_one_sided_tests(count, margin, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0.1, 1, (2, count))
    difference = first - second
    above = stats.ttest_1samp(difference, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(difference, margin, alternative="less").pvalue
    (found,) = compare(difference[None], margin)
    assert found.equivalence == pytest.approx(max(above, below))
    low, high = stats.ttest_1samp(difference, 0).confidence_interval(0.9)
    assert (found.equivalence < 0.05) == (-margin < low and high < margin)


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan")])
def test_equivalence_needs_a_margin(margin):
    with pytest.raises(ValueError, match="margin"):
        compare(np.ones((1, 5)), margin)


@given(st.integers(3, 500), st.floats(0.1, 10))
def test_the_detectable_effect_grows_with_the_spread_and_falls_with_the_queries(count, spread):
    unit = minimum_detectable_effect(1.0, count)
    assert minimum_detectable_effect(spread, count) == pytest.approx(spread * unit)
    assert minimum_detectable_effect(1.0, count + 1) < unit


@pytest.mark.parametrize("count", [5, 20, 100])
def test_the_detectable_effect_has_the_power_that_it_promises(count):
    """By the noncentral t distribution itself."""
    effect = minimum_detectable_effect(1.0, count)
    critical, shift = stats.t.ppf(0.975, count - 1), effect * math.sqrt(count)
    power = stats.nct.sf(critical, count - 1, shift) + stats.nct.cdf(-critical, count - 1, shift)
    assert power == pytest.approx(0.8, abs=1e-4)


@given(st.lists(st.fractions(0, 1), min_size=1, max_size=8))
def test_holm_is_the_step_down_rule(p_values):
    """Rejected at a level are the smallest ones as long as each is at most level / how many are left."""
    adjusted = holm([float(p) for p in p_values])
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    for level in (Fraction(1, 100), Fraction(1, 20), Fraction(1, 2)):
        rejected = set()
        for rank, place in enumerate(order):
            if p_values[place] * (len(p_values) - rank) > level:
                break
            rejected.add(place)
        for place, value in enumerate(adjusted):
            if abs(value - float(level)) > 1e-12:
                assert (value <= float(level)) == (place in rejected)


POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=15)


@given(POINTS)
def test_the_front_rises_and_covers_all(points):
    costs, gains = zip(*points, strict=True)
    front = [point for point, on in zip(points, pareto_front(costs, gains), strict=True) if on]
    ordered = sorted(set(front))
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(ordered))
    assert all(any(c <= cost and g >= gain for c, g in front) for cost, gain in points)


def test_a_front_of_unequal_lists_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        pareto_front([1, 2], [1])


@given(st.integers(1, 30), st.integers(0, 5), st.integers(1, 20))
def test_drawn_counts_add_up_and_their_shares_too(queries, seed, resamples):
    found = counts(queries, seed, resamples)
    assert found.shape == (resamples, queries)
    assert (found.sum(axis=1) == queries).all()
    assert weights(queries, seed, resamples).sum(axis=1) == pytest.approx(1)


def test_counts_are_those_of_plain_drawing():
    drawn = np.random.default_rng(7).integers(11, size=(50, 11))
    wanted = [np.bincount(row, minlength=11) for row in drawn]
    np.testing.assert_array_equal(counts(11, 7, 50), wanted)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1, 1e4), st.floats(0, 1)), min_size=1, max_size=7, unique_by=lambda p: p[0]),
    st.floats(0, 1),
)
def test_the_cost_of_a_gain_is_walked_along_the_front(members, target):
    """By brute force: the cheapest place on the line through those that gain more than all cheaper ones."""
    ordered, best = [], -1.0
    for cost, gain in sorted(members):
        if gain > best:
            ordered.append((cost, gain))
            best = gain
    wanted = math.inf
    if target <= ordered[0][1]:
        wanted = ordered[0][0]
    else:
        for (c0, g0), (c1, g1) in itertools.pairwise(ordered):
            if g0 < target <= g1:
                assume(g1 - g0 > 1e-6)
                wanted = math.exp(math.log(c0) + (math.log(c1) - math.log(c0)) * (target - g0) / (g1 - g0))
    costs, gains = zip(*members, strict=True)
    assert cost_at_gain(costs, gains, target) == pytest.approx(wanted, rel=1e-6)


def test_matched_costs_without_chance_are_points():
    gains = np.asarray([[0.2] * 10, [0.4] * 10])
    found = matched_cost([100, 400], gains, np.full(10, 0.3), 50.0, resamples=50)
    assert found.cost == pytest.approx((200, 200, 200))
    assert found.ratio == pytest.approx((4, 4, 4))


def test_a_percentile_ratio_turns_with_the_two_and_ignores_units():
    rng = np.random.default_rng(5)
    first, second = np.exp(rng.normal(0, 0.2, (2, 4, 30, 3)))
    for q in (0.5, 0.9):
        value, low, high = percentile_ratio(first, second, q, resamples=50)
        turned = percentile_ratio(second * 7, first * 7, q, resamples=50)
        assert (1 / value, 1 / high, 1 / low) == pytest.approx(turned, rel=1e-6)


def test_levels_do_not_mind_the_order_of_processes():
    rng = np.random.default_rng(6)
    times = np.exp(rng.normal(0, 0.3, (4, 25, 2)))
    one = hierarchical(times, {"p50": 0.5}, resamples=50)
    other = hierarchical(times[::-1], {"p50": 0.5}, resamples=50)
    assert one["p50"] == pytest.approx(other["p50"])
    assert one["mean"][0] == pytest.approx(other["mean"][0])


def test_drawn_percentiles_of_equal_systems_are_equal():
    times = np.exp(np.random.default_rng(7).normal(0, 0.3, (3, 40, 2)))
    drawn = drawn_percentiles([times, times, 3 * times], 0.5, resamples=100)
    assert drawn.shape == (100, 3)
    np.testing.assert_array_equal(drawn[:, 0], drawn[:, 1])
    assert drawn[:, 2] == pytest.approx(3 * drawn[:, 0])
    with pytest.raises(ValueError, match="the same number of queries"):
        drawn_percentiles([times, times[:, 1:]], 0.5)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
def test_rows_in_any_order_make_the_same_table(processes, queries, repeats, seed):
    rng = np.random.default_rng(seed)
    cube = rng.random((processes, queries, repeats))
    process, query, repeat = (axis.ravel() for axis in np.indices(cube.shape, dtype=np.int32))
    order = np.lexsort((repeat, rng.random((processes, queries))[process, query]))  # repeats keep their order
    names, asked = process[order] * 3 + 1, query[order] * 5
    np.testing.assert_array_equal(table(names, asked, cube.ravel()[order]), cube)
    both = tables(names, asked, cube.ravel()[order], -cube.ravel()[order])
    np.testing.assert_array_equal(both[1], -cube)


@pytest.mark.parametrize(
    ("process", "query"), [([], []), ([0, 0, 1], [0, 1, 0]), ([0, 0, 1, 1], [0, 1, 0, 0]), ([0, 0, 0, 1], [0, 0, 1, 1])]
)
def test_a_table_with_holes_is_refused(process, query):
    with pytest.raises(ValueError, match="every process must have timed"):
        table(np.asarray(process, np.int32), np.asarray(query, np.int32), np.ones(len(query)))


SIZES = [100, 300, 1000, 3000, 10_000]


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 100), st.floats(0.01, 10))
def test_an_exact_law_is_found_again(a, b):
    affine = fit(SIZES, [a + b * n for n in SIZES], "affine")
    assert affine.at(50_000) == pytest.approx(a + b * 50_000, rel=1e-6)
    exponent = 0.2 + b / 10
    power = fit(SIZES, [a * n**exponent for n in SIZES], "power")
    assert (power.a, power.b) == pytest.approx((a, exponent), rel=1e-6)
    for law in (affine, power):
        found = predict(law, 50_000)
        assert found.low <= found.value <= found.high
        assert found.high / found.low == pytest.approx(1, abs=1e-6)


def test_a_cost_neither_falls_nor_begins_below_nothing():
    falling = fit(SIZES, [10 - n / 2000 for n in SIZES], "affine")
    assert falling.b == 0
    assert falling.a > 0
    below = fit(SIZES, [n**1.5 for n in SIZES], "affine")
    assert below.a == 0
    assert below.b > 0


def test_the_form_that_foretells_the_largest_is_chosen():
    assert choose(SIZES, [3 * n**0.5 for n in SIZES]).form == "power"
    assert choose(SIZES, [500 + 2 * n for n in SIZES]).form == "affine"
    assert choose(SIZES[:3], [3 * n**0.5 for n in SIZES[:3]]).form == "affine"


def test_a_held_out_size_is_foretold_from_the_smaller_ones():
    values = [500 + 2 * n for n in SIZES]
    found, real, error = held_out(SIZES, [*values[:-1], values[-1] * 2])
    assert (found.size, real) == (10_000, values[-1] * 2)
    assert found.value == pytest.approx(values[-1])
    assert error == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="three different sizes"):
        held_out(SIZES, values, share=0.05)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("sizes", "values"),
    [([1, 2], [1, 2]), ([1, 1, 2], [1, 1, 2]), ([1, 2, 3], [1, 2]), ([0, 1, 2], [1, 1, 1]), ([1, 2, 3], [1, 0, 1]),
     ([1, 2, 3], [1, math.nan, 1]), ([1, 2, math.inf], [1, 1, 1])],
)  # fmt: skip
def test_what_no_law_can_be_fitted_to_is_refused(form, sizes, values):
    with pytest.raises(ValueError, match="sizes"):
        fit(sizes, values, form)


@pytest.mark.parametrize("form", FORMS)
def test_a_prediction_covers_a_new_measurement_as_often_as_it_says(form):
    """A reduced simulation: 5 sizes with 5 % of noise; the next one falls into the interval 90 times in 100."""
    rng, hits, trials = np.random.default_rng(8), 0, 400
    truth = [10 + 0.1 * n if form == "affine" else 2 * n**0.8 for n in (*SIZES, 30_000)]
    for _ in range(trials):
        seen = np.asarray(truth) * np.exp(rng.normal(0, 0.05, 6))
        found = predict(fit(SIZES, seen[:5].tolist(), form), 30_000, confidence=0.9)
        hits += found.low <= seen[5] <= found.high
    assert 0.85 <= hits / trials <= 0.94
