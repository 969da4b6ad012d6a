"""The null control in words: a system against itself, and the smallest effect that can be shown."""

from hypothesis import given
from hypothesis import strategies as st

from harness.records import record
from reports.sections.null_control import sentences, smallest


def ratio(system, low, high, part="search p50", collection="c"):
    middle = (low + high) / 2
    return record("r", collection, system, f"null_ratio/{part}", middle, method="m", interval=(low, high))


def effect(system, value, part="search p50", collection="c"):
    return record("r", collection, system, f"smallest_effect/{part}", value, method="m")


def test_an_interval_that_holds_1_shows_no_difference_also_at_its_ends():
    words = [text.rsplit(": ", 1)[1] for text in sentences([
        ratio("inside", 0.9, 1.1), ratio("from", 1.0, 1.1), ratio("to", 0.9, 1.0), ratio("above", 1.001, 1.1),
        ratio("below", 0.8, 0.999),
    ], "c")[:-1]]  # fmt: skip
    assert words == ["no difference."] * 3 + ["a difference where there is none."] * 2


def test_a_ratio_without_an_interval_says_nothing():
    bare = record("r", "c", "s", "null_ratio/search p50", 1.0, method="m")
    assert len(sentences([bare, ratio("t", 0.9, 1.1)], "c")) == 2


def test_only_the_collection_that_is_asked_about_counts():
    rows = [ratio("s", 0.9, 1.1), effect("s", 0.02), effect("s", 0.5, collection="other")]
    assert sentences(rows, "c")[-1].endswith("search p50 2.0%.")
    assert "laconic-bench run --null" in sentences(rows, "nowhere")[0]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["search p50", "total p99"]), st.floats(0, 1))))
def test_the_smallest_effect_is_the_largest_of_all_systems(pairs):
    rows = [effect(system, value, part) for system, part, value in pairs]
    rows.append(record("r", "c", "a", "latency_total/p50", 99.0, method="m"))
    found = smallest(rows, "c")
    assert found == {part: max(v for _, p, v in pairs if p == part) for _, part, _ in pairs}
