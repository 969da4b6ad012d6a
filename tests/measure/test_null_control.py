"""A system against itself: on samples whose truth is known, and in a run."""

import numpy as np
import pytest

from harness.measure.null_control import null_ratios
from harness.pipeline.results.null_control import null_records
from harness.stats.levels import smallest_effect


def samples(rng, slower=1.0):
    """Three processes, 80 queries, two repeats; queries differ much, processes a little."""
    process, query, _ = np.meshgrid(np.arange(3), np.arange(80), np.arange(2), indexing="ij")
    cost = np.linspace(1, 5, 80)[query] * rng.lognormal(0, 0.03, query.shape) * rng.lognormal(0, 0.004, (3, 1, 1))
    flat = {"process": process.ravel(), "query": query.ravel()}
    return {**flat, "encode": cost.ravel() * 1e-3, "search": cost.ravel() * slower * 1e-4}


def spec(**measure):
    from types import SimpleNamespace

    return SimpleNamespace(head=SimpleNamespace(measure=SimpleNamespace(confidence=0.95), seed=1))


def test_equal_systems_rarely_differ_and_a_slow_one_does():
    rng = np.random.default_rng(5)
    false = found = 0
    for _ in range(10):
        own, twin, slow = (
            {"search": one["search"].reshape(3, 80, 2)} for one in (samples(rng), samples(rng), samples(rng, 1.05))
        )
        _, low, high = null_ratios(own, twin)["search mean"]
        false += not low <= 1 <= high
        found += null_ratios(own, slow)["search mean"][2] < 1
    assert false <= 2
    assert found >= 9


def test_records_agree_with_the_ratio_and_systems_without_a_twin_have_none():
    rng = np.random.default_rng(1)
    own, twin = samples(rng), samples(rng)
    rows = null_records("r", spec(), {("c", "s"): own, ("c", "s (again)"): twin, ("d", "s"): own, ("c", "t"): own})
    assert {(r.collection, r.system) for r in rows} == {("c", "s")}
    by_name = {r.metric: r for r in rows}
    assert len(by_name) == 12
    tables = [{"total": (s["encode"] + s["search"]).reshape(3, 80, 2)} for s in (own, twin)]
    expected = null_ratios(*tables, seed=1)["total p50"]
    row = by_name["null_ratio/total p50"]
    assert (row.value, row.ci_low, row.ci_high) == pytest.approx(expected)
    assert by_name["smallest_effect/total p50"].value == pytest.approx(smallest_effect(expected))


def test_one_process_cannot_tell_what_a_machine_can_show():
    rng = np.random.default_rng(1)
    one, twin = ({name: rows[:160] for name, rows in samples(rng).items()} for _ in range(2))
    assert null_records("r", spec(), {("c", "s"): one, ("c", "s (again)"): twin}) == []
