"""What a reader takes away: who is best by how sure a margin, and who is dominated."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics import METRICS
from harness.records import record
from reports.sections.takeaways import HIGHLIGHTS, NAMED, takeaways


def rows_of(**values):
    """Records by (system, metric): a=(nDCG@10, bytes a document, median seconds)."""
    return {
        (system, name): record("r", "c", system, name, value, method="m")
        for system, own in values.items()
        for (name, _, _), value in zip(HIGHLIGHTS, own, strict=True)
        if value is not None
    }


def test_each_highlight_names_the_best_and_the_next():
    found = dict(takeaways(rows_of(a=(0.5, 300, 2e-3), b=(0.7, 2048, 1e-3), c=(0.6, 100, 9e-3)), {}))
    assert found["Best ranking"].startswith("b: nDCG@10 0.700,")
    assert found["Best ranking"].endswith(" Then c, 0.600.")
    assert found["Smallest index"] == "c: 100 B a document. Then a, 300 B."
    assert found["Fastest query"].startswith("b: median 1.00 ms,")


@pytest.mark.parametrize(("best", "words"), [("a", " beyond chance."), (None, " not shown to be beyond chance.")])
def test_a_value_that_varies_says_whether_it_is_beyond_chance_and_a_count_does_not(best, words):
    found = dict(takeaways(rows_of(a=(0.7, 1, 1e-3), b=(0.6, 2, 2e-3)), dict.fromkeys(METRICS, best)))
    assert f",{words}" in found["Best ranking"]
    assert "chance" not in found["Smallest index"]


def test_one_system_alone_stands_out_in_nothing():
    assert takeaways(rows_of(a=(0.5, 300, 2e-3)), {}) == []
    assert takeaways({}, {}) == []


def test_only_metrics_that_two_systems_have_are_named():
    found = dict(takeaways(rows_of(a=(0.5, 300, None), b=(0.7, None, 1e-3)), {}))
    assert list(found) == ["Best ranking"]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=NAMED))
def test_dominated_systems_are_those_that_brute_force_finds(points):
    rows = rows_of(**{f"s{place}": (gain / 10, float(cost), None) for place, (gain, cost) in enumerate(points)})
    beaten = [
        f"s{place}"
        for place, (gain, cost) in enumerate(points)
        if any(g >= gain and c <= cost and (g, c) != (gain, cost) for g, c in points)
    ]
    sentence = dict(takeaways(rows, {})).get("Dominated", "")
    named = sentence.partition(": another system")[0].split("; ") if sentence else []
    assert named == beaten


def test_of_many_dominated_systems_the_sentence_names_the_others_smallest_first():
    points = {f"s{place}": (0.3, 500.0 + place, None) for place in range(NAMED + 1)}
    rows = rows_of(large=(0.9, 400.0, None), small=(0.5, 100.0, None), **points)
    sentence = dict(takeaways(rows, {}))["Dominated"]
    assert sentence.startswith(f"{NAMED + 1} of {NAMED + 3} systems, all but small; large: another system")
