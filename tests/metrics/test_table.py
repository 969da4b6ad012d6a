"""One table of metrics: whole, consistent, and open to metrics of other distributions."""

from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.measure.quality import evaluate
from harness.metrics import METRICS, Metric, QualityMetricBase, define, metric, quality_metrics
from harness.metrics.registry import MetricTable

UNITS = {
    "bytes", "seconds", "flops", "fraction", "ratio", "count", "joules", "price", "documents/second", "queries/second",
}  # fmt: skip


@pytest.fixture
def added(monkeypatch):
    """Register a metric for one test."""

    def add(kind, name=None):
        monkeypatch.setitem(quality_metrics._items, name or kind.definition.name, kind)
        monkeypatch.setattr(METRICS, "_metrics", dict(METRICS._metrics))
        return kind

    quality_metrics.names()
    return add


def kind_of(name, per_query=None, **more):
    class Added(QualityMetricBase):
        definition: ClassVar[Metric] = Metric(name, "Added", "fraction", "higher", "What is added.")
        libraries: ClassVar[tuple[str, ...]] = ()
        method: ClassVar[str] = "by hand"

    for key, value in more.items():
        setattr(Added, key, value)
    if per_query:
        Added.per_query = staticmethod(per_query)
    return Added


def test_every_metric_is_whole():
    assert len(METRICS) > 40
    for name, known in METRICS.items():
        assert known.name == name
        assert known.unit in UNITS
        assert known.direction in {"higher", "lower", "neither"}
        assert known.label
        assert known.definition.endswith(".")
        assert "/" not in name
    assert len({known.label for known in METRICS.values()}) == len(METRICS)


def test_metrics_of_quality_are_in_the_table():
    assert {"ndcg@10", "recall@10", "recall@100", "mrr@10"} <= set(quality_metrics.names())
    for name in quality_metrics.names():
        assert METRICS[name] is quality_metrics.get(name).definition
        assert not METRICS[name].timed


def test_the_report_begins_with_quality():
    assert list(METRICS)[:3] == ["ndcg@10", "recall@100", "recall@10"]


def test_components_are_ignored():
    assert metric("index_bytes/impacts") is metric("index_bytes") is METRICS["index_bytes"]
    with pytest.raises(UserError, match="there is no metric 'index_byte'") as caught:
        metric("index_byte/x")
    assert "did you mean 'index_bytes'" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "timed"),
    [
        ("latency_total", True),
        ("index_bytes", False),
        ("ndcg@10", False),
        ("build_seconds", True),
        ("recall@10", False),
    ],
)
def test_times_are_told_from_counts_and_quality(name, timed):
    assert METRICS[name].timed is timed


def test_a_metric_is_defined_once():
    with pytest.raises(ValueError, match="'index_bytes' is defined twice"):
        define("index_bytes", "Again", "bytes", "lower", "Again.")


def test_an_added_metric_is_in_the_table_and_evaluated(added):
    kind = added(kind_of("found", lambda qrels, run: {query: float(query in run) for query in qrels}))
    assert METRICS["found"] is kind.definition
    assert metric("found/part").label == "Added"
    qrels = {"q1": {"d": 1}, "q2": {"d": 1}, "q3": {"d": 0}}
    values = evaluate(qrels, {"q1": {"d": 1.0}, "q3": {"d": 1.0}}, ["found", "mrr@10"])
    assert list(values) == ["found", "mrr@10"]
    assert values["found"] == values["mrr@10"] == {"q1": 1.0, "q2": 0.0}


def test_a_measure_of_ir_measures_needs_no_code(added):
    added(kind_of("precision", measure="P@2"))
    qrels, run = {"q": {"a": 1, "b": 0, "c": 2}}, {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}
    assert evaluate(qrels, run, ["precision"]) == {"precision": {"q": 0.5}}


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 2), min_size=1), st.permutations("abcdefgh"))
def test_values_are_those_of_the_definition(grades, order):
    """Reciprocal rank, and recall, by hand."""
    run = {"q": {name: float(8 - place) for place, name in enumerate(order)}}
    values = evaluate({"q": grades}, run, ["mrr@10", "recall@10"])
    relevant = [place for place, name in enumerate(order, start=1) if grades.get(name, 0) > 0]
    if not relevant:
        assert values == {"mrr@10": {}, "recall@10": {}}
    else:
        assert values["mrr@10"]["q"] == pytest.approx(1 / relevant[0])
        assert values["recall@10"]["q"] == 1.0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_must_be_numbers(added, value):
    added(kind_of("bad", lambda qrels, run: dict.fromkeys(qrels, value)))
    with pytest.raises(UserError, match="the metric 'bad' of the query 'q'"):
        evaluate({"q": {"d": 1}}, {}, ["bad"])


def test_every_query_has_a_value(added):
    added(kind_of("few", lambda qrels, run: {}))
    with pytest.raises(UserError, match="no value for the query 'q'"):
        evaluate({"q": {"d": 1}}, {}, ["few"])


def test_names_must_agree(added):
    added(kind_of("one"), name="two")
    with pytest.raises(UserError, match="the definition of the metric 'two' has the name 'one'"):
        METRICS["ndcg@10"]


def test_a_name_that_the_table_has_is_refused(added):
    added(kind_of("index_bytes"))
    with pytest.raises(UserError, match="two metrics have the name 'index_bytes'"):
        len(METRICS)


def test_a_table_can_be_changed_for_a_test():
    table = MetricTable()
    extra = Metric("extra", "Extra", "count", "lower", "An extra.")
    table["extra"] = extra
    assert "extra" in table
    del table["extra"]
    assert "extra" not in table
