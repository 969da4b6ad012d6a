"""Timing queries one by one; no test asserts a time."""

import gc

import numpy as np
import pytest

from harness.measure import latency
from harness.measure.latency import least, measure_queries, summarise, supported, table


class Clock:
    """Stands in for perf_counter_ns: goes on only when told to."""

    now = 0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(latency, "perf_counter_ns", made)
    monkeypatch.setattr(latency, "process_time_ns", lambda: made.now // 2)  # half of the time on a processor
    return made


def test_encoding_and_search_are_timed_apart_and_the_first_query_is_kept_apart(clock):
    calls = []

    def encode(text):
        calls.append(text)
        clock.now += 5_000_000 if len(calls) == 1 else 1000 * int(text)
        return int(text)

    def search(vector):
        clock.now += 70_000 * vector

    found = measure_queries(encode, search, ["1", "2", "3"], repeats=4, warmup=5, seed=3)
    assert found.first_encode_seconds == pytest.approx(5e-3)
    assert found.first_search_seconds == pytest.approx(70e-6)
    assert len(calls) == 1 + 5 + 12
    assert found.encode_seconds == pytest.approx((found.query + 1) * 1e-6)
    assert found.search_seconds == pytest.approx((found.query + 1) * 70e-6)
    assert found.query.dtype == np.int32
    assert found.repeat.tolist() == sorted([0, 1, 2, 3] * 3)
    assert found.encode_cpu == pytest.approx([1e-6] * 4, abs=1e-9)  # half of 2 microseconds on average
    assert found.search_cpu == pytest.approx([70e-6] * 4, abs=1e-9)
    assert found.asked == len(calls)


def test_the_engines_part_of_each_search_is_kept_beside_it(clock):
    last = [0]

    def search(vector):
        clock.now += 10_000 * vector
        last[0] = 7_000 * vector

    found = measure_queries(int, search, ["1", "2"], repeats=3, warmup=1, seed=3, engine=lambda: last[0])
    assert found.engine_seconds == pytest.approx((found.query + 1) * 7e-6)
    assert found.search_seconds == pytest.approx((found.query + 1) * 10e-6)
    assert np.isnan(measure_queries(int, search, ["1"], repeats=3, warmup=1, seed=3).engine_seconds).all()


def test_short_queries_have_their_processor_time_taken_in_blocks(clock, monkeypatch):
    """A clock that costs a microsecond to read is never read around a query of ten."""
    calls, reads = [], []

    def processor():
        reads.append(len(calls))
        clock.now += 1000
        return clock.now

    monkeypatch.setattr(latency, "process_time_ns", processor)

    def search(vector):
        clock.now += 10_000
        calls.append(vector)

    texts = [str(number) for number in range(60)]
    found = measure_queries(len, search, texts, repeats=2, warmup=3, seed=1)
    assert found.search_seconds == pytest.approx(np.full(120, 10e-6), abs=1e-12)
    assert len(calls) == 1 + 3 + 2 * 60 * 2 == found.asked
    blocks = sorted(set(reads[2000:]))  # the first two thousand say what a reading costs
    assert min(np.diff(blocks)) >= 28
    assert found.search_cpu == pytest.approx([10e-6] * 2, rel=0.05)


def test_long_passes_wait_for_their_turn_again(clock):
    turns, begun = [], []

    def turn(number):
        turns.append(number)
        begun.append(clock.now)
        clock.now += 7_000_000_000  # others have theirs

    def search(vector):
        clock.now += 300_000_000

    found = measure_queries(len, search, [str(n) for n in range(8)], repeats=2, warmup=2, seed=1, turn=turn)
    assert turns == [0, 0, 1, 1]
    assert found.search_seconds == pytest.approx(np.full(16, 0.3))  # what others did does not count
    assert found.asked == 1 + 2 + 16 + 4  # warming up after a turn stops early: a query is long


def test_every_repeat_has_an_order_of_its_own_and_the_seed_decides_it():
    def orders(seed):
        found = measure_queries(len, abs, [str(i) for i in range(50)], repeats=3, warmup=0, seed=seed)
        return found.query.reshape(3, 50).tolist()

    one = orders(1)
    assert all(sorted(order) == list(range(50)) for order in one)
    assert one[0] != one[1] != one[2]
    assert orders(1) == one
    assert orders(2) != one


def test_nothing_is_collected_while_timing_and_all_is_as_before_afterwards():
    seen, frozen = [], []

    def encode(text):
        seen.append(gc.isenabled())
        frozen.append(gc.get_freeze_count() > 0)

    measure_queries(encode, repr, ["a"], repeats=3, warmup=0, seed=0)
    assert seen[0]
    assert not any(seen[1:])
    assert all(frozen[1:])
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.disable()
    try:
        measure_queries(len, abs, ["a"], repeats=1, warmup=0, seed=0)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_error_while_timing_leaves_the_collector_on():
    def fail(vector):
        if not gc.isenabled():
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        measure_queries(len, fail, ["a"], repeats=1, warmup=0, seed=0)
    assert gc.isenabled()


def test_before_each_pass_there_is_a_turn_and_a_new_warm_up(clock):
    said = []

    def encode(text):
        clock.now += 1_000_000
        said.append(text)

    measure_queries(encode, repr, ["a"], repeats=3, warmup=2, seed=0, turn=said.append)
    assert said == ["a"] * 3 + [0, "a", "a", "a", 1, "a", "a", "a", 2, "a", "a", "a"]


def test_nothing_to_time_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        measure_queries(len, abs, [], repeats=1, warmup=0, seed=0)


def test_percentiles_are_those_of_all_observations():
    process = np.repeat([0, 1], 600).astype(np.int32)
    query = np.tile(np.repeat(np.arange(200), 3), 2).astype(np.int32)
    seconds = np.random.default_rng(0).gamma(2.0, size=1200)
    shuffled = np.random.default_rng(1).permutation(1200)
    found = summarise(process[shuffled], query[shuffled], seconds[shuffled])
    rows = seconds.reshape(2, 600)
    assert found["p90"][0] == pytest.approx(np.quantile(rows, 0.9, axis=1).mean())
    assert found["mean"][0] == pytest.approx(seconds.mean())
    assert set(found) == {"p50", "p90", "p95", "mean"}
    assert all(low < value < high for value, low, high in found.values())


@pytest.mark.parametrize(
    ("queries", "repeats", "names"),
    [
        (10, 100, "p50"),
        (50, 2, "p50 p90"),
        (100, 1, "p50 p90"),
        (100, 2, "p50 p90 p95"),
        (200, 1, "p50 p90 p95"),
        (499, 100, "p50 p90 p95"),
        (500, 2, "p50 p90 p95 p99"),
        (1000, 1, "p50 p90 p95 p99"),
    ],
)
def test_percentiles_that_the_sample_cannot_support_are_not_given(queries, repeats, names):
    assert list(supported(queries, repeats)) == names.split()


def test_missing_observations_are_refused():
    with pytest.raises(ValueError, match="as often"):
        table(np.asarray([0, 0, 1]), np.asarray([0, 1, 0]), np.ones(3))
    with pytest.raises(ValueError, match="as often"):
        table(np.asarray([0, 0, 0]), np.asarray([0, 1, 1]), np.ones(3))


def test_the_shortest_of_each_query_counts_over_processes_and_repeats():
    query = np.asarray([0, 1, 2, 2, 1, 0, 0, 1, 2], np.int32)
    seconds = np.asarray([3.0, 5.0, 9.0, 8.0, 4.0, 7.0, 2.0, 6.0, 9.0])
    assert least(query, seconds) == pytest.approx((2 + 4 + 8) / 3)
    slow = seconds + np.asarray([0, 5, 5, 0, 0, 5, 0, 5, 5])
    assert least(query, slow) == least(query, seconds)
