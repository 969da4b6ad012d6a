"""Metrics of quality against their formulas, written out, and against ir_measures asked directly."""

import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.quality import evaluate
from harness.metrics import METRICS, quality_metrics
from harness.metrics.quality import LIBRARIES

NAMES = [f"d{number:03d}" for number in range(160)]
MEASURES = {"ndcg@10": "nDCG@10", "recall@10": "R@10", "recall@100": "R@100", "mrr@10": "RR@10"}


@st.composite
def judged_runs(draw):
    """(qrels, run) of a few queries with grades from -1 to 3; scores differ, and many documents have no judgement."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    qrels, run = {}, {}
    for query in map(str, range(draw(st.integers(1, 3)))):
        judged = rng.permutation(NAMES)[: draw(st.integers(1, 40))]
        qrels[query] = {name: int(grade) for name, grade in zip(judged, rng.integers(-1, 4, len(judged)), strict=True)}
        answered = rng.permutation(NAMES)[: draw(st.sampled_from([0, 1, 5, 9, 10, 11, 100, 101, 150]))]
        run[query] = {name: float(len(answered) - place) for place, name in enumerate(answered)}
    return qrels, run


def by_formula(grades, ranked):
    """Each metric of one query whose documents are ranked."""
    gains = [max(grades.get(name, 0), 0) for name in ranked]
    best = sorted((max(grade, 0) for grade in grades.values()), reverse=True)
    relevant = sum(grade > 0 for grade in grades.values())

    def dcg(values):
        return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(values[:10], start=1))

    first = next((rank for rank, gain in enumerate(gains[:10], start=1) if gain), math.inf)
    return {
        "ndcg@10": dcg(gains) / dcg(best),
        "recall@10": sum(gain > 0 for gain in gains[:10]) / relevant,
        "recall@100": sum(gain > 0 for gain in gains[:100]) / relevant,
        "mrr@10": 1 / first,
    }


@settings(max_examples=80, deadline=None)
@given(judged_runs())
def test_values_are_those_of_the_formulas(drawn):
    qrels, run = drawn
    values = evaluate(qrels, run, list(MEASURES))
    wanted = [query for query, grades in qrels.items() if max(grades.values()) > 0]
    for name in MEASURES:
        assert list(values[name]) == wanted
    for query in wanted:
        formula = by_formula(qrels[query], list(run[query]))
        for name in MEASURES:
            assert values[name][query] == pytest.approx(formula[name], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(judged_runs())
def test_values_are_those_of_ir_measures(drawn):
    qrels, run = drawn
    values = evaluate(qrels, run, list(MEASURES))
    for name, measure in MEASURES.items():
        for value in ir_measures.iter_calc([ir_measures.parse_measure(measure)], qrels, run):
            if value.query_id in values[name]:
                assert values[name][value.query_id] == value.value


@settings(max_examples=60, deadline=None)
@given(judged_runs(), st.integers(0, 10**6))
def test_a_relevant_document_that_rises_never_lowers_a_value(drawn, seed):
    qrels, run = drawn
    before = evaluate(qrels, run, list(MEASURES))
    for query in before["ndcg@10"]:
        ranked = list(run[query])
        pairs = [
            (high, low)
            for low, name in enumerate(ranked)
            for high in range(low)
            if max(qrels[query].get(name, 0), 0) > max(qrels[query].get(ranked[high], 0), 0)
        ]
        if not pairs:
            continue
        high, low = pairs[seed % len(pairs)]
        ranked[high], ranked[low] = ranked[low], ranked[high]
        better = {query: {name: float(len(ranked) - place) for place, name in enumerate(ranked)}}
        after = evaluate({query: qrels[query]}, better, list(MEASURES))
        for name in MEASURES:
            assert after[name][query] >= before[name][query] - 1e-9
        assert before["recall@10"][query] <= before["recall@100"][query]
        assert 0 <= before["ndcg@10"][query] <= 1 + 1e-9


def test_names_measures_and_methods_agree():
    """What the record says of its method is what is computed, and its libraries are those that compute it."""
    for name, measure in MEASURES.items():
        kind = quality_metrics.get(name)
        assert (kind.measure, kind.method) == (measure, f"ir_measures {measure}")
        assert kind.libraries == LIBRARIES
        assert kind.per_query({"q": {"d": 1}}, {}) == {}
        assert (METRICS[name].unit, METRICS[name].direction) == ("fraction", "higher")


@pytest.mark.parametrize("cut", [10, 100, 1000])
def test_agreement_with_exact_search_is_no_judgement(cut):
    definition = METRICS[f"recall_vs_exact@{cut}"]
    assert definition.label == f"Recall@{cut} against exact"
    assert (definition.exact, definition.sampled, definition.repeats, definition.timed) == (False, True, True, False)
    assert definition.name not in quality_metrics.names()
