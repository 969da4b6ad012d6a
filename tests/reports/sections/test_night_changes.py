"""What is news on the nightly page: exact changes, changes beyond noise, and what all systems share in one line."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nights import Kind, simulate

from harness.history.series import Night
from harness.stats.changes import FEWEST
from reports.sections.night_changes import LEAST, NEW, Series, difference, news, shift, spread_of

START = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = ("alpha", "ours", "index_bytes")
TIME = ("alpha", "ours", "latency_total/p50")
LATER = Night("n9", START + timedelta(days=9), "", "other", 2.0, None, None, "/nowhere", "good")
TIMES = ("latency_total/p50", "latency_search/p50", "latency_encode/p50", "search_least")


def nights(values, label="m|d|v", interval=0.0, revision="a" * 40):
    return [
        Night(f"n{i}", START + timedelta(days=i), revision, label, value,
              value * (1 - interval) if interval else None, value * (1 + interval) if interval else None,
              "/nowhere", "good")
        for i, value in enumerate(values)
    ]  # fmt: skip


def lines(found):
    return [f"{name}: {text}" for name, texts in found.systems for text in texts]


def series_of(changes, *, before=12, noise=0.01, seed=0):
    """Quiet nights of each system's times, then a night that is `changes[system]` times as long."""
    rng = np.random.default_rng(seed)
    return {
        ("alpha", system, metric): nights([*(1 + noise * rng.standard_normal(before)), factor])
        for system, factor in changes.items()
        for metric in TIMES
    }


def last_night(known, title="last night"):
    since = max(night.created for own in known.values() for night in own) - timedelta(hours=1)
    return news(title, Series(known, known), since)


def test_one_byte_is_news_of_an_exact_metric():
    found = difference(SIZE, nights([1000, 1000, 1001]), START + timedelta(days=1))
    assert (found.then, found.now, found.is_news) == (1000, 1001, True)
    assert found.relative == pytest.approx(0.001)
    assert lines(last_night({SIZE: nights([1000, 1000, 1001])})) == [
        "ours on alpha: Index size: 1000 B to 1001 B (+0.10%)"
    ]


def test_a_small_change_of_a_time_is_no_news_and_a_large_one_is():
    since = START + timedelta(days=2)
    assert not difference(TIME, nights([1.0] * 3 + [1.02] * 3), since).is_news
    assert difference(TIME, nights([1.0] * 3 + [1.03] * 3), since).is_news


def test_one_slow_night_of_three_is_no_news():
    found = difference(TIME, nights([1.0] * 3 + [1.0, 5.0, 1.0]), START + timedelta(days=2))
    assert (found.now, found.is_news, found.nights) == (1.0, False, (3, 3))


def test_another_machine_begins_a_new_series_and_a_system_says_so_once():
    both = [*nights([1.0, 1.0]), LATER]
    assert difference(TIME, both, START + timedelta(days=1)) == NEW
    known = {TIME: both, SIZE: both, ("alpha", "theirs", "index_bytes"): both}
    assert lines(news("last night", Series(known, known), START + timedelta(days=1))) == [
        "ours on alpha: 2 metrics: not comparable, machine, data or definition changed",
        "theirs on alpha: Index size: not comparable, machine, data or definition changed",
    ]


def test_without_a_night_before_or_after_there_is_nothing_to_compare():
    assert difference(SIZE, nights([1, 2]), START - timedelta(days=1)) == ""
    assert difference(SIZE, nights([1, 2]), START + timedelta(days=5)) == ""


def test_what_began_at_nothing_and_is_something_now_changed_without_end():
    found = difference(SIZE, nights([0.0, 5.0]), START)
    assert (found.relative, found.is_news) == (math.inf, True)
    assert difference(SIZE, nights([0.0, 0.0]), START).relative == 0


def test_the_system_with_the_largest_change_comes_first():
    theirs = ("alpha", "theirs", "index_bytes")
    small = ("alpha", "ours", "postings_touched")
    known = {SIZE: nights([100, 101]), small: nights([100, 110]), theirs: nights([100, 150])}
    found = last_night(known)
    assert [name for name, _ in found.systems] == ["theirs on alpha", "ours on alpha"]
    assert ["+10.00%" in text for text in found.systems[1][1]] == [True, False]


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 5), st.floats(0.03, 0.2), st.floats(0.05, 0.2))
def test_two_nights_of_a_machine_that_others_use_are_quiet(seed, systems, noise, interval):
    """Both nights differ by noise; the nights' intervals are as wide as it is."""
    rng = np.random.default_rng(seed)
    known = {
        ("alpha", f"s{system}", metric): nights(
            np.exp(np.clip(noise * rng.standard_normal(2), -2 * noise, 2 * noise)),
            interval=interval if metric != "search_least" else 0.0,
        )
        for system in range(systems)
        for metric in TIMES
    }
    found = last_night(known)
    if noise <= interval / 1.5:
        assert found.systems == []
    assert all("search_least" not in text for text in lines(found))  # nothing says how much it varies
    assert found.folded <= len(known)


def test_quiet_nights_with_a_known_noise_are_quiet():
    """Without a change at most one of fifty times is beyond noise, though noise has long tails."""
    loud = []
    for seed in range(40):
        page = simulate(np.random.default_rng(seed), 30, 8, Kind(changes=0.0, spikes=0.0))
        known = {("alpha", f"s{place // 4}", TIMES[place % 4]): nights(page.values[:, place]) for place in range(8)}
        loud += lines(last_night(known))
    assert len(loud) <= 40 * 8 / 50


def test_what_one_system_does_is_told_of_it_alone():
    found = last_night(series_of({"a": 1.3, "b": 1.0, "c": 1.0}))
    assert [name for name, _ in found.systems] == ["a on alpha"]
    assert len(found.systems[0][1]) == len(TIMES)
    assert found.machine == ""


@pytest.mark.parametrize(("factor", "word", "amount"), [(1.05, "slower", "5%"), (0.9, "faster", "10%")])
def test_what_all_systems_share_is_one_line(factor, word, amount):
    known = series_of({"a": factor, "b": factor * 1.001, "c": factor * 0.999}, noise=0.003)
    found = last_night(known)
    assert found.machine.startswith(
        f"The machine was {amount} {word} tonight than last night: the times of all 3 systems"
    )
    assert found.systems == []
    other = {key: [*own[:-1], replace(own[-1], revision="b" * 40)] for key, own in known.items()}
    assert last_night(other).machine.endswith("the revision changed, too.")


def test_beside_a_slow_machine_what_is_slower_still_is_told():
    known = series_of({"a": 1.05, "b": 1.05, "c": 1.05, "d": 1.05}, noise=0.003)
    key = ("alpha", "d", "latency_search/p50")
    known[key] = [*known[key][:-1], replace(known[key][-1], value=1.2)]
    found = last_night(known)
    assert found.machine
    assert [name for name, _ in found.systems] == ["d on alpha"]
    assert len(found.systems[0][1]) == 1


def test_rates_follow_a_slow_machine_and_benchmarks_do_not():
    known = series_of({"a": 1.2, "b": 1.2, "c": 1.2}, noise=0.003)
    rate, steady = ("alpha", "a", "throughput_search/1"), ("", "kernel", "benchmark_seconds/search")
    quiet = known["alpha", "a", "latency_total/p50"][:-1]
    known[rate] = [*quiet, replace(quiet[-1], id="last", created=START + timedelta(days=12), value=1 / 1.2)]
    known[steady] = [*quiet, replace(quiet[-1], id="last", created=START + timedelta(days=12), value=1.2)]
    found = last_night(known)
    assert found.machine
    assert [name for name, _ in found.systems] == ["kernel on "]


@settings(max_examples=60)
@given(st.lists(st.floats(0.8, 1.25), min_size=1, max_size=6))
def test_a_shift_is_shared_only_where_every_system_moved_alike(factors):
    known = series_of({f"s{place}": factor for place, factor in enumerate(factors)}, noise=0.0)
    found = shift(known, START + timedelta(days=11))
    logs = [math.log(factor) for factor in factors]
    if found.systems:
        assert len(factors) > 1
        assert abs(found.change) >= LEAST * 0.999
        assert all(log * math.log(found.ratio) > 0 for log in logs)
        assert min(factors) * 0.999 <= found.ratio <= max(factors) * 1.001
    elif len(factors) > 1 and min(factors) > 1 + LEAST:
        assert max(logs) > 1.5 * float(np.median(logs)) or min(logs) < float(np.median(logs)) - math.log1p(LEAST)


def test_noise_is_that_of_the_nights_and_of_few_nights_what_intervals_and_null_control_say():
    many = nights([1.0, 1.1] * FEWEST)
    assert 0.03 < spread_of(TIME, many, {}) < 0.15
    few = nights([1.0, 1.0], interval=0.0196)
    assert spread_of(TIME, few, {}) == pytest.approx(0.01 * (1 + 6 / 2))
    control = {("alpha", "x", "smallest_effect/total p50"): nights([0.196, 0.196])}
    assert spread_of(TIME, few, control) == pytest.approx(0.1 * (1 + 6 / 2))
    assert spread_of(TIME, nights([1.0, 1.0]), {}) is None
