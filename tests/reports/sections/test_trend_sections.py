"""The sections of the trend page: what is news, and how a night stands against the nights before."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history.series import Night
from reports.formatting import label
from reports.sections.trend_sections import NEW, Nights, difference, news, runs_of, section_of

START = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = ("alpha", "ours", "index_bytes")
TIME = ("alpha", "ours", "latency_total/p50")
LATER = Night("n9", START + timedelta(days=9), "", "other", 2.0, None, None, "/nowhere", "good")


def nights(values, label="m|d|v", folder="/nowhere"):
    return [
        Night(f"n{i}", START + timedelta(days=i), f"{i:040x}", label, value, None, None, folder, "good")
        for i, value in enumerate(values)
    ]


def test_one_byte_is_news_of_an_exact_metric():
    found = difference(SIZE, nights([1000, 1000, 1001]), START + timedelta(days=1))
    assert (found.then, found.now, found.is_news) == (1000, 1001, True)
    assert found.relative == pytest.approx(0.001)


def test_a_small_change_of_a_time_is_no_news_and_a_large_one_is():
    since = START + timedelta(days=2)
    assert not difference(TIME, nights([1.0] * 3 + [1.02] * 3), since).is_news
    assert difference(TIME, nights([1.0] * 3 + [1.03] * 3), since).is_news


def test_one_slow_night_of_three_is_no_news():
    found = difference(TIME, nights([1.0] * 3 + [1.0, 5.0, 1.0]), START + timedelta(days=2))
    assert (found.now, found.is_news) == (1.0, False)


def test_another_machine_begins_a_new_series():
    both = [
        *nights([1.0, 1.0]),
        LATER,
    ]
    assert difference(TIME, both, START + timedelta(days=1)) == NEW
    assert news({TIME: both}, START + timedelta(days=1))[0].endswith("machine, data or definition changed")


def test_without_a_night_before_or_after_there_is_nothing_to_compare():
    assert difference(SIZE, nights([1, 2]), START - timedelta(days=1)) == ""
    assert difference(SIZE, nights([1, 2]), START + timedelta(days=5)) == ""


def test_the_largest_change_is_told_first():
    other = ("alpha", "theirs", "index_bytes")
    found = news({SIZE: nights([100, 101]), other: nights([100, 150])}, START)
    assert ["theirs" in text for text in found] == [True, False]
    assert "(+50.00%)" in found[0]


@given(st.integers(1, 400), st.integers(2, 9))
def test_an_axis_of_nights_has_few_ticks_and_the_last_night_among_them(count, most):
    axis = Nights("night", -0.5, count - 0.5, names=tuple(map(str, range(count))))
    ticks = axis.ticks(most)
    assert len(ticks) <= most
    assert axis.text(ticks[-1]) == str(count - 1)
    assert ticks == sorted(set(ticks))


def test_a_section_has_a_row_a_metric_and_a_figure_of_what_moves(tmp_path):
    watched = {SIZE: nights([1000, 1000, 1200]), ("alpha", "ours", "model_parameters"): nights([5, 5, 5])}
    found = section_of(("alpha", "ours"), watched, watched, {"last night": START + timedelta(days=1)}, tmp_path)
    assert found.title == "ours on alpha"
    assert [row[0].text for row in found.rows] == [label("index_bytes"), label("model_parameters")]
    assert [row[2] for row in found.rows] == [("+20.00%", True), ("same", False)]
    (figure,) = found.figures
    assert [row[3] for row in figure.rows] == ["step +20.0%", "", ""]
    assert len(figure.head) == len(figure.rows[0])


def test_runs_link_to_reports_that_are_there(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "report.html").write_text("x")
    known = {SIZE: [*nights([1], folder=str(tmp_path / "kept"))]}
    assert runs_of(known, tmp_path / "site")[0][3] == "../kept/report.html"
    assert runs_of({SIZE: nights([1])}, tmp_path)[0][3] == ""
