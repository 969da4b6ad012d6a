"""Disturbances of a run's processes, by kind."""

import pytest

from harness.errors import UserError
from harness.metrics import METRICS, metric
from harness.runs.disturbed import disturbances, kind_of, kinds, of_fusions, processes


def row(kind, disturbance="", waited=0.0, violation="", system="s"):
    return {
        "collection": "c", "system": system, "kind": kind, "stage": f"{kind} of {system}", "waited_share": waited,
        "disturbance": disturbance, "violation": violation,
    }  # fmt: skip


def test_each_kind_has_its_own_disturbance_by_the_worst_process():
    rows = [
        row("throughput/1"), row("throughput/all", "it waited 5%", 0.05), row("throughput/all", "it waited 9%", 0.09),
        row("cold", violation="2 threads worked"), row("cold"), row("throughput/all", system="t"),
    ]  # fmt: skip
    assert disturbances(rows) == {
        ("c", "s", "throughput/all"): "2 of 2 processes, it waited 9%",
        ("c", "s", "cold"): "1 of 2 processes, 2 threads worked",
    }
    assert processes(rows) == {
        ("c", "s", "throughput/1"): 1, ("c", "s", "throughput/all"): 2, ("c", "s", "cold"): 2,
        ("c", "t", "throughput/all"): 1,
    }  # fmt: skip


def test_the_times_of_a_fusion_are_disturbed_where_those_of_a_system_of_it_are():
    systems = [
        {"name": "s", "collection": "c"}, {"name": "f", "collection": "c", "fused": ["s", "t"]},
        {"name": "quiet", "collection": "c", "fused": ["t", "u"]},
        {"name": "f", "collection": "d", "fused": ["s", "t"]},
    ]  # fmt: skip
    disturbed = {("c", "s", "latency"): "it waited", ("c", "t", "cold"): "a cold start, which nobody adds up"}
    assert of_fusions(disturbed, systems) == {("c", "f", "latency"): "s: it waited"}


@pytest.mark.parametrize("key", ["disturbance", "violation", "waited_share"])
def test_a_row_that_is_not_whole_is_named(key):
    broken = row("cold")
    del broken[key]
    with pytest.raises(UserError, match=f"cold of s has no whole '{key}'"):
        disturbances([broken])


def test_every_timed_metric_that_decides_names_its_processes_or_is_known_not_to_be_watched():
    unwatched = {name for name, kind in METRICS.items() if kind.clocked and kind.decides and not kind.process}
    assert unwatched == {"build_seconds", "encode_documents_per_second", "train_seconds"}
    assert kinds("throughput_search/all", metric("throughput_search")) == ("throughput/all", "throughput")
    assert kinds("build_seconds", metric("build_seconds")) == ()


@pytest.mark.parametrize(
    ("name", "known", "kind"),
    [
        ("highest_load", ["load", "load/2"], "load"),
        ("highest_load/2", ["load", "load/2"], "load/2"),
        ("loaded_latency/p99", ["load", "load/2"], "load"),
        ("loaded_latency/p99/2", ["load", "load/2"], "load/2"),
        ("throughput_search/all", ["throughput"], "throughput"),
        ("throughput_search/all", ["throughput", "throughput/all"], "throughput/all"),
        ("throughput_search/all", ["latency"], None),
        ("build_seconds", ["build"], None),
    ],
)
def test_the_processes_of_a_metric_are_those_that_know_it_best(name, known, kind):
    found = kind_of("c", "s", name, metric(name), {("c", "s", each) for each in known})
    assert found == (kind and ("c", "s", kind))
    assert kind_of("c", "t", name, metric(name), {("c", "s", each) for each in known}) is None
