"""Measures of quality by their names in ir_measures: what they are taken for, and that they are what it computes."""

import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.measure.quality import evaluate
from harness.metrics import METRICS, quality_metric
from harness.metrics.named_measures import cut_off, named_measure, nearest_measure
from harness.nightly.thresholds import EXACT, ROUNDING, threshold
from harness.records import record
from harness.runs.metrics import is_foreign

SHARES = ["AP", "P@5", "nDCG@20", "R@1000", "Rprec", "Success@1", "AP(rel=2)@50", "RR", "Bpref"]
DOCUMENTS = [f"d{number}" for number in range(30)]


@st.composite
def judged_runs(draw):
    """(qrels, run) of three queries, one of which may be without results."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    qrels, run = {}, {}
    for query in ("q0", "q1", "q2"):
        judged = rng.permutation(DOCUMENTS)[: draw(st.integers(1, 20))]
        qrels[query] = {name: int(grade) for name, grade in zip(judged, rng.integers(0, 4, len(judged)), strict=True)}
        first = rng.permutation(DOCUMENTS)[: draw(st.sampled_from([0, 3, 10, 30]))]
        run[query] = {name: float(len(first) - place) for place, name in enumerate(first)}
    return qrels, run


@settings(max_examples=30, deadline=None)
@given(judged_runs())
def test_values_are_those_of_ir_measures_on_the_same_run(drawn):
    qrels, run = drawn
    names = [*SHARES, "Judged@10", "NumRet(rel=1)"]
    values = evaluate(qrels, run, names)
    answered = {query: documents for query, documents in run.items() if documents}
    for name in names:
        wanted = dict.fromkeys(qrels, 0.0)
        if answered:
            calculated = ir_measures.iter_calc([ir_measures.parse_measure(name)], qrels, answered)
            wanted |= {value.query_id: value.value for value in calculated if value.query_id in answered}
        assert values[name] == {query: wanted[query] for query in values[name]}, name


def test_average_precision_by_hand():
    qrels, run = {"q": {"a": 1, "b": 0, "c": 2, "d": 1}}, {"q": {"a": 4.0, "b": 3.0, "c": 2.0}}
    values = evaluate(qrels, run, ["AP", "P@2", "MAP"])
    assert values["AP"]["q"] == pytest.approx((1 / 1 + 2 / 3) / 3)
    assert values["P@2"]["q"] == 0.5
    assert values["MAP"] == values["AP"]


def test_one_measure_under_two_names_has_both():
    qrels, run = {"q": {"a": 1}}, {"q": {"b": 2.0, "a": 1.0}}
    values = evaluate(qrels, run, ["ndcg@10", "nDCG@10"])
    assert values["ndcg@10"] == values["nDCG@10"] == {"q": pytest.approx(1 / np.log2(3))}


@pytest.mark.parametrize("name", SHARES)
def test_a_share_has_its_own_name_as_title_and_decides(name):
    definition = METRICS[name]
    assert (definition.name, definition.label, definition.unit, definition.direction) == (
        name, name, "fraction", "higher",
    )  # fmt: skip
    assert definition.decides
    assert not definition.timed
    assert not definition.exact
    assert quality_metric(name).method == f"ir_measures {quality_metric(name).measure}"
    assert record("r", "c", "s", name, 0.5, method="m").direction == "higher"
    assert not is_foreign(name)
    assert name not in list(METRICS)


@pytest.mark.parametrize(
    ("name", "unit", "direction"),
    [
        ("Judged@10", "fraction", "neither"), ("NumRet", "count", "neither"), ("NumRet(rel=1)", "count", "higher"),
        ("NumRel", "count", "neither"),
    ],
)  # fmt: skip
def test_what_is_no_goal_has_no_better_side(name, unit, direction):
    assert (METRICS[name].unit, METRICS[name].direction) == (unit, direction)
    assert not METRICS[name].timed


@pytest.mark.parametrize(
    ("name", "near"),
    [("APP", "AP"), ("ndgc@20", "nDCG@20"), ("p@5", "P@5"), ("judgd@10", "Judged@10"), ("zzzzzz", "")],
)
def test_an_unknown_name_is_refused_with_the_nearest(name, near):
    assert nearest_measure(name) == near
    with pytest.raises(UserError, match="no metric of quality") as caught:
        quality_metric(name)
    assert (f"did you mean {near!r}?" in caught.value.remedy) == bool(near)


@pytest.mark.parametrize(
    "name", ["", "1", "P@", "AP@ten", "nDCG(cut=3)", "P@5 + AP", "alpha_nDCG@10", "f()", "a/b", "BPM"]
)
def test_what_cannot_be_computed_here_is_no_metric(name):
    assert named_measure(name) is None
    assert name not in METRICS


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_a_measure_or_none(name):
    kind = named_measure(name)
    assert kind is None or (kind.definition.name == name and kind.measure)


def test_the_nightly_run_judges_them_as_it_judges_other_quality():
    assert threshold("AP", {}) == threshold("ndcg@10", {}) == ROUNDING
    assert threshold("NumRet", {}) == EXACT
    assert threshold("build_seconds", {}) is None


def test_cut_offs_are_read_from_names():
    names = ("P@5", "R@1000", "AP", "nonsense", "IPrec@0.1", "recall@10")
    assert [cut_off(name) for name in names] == [5, 1000, math.inf, math.inf, math.inf, 10]
    assert cut_off(quality_metric("nDCG(cutoff=7)").measure) == 7
