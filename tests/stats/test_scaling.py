"""Laws of growth against data made by known ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.scaling import FORMS, choose, fit, held_out, predict

SIZES = [10_000, 20_000, 50_000, 100_000, 200_000]


@pytest.mark.parametrize("form", FORMS)
def test_prediction_intervals_cover(form):
    """95 % intervals at five times the largest size hold a new measurement in 95 % of 2,000 draws."""
    rng = np.random.default_rng(1)
    law = {"affine": lambda n: 5e5 + 412.0 * n, "power": lambda n: 3.0 * n**0.7}[form]
    hits = 0
    for _ in range(2000):
        draws = 0.03 * rng.standard_normal(6)
        noise = 1 + draws if form == "affine" else np.exp(draws)
        values = [law(n) * e for n, e in zip(SIZES, noise, strict=False)]
        found = predict(fit(SIZES, values, form), 1e6)
        hits += found.low <= law(1e6) * noise[-1] <= found.high
    assert 0.93 <= hits / 2000 <= 0.97


def test_chosen_law_finds_the_form():
    rng = np.random.default_rng(2)
    kinds = {"affine": 0, "power": 0}
    for _ in range(200):
        noise = np.exp(0.01 * rng.standard_normal(5))
        kinds["affine"] += (
            choose(SIZES, [(1e6 + 100 * n) * e for n, e in zip(SIZES, noise, strict=True)]).form == "affine"
        )
        kinds["power"] += choose(SIZES, [2 * n**0.5 * e for n, e in zip(SIZES, noise, strict=True)]).form == "power"
    assert min(kinds.values()) > 180


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1e7), st.floats(1e-9, 1e4), st.sampled_from([8_841_823, 138_364_198]))
def test_exact_affine_data_are_predicted_exactly(a, b, size):
    law = fit(SIZES, [a + b * n for n in SIZES], "affine")
    found = predict(law, size)
    assert found.value == pytest.approx(a + b * size, rel=1e-6)
    assert found.low <= found.value <= found.high
    assert found.high - found.low <= 1e-3 * found.value


def test_costs_are_never_negative():
    falling = fit(SIZES, [5.0, 4.0, 3.0, 2.0, 1.0], "affine")
    assert falling.a >= 0
    assert falling.b >= 0
    steeper = fit(SIZES, [n**1.3 for n in SIZES], "affine")
    assert steeper.a == 0
    assert predict(falling, 1e9).low >= 0


def test_held_out_error_is_of_the_largest_size():
    values = [1000 + 3.0 * n for n in SIZES]
    found, real, error = held_out(SIZES, [*values[:-1], values[-1] * 1.1])
    assert found.size == 200_000
    assert real == pytest.approx(values[-1] * 1.1)
    assert error == pytest.approx(1 / 1.1 - 1, rel=1e-6)


def test_too_little_to_fit():
    for sizes, values in (
        ([1, 2], [1, 2]),
        ([1, 1, 2], [1, 1, 2]),
        ([1, 2, 3], [1, 0, 3]),
        ([1, 2, 3], [1, np.nan, 3]),
    ):
        with pytest.raises(ValueError, match="size"):
            fit(sizes, values, "affine")
