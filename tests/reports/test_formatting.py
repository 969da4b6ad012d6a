"""Values as people read them: the text says the number again, within its digits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics import METRICS
from harness.records import record
from reports.formatting import interval, label, number

FACTORS = {
    "seconds": {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0},
    "bytes": {"B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30},
    "flops": {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12},
    "joules": {"J": 1.0, "mJ": 1e-3},
}


def read_back(text, unit):
    value, _, name = text.partition(" ")
    return float(value.replace(",", "")) * FACTORS.get(unit, {"": 1.0})[name]


@given(st.floats(1e-7, 1e5))
def test_seconds_keep_two_digits(value):
    assert read_back(number(value, "seconds"), "seconds") == pytest.approx(value, rel=0.06)


@given(st.integers(1, 2**50))
def test_bytes_are_read_back(value):
    assert read_back(number(value, "bytes"), "bytes") == pytest.approx(value, rel=0.006)


@given(st.integers(0, 10**17))
def test_operations_are_read_back(value):
    assert read_back(number(value, "flops"), "flops") == pytest.approx(value, rel=0.006)


@given(st.floats(1e-4, 1e6))
def test_joules_are_read_back(value):
    assert read_back(number(value, "joules"), "joules") == pytest.approx(value, rel=0.006)


@given(st.floats(0, 1))
def test_fractions_have_three_decimals(value):
    text = number(value, "fraction")
    assert len(text) == 5
    assert float(text) == pytest.approx(value, abs=0.000501)  # halves are rounded to even


@given(st.integers(0, 10**12))
def test_counts_that_are_whole_are_exact(value):
    assert int(number(float(value), "count").replace(",", "")) == value


@pytest.mark.parametrize("unit", ["bytes", "flops", "count"])
def test_nothing_is_zero_without_a_unit(unit):
    assert number(0.0, unit) == "0"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "seconds", "0.000 ms"), (0.0123, "seconds", "12.3 ms"), (0.5, "seconds", "500 ms"),
        (1.0, "seconds", "1.00 s"), (1023, "bytes", "1023 B"), (1024, "bytes", "1.00 KiB"),
        (1234567.0, "price", "1.235e+06"), (12.34, "count", "12.3"), (2.0, "ratio", "2.000"),
    ],
)  # fmt: skip
def test_values_at_the_edges(value, unit, text):
    assert number(value, unit) == text


@pytest.mark.parametrize("name", list(METRICS))
def test_the_label_of_a_metric_begins_the_label_of_its_components(name):
    assert label(name) == METRICS[name].label
    assert label(f"{name}/p50").startswith(METRICS[name].label)


def test_threads_of_throughput_are_words_and_unknown_metrics_keep_their_name():
    assert label("throughput_search/1").endswith("with one thread")
    assert label("throughput_search/all").endswith("with all threads")
    assert label("made_up/part") == "made_up part"


def test_an_interval_has_both_ends_or_is_empty():
    row = record("r", "c", "s", "ndcg@10", 0.5, method="m", n=9, interval=(0.4, 0.6))
    assert interval(row) == "[0.400, 0.600]"
    assert interval(record("r", "c", "s", "ndcg@10", 0.5, method="m")) == ""
    assert interval(record("r", "c", "s", "flops_search", 8.0, method="m", interval=(8.0, 8.0))) == ""


@pytest.mark.parametrize(
    ("metric", "value", "ends", "text"),
    [
        ("latency_total/p99", 0.004, (2.7e-13, 65563202.56), "[too wide to say]"),
        ("latency_total/p99", 0.004, (0.0, 0.04), "[0.000 ms, 40.0 ms]"),
        ("latency_total/p99", 0.004, (0.001, math.inf), "[too wide to say]"),
        ("index_bytes", 10.0, (1.0, 101.0), "[too wide to say]"),
        ("ndcg@10", 0.01, (0.0, 0.2), "[0.000, 0.200]"),
    ],
)
def test_an_interval_that_ends_beyond_ten_times_the_value_says_nothing(metric, value, ends, text):
    assert interval(record("r", "c", "s", metric, value, method="m", n=9, interval=ends)) == text
