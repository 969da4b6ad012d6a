"""Throughput of systems whose truth is known: how often chance looks like a difference."""

import numpy as np
import pytest
import step_results
from added import Added
from scipy import stats

from harness.claims import Evidence, judge
from harness.pipeline.measurements.throughput import Throughput
from harness.pipeline.steps.serving import BatchTimes
from harness.records import record
from harness.spec.claim import ClaimSpec

BETWEEN, WITHIN = 0.013, 0.003
"""Relative spread of processes, and of the passes of one."""


def measured(rng, system, processes, passes=3, seconds=0.5):
    """Records of a system, each process with a level of its own."""
    batches = []
    for _ in range(processes):
        level = seconds * np.exp(rng.normal(0, BETWEEN))
        times = tuple((level * np.exp(rng.normal(0, WITHIN, passes))).tolist())
        batches.append(BatchTimes(step_results.conditions(), times, times, queries=100, threads=1, component="1"))
    added = Added()
    Throughput().records({"throughput/1": batches}, added)
    return {
        ("c", system, row.name): record("r", "c", system, row.name, row.value, method=row.method, n=row.n,
                                        interval=row.interval)
        for row in added
    }  # fmt: skip


def apart(first, second):
    return first.ci_high < second.ci_low or second.ci_high < first.ci_low


@pytest.mark.parametrize("processes", [2, 3, 5])
def test_intervals_of_equal_systems_are_rarely_apart(processes):
    """Passes for processes: apart in half of all cases. The bound is what chance allows an error of 5 % in 400."""
    rng, hits, missed = np.random.default_rng(processes), 0, 0
    for _ in range(400):
        ours, theirs = (measured(rng, system, processes)["c", system, "throughput_search/1"] for system in ("a", "b"))
        hits += apart(ours, theirs)
        missed += not ours.ci_low <= 200 <= ours.ci_high
    most = stats.binom.ppf(0.999, 400, 0.05)
    assert hits <= most
    assert stats.binom.ppf(0.001, 400, 0.05) <= missed <= most  # neither too narrow nor wider than it says


@pytest.mark.parametrize(("disturbed", "word"), [(False, "supported"), (True, "not comparable")])
def test_twice_the_rate_is_found_unless_a_process_was_disturbed(disturbed, word):
    rng = np.random.default_rng(7)
    rows = {**measured(rng, "a", 3), **measured(rng, "b", 3, seconds=1.0)}
    why = {("c", "b", "throughput/1"): "1 of 3 processes, it waited"} if disturbed else {}
    found = Evidence(rows, {("c", "a"): ("ok", ""), ("c", "b"): ("ok", "")}, disturbed=why)
    asked = ClaimSpec(name="n", metric="throughput_search/1", system="a", baseline="b", ratio_at_least=1.5)
    (verdict,) = judge(asked, found)
    assert verdict.word == word
    assert verdict.value == pytest.approx(2, rel=0.05)


def test_one_process_has_no_interval_and_settles_nothing():
    rng = np.random.default_rng(8)
    rows = {**measured(rng, "a", 1, passes=10), **measured(rng, "b", 1, passes=10, seconds=1.0)}
    assert {(row.ci_low, row.ci_high) for row in rows.values()} == {(None, None)}
    found = Evidence(rows, {("c", "a"): ("ok", ""), ("c", "b"): ("ok", "")})
    asked = ClaimSpec(name="n", metric="throughput_search/1", system="a", baseline="b", ratio_at_least=1.5)
    assert judge(asked, found)[0].word == "inconclusive"


def test_a_process_counts_once_however_many_passes_it_made():
    batches = [
        BatchTimes(step_results.conditions(), (1.0,) * passes, (seconds,) * passes, 10, threads=1, component="1")
        for passes, seconds in ((2, 1.0), (8, 2.0))
    ]
    added = Added()
    Throughput().records({"throughput/1": batches}, added)
    rate = added.by_name()["throughput_search/1"]
    assert rate.value == pytest.approx((10 + 5) / 2)
    assert rate.n == 2
