"""Steps and drift: series with known answers, and simulated nights with heavy tails, correlation and new machines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nights import Kind, alarms, simulate

from harness.stats.changes import ALARM, drift, newest, noise, steps


def quiet(rng, count, sd=0.01):
    return 1 + sd * rng.standard_normal(count)


def test_a_step_is_placed_and_sized():
    values = quiet(np.random.default_rng(1), 60)
    values[35:] *= 1.08
    (step,) = steps(values)
    assert (step.first, step.last_before) == (35, 34)
    assert step.detected <= 38
    assert step.change == pytest.approx(0.08, abs=0.02)
    assert step.score > ALARM


def test_steps_up_and_down_are_all_found():
    values = quiet(np.random.default_rng(2), 120)
    values[30:70] *= 1.1
    values[90:] *= 0.8
    assert [(s.first, s.score > 0) for s in steps(values)] == [(30, True), (70, False), (90, False)]


def test_outliers_are_no_steps():
    values = quiet(np.random.default_rng(3), 80)
    values[[20, 33, 50, 51, 79]] *= [1.5, 3.0, 1.4, 0.5, 10.0]
    assert steps(values) == []


def test_a_constant_series_and_a_step_in_it():
    assert steps(np.full(50, 3.0)) == []
    values = np.full(50, 3.0)
    values[40:] = 3.3
    (step,) = steps(values)
    assert (step.first, step.before, step.after) == (40, 3.0, 3.3)


def test_another_machine_is_another_series():
    rng = np.random.default_rng(4)
    labels = ["a"] * 20 + ["b"] * 20 + ["a"] * 20
    values = quiet(rng, 60)
    values[20:40] *= 1.3
    assert len(steps(values)) == 2
    assert steps(values, labels) == []
    # On its return the first machine goes on with its own nights: a step then is measured against those.
    values[45:] *= 1.1
    (step,) = steps(values, labels)
    assert (step.first, step.last_before) == (45, 44)
    values[40:45] *= 1.1
    (step,) = steps(values, labels)
    assert (step.first, step.last_before) == (40, 19)


def test_too_few_nights_say_nothing():
    assert steps([1, 1, 1, 1, 9, 9, 9, 9]) == []
    assert newest(np.ones(3)) is None
    assert drift(np.ones(20), worse=1) is None


@pytest.mark.parametrize(("values", "labels"), [([1, np.nan], None), ([1, 2], ["a"]), ([[1, 2]], None)])
def test_bad_series_are_refused(values, labels):
    with pytest.raises(ValueError, match="finite values"):
        steps(values, labels)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0.5, 2), min_size=0, max_size=50),
    st.floats(1e-9, 1e9),
    st.integers(0, 3),
)
def test_units_do_not_matter(values, factor, machines):
    labels = [str(i % (machines + 1)) for i in range(len(values))]
    found, scaled = steps(values, labels), steps(np.asarray(values) * factor, labels)
    assert [(s.first, s.detected) for s in found] == [(s.first, s.detected) for s in scaled]
    for step in found:
        assert step.last_before < step.first <= step.detected
        assert labels[step.first] == labels[step.detected] == labels[step.last_before]


def test_sums_of_correlated_nights_spread_as_computed():
    rng = np.random.default_rng(5)
    r, nights = 0.6, 5
    series = np.zeros((4000, 40))
    for night in range(1, 40):
        series[:, night] = r * series[:, night - 1] + rng.standard_normal(4000) * np.sqrt(1 - r * r)
    kind = noise(series[0] + 10)
    exact = type(kind)(0.0, 1.0, r)
    seen = series[:, -nights:].sum(axis=1).std()
    assert exact.of_sum(np.asarray([float(nights)]))[0] == pytest.approx(seen, rel=0.04)


def test_slow_drift_is_found_where_no_step_is():
    rng = np.random.default_rng(6)
    values = quiet(rng, 150) * np.exp(0.0006 * np.arange(150))
    found = drift(values, worse=1)
    assert found is not None
    assert found.change > 0.05
    assert found.best_at < 60
    assert drift(values, worse=-1) is None
    assert drift(quiet(rng, 150), worse=1) is None


def test_drift_is_measured_from_the_best_not_from_the_start():
    rng = np.random.default_rng(7)
    values = quiet(rng, 150)
    values[40:60] *= 0.9
    found = drift(values, worse=1)
    assert found is not None
    assert 40 <= found.best_at < 60
    assert found.best == pytest.approx(0.9, abs=0.02)


def test_simulated_steps_are_found_within_three_nights():
    """At 0.5 % of noise; a reduced version of tests/bench/bench_detection.py, which says what more noise costs."""
    rng, at = np.random.default_rng(8), 40
    kind = Kind(within=0.004, between=0.003, changes=0)
    late, misplaced = 0, 0
    for _ in range(200):
        found = [a for a in alarms(simulate(rng, 43, 1, kind, step_at=at)) if a[0] >= at]
        late += not found
        misplaced += bool(found) and found[0][2] != at
    assert late <= 10
    assert misplaced <= 20


def test_simulated_quiet_pages_stay_quiet():
    rng = np.random.default_rng(9)
    false = sum(len(alarms(simulate(rng, 150, 20, Kind()))) for _ in range(4))
    assert false <= 3  # 600 nights


def test_simulated_drift_pages_stay_quiet():
    rng = np.random.default_rng(10)
    found = 0
    for _ in range(3):
        page = simulate(rng, 200, 20, Kind(changes=0))
        for values in page.values.T:
            late = [drift(values[:end], worse=1) for end in range(60, 201, 20)]
            found += any(one is not None and one.change > 0.03 for one in late)
    assert found <= 3  # 600 nights
