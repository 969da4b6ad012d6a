"""The sections of the trend page: what is news, and how a night stands against the nights before."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from drawn import Drawing
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.history.series import Night
from harness.stats.changes import FEWEST
from reports.formatting import label
from reports.sections import night_changes
from reports.sections.night_changes import Series, news
from reports.sections.small_curves import small_curves
from reports.sections.trend_sections import night_figure, runs_of, section_of

START = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = ("alpha", "ours", "index_bytes")
TIME = ("alpha", "ours", "latency_total/p50")
LATER = Night("n9", START + timedelta(days=9), "", "other", 2.0, None, None, "/nowhere", "good")


def counted(counts, name, function):
    """The function, with each call counted under its name."""

    def wrapped(*arguments):
        counts[name] += 1
        return function(*arguments)

    return wrapped


def nights(values, label="m|d|v", folder="/nowhere"):
    return [
        Night(f"n{i}", START + timedelta(days=i), f"{i:040x}", label, value, None, None, folder, "good")
        for i, value in enumerate(values)
    ]


@given(st.integers(1, 150), st.booleans())
@settings(max_examples=20)
def test_an_axis_of_nights_has_few_ticks_and_the_last_night_among_them(count, small):
    (figure,) = section_of(TIME[:2], Series({TIME: nights([1.0, *range(count)])}, {}), {}, START).figures
    ax = Drawing(replace(figure, small=small)).ax
    shown = len(figure.nights)
    places = [int(place) for place in ax.get_xticks()]
    assert len(places) <= (2 if small else 6)
    assert places[-1] == shown - 1
    assert places == sorted(set(places))
    days = [f"{figure.nights[place].created:%-d %b}" for place in places]
    assert [label.get_text() for label in ax.get_xticklabels()] == days


def test_a_section_has_a_row_a_metric_and_a_figure_of_what_moves(tmp_path):
    watched = {SIZE: nights([1000, 1000, 1200]), ("alpha", "ours", "model_parameters"): nights([5, 5, 5])}
    found = section_of(("alpha", "ours"), Series(watched, watched), {"last night": START + timedelta(days=1)}, tmp_path)
    assert found.title == "ours on alpha"
    assert [row[0].text for row in found.rows] == [label("index_bytes"), label("model_parameters")]
    assert [row[2] for row in found.rows] == [("+20.00%", True), ("same", False)]
    (figure,) = found.figures
    assert [row[3] for row in figure.table().rows] == ["step +20.0%", "", ""]
    assert len(figure.table().head) == len(figure.table().rows[0])


def test_runs_link_to_reports_that_are_there(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "report.html").write_text("x")
    known = {SIZE: [*nights([1], folder=str(tmp_path / "kept"))]}
    assert runs_of(known, tmp_path / "site")[0][3] == "../kept/report.html"
    assert runs_of({SIZE: nights([1])}, tmp_path)[0][3] == ""


def row_of(values, tmp_path, key=TIME, **more):
    """The texts of the only row of a section: metric, now, change, noise, nights."""
    watched = {key: nights(values, **more)}
    (row,) = section_of(key[:2], Series(watched, watched), {"then": START}, tmp_path).rows
    return [cell.text for cell in row]


def test_noise_is_known_from_enough_nights_of_one_level(tmp_path):
    assert row_of([1.0, 1.1] * (FEWEST // 2), tmp_path)[3] == "not known yet"
    assert row_of([1.0] * (FEWEST + 1), tmp_path)[3] == "0.2%"  # never less than that is believed
    share = float(row_of([1.0, 1.1] * FEWEST, tmp_path)[3].removesuffix("%"))
    assert 5 < share < 15
    assert row_of([0.0] * (FEWEST + 1), tmp_path)[3] == "–"
    assert row_of([3.0, 4.0], tmp_path, SIZE)[3] == "exact"


def test_a_change_from_nothing_has_no_share(tmp_path):
    assert row_of([0, 0, 3], tmp_path, SIZE)[2] == "from 0"
    series = Series({SIZE: nights([0, 0, 3])}, {})
    (curve,) = small_curves(series, {}, START + timedelta(days=1), tmp_path)
    assert (curve.change, curve.state) == ("from 0", "changed")
    (told,) = news("last night", series, START + timedelta(days=1)).systems
    assert told == ("ours on alpha", ["Index size: 0 to 3 B (from 0)"])


def test_noise_and_shift_are_computed_once_for_all_sections(tmp_path, monkeypatch):
    counts = Counter()
    for name in ("spread_of", "shift"):
        monkeypatch.setattr(night_changes, name, counted(counts, name, getattr(night_changes, name)))
    keys = [("alpha", system, metric) for system in ("ours", "theirs") for metric in (TIME[2], "search_least")]
    series = Series({key: nights([1.0, 1.1, 1.2]) for key in keys}, {})
    ends = {"last night": START + timedelta(days=1), "last week": START}
    for title, end in ends.items():
        news(title, series, end)
    for cell in dict.fromkeys(key[:2] for key in keys):
        section_of(cell, series, ends, tmp_path)
    small_curves(series, {}, START, tmp_path)
    assert counts == {"spread_of": len(keys), "shift": len(ends)}


def test_noise_before_a_step_or_another_machine_does_not_count(tmp_path):
    wild, calm = [1.0, 1.5, 0.7] * 5, [10.0] * (FEWEST + 1)
    assert row_of(wild + calm, tmp_path)[3] == "0.2%"
    moved = [*nights(wild, label="old"), *nights([1.0] * len(wild))[-1:]]
    watched = {TIME: moved}
    (row,) = section_of(TIME[:2], Series(watched, watched), {}, tmp_path).rows
    assert row[2].text == "not known yet"


def test_a_step_of_a_time_is_drawn_with_its_change(tmp_path):
    values = [1.0, 1.01, 0.99] * 6 + [1.5, 1.51, 1.49] * 3
    watched = {TIME: nights(values)}
    (figure,) = section_of(TIME[:2], Series(watched, watched), {}, tmp_path).figures
    marks = [row[3] for row in figure.table().rows[::-1]]
    (at,) = [place for place, mark in enumerate(marks) if mark]
    assert at == 18
    assert float(marks[at].removeprefix("step +").removesuffix("%")) == pytest.approx(50, abs=2)
    drawing = Drawing(figure)
    assert "step" in [key.text for key in drawing.drawn.keys]
    assert {x for x, _ in drawing.line("step-18")} == {17.5}
    assert drawing.points() == [(place, pytest.approx(1e3 * value)) for place, value in enumerate(values)]


def test_the_band_is_how_far_the_null_control_was_off(tmp_path):
    watched = {TIME: nights([1.0, 1.1, 1.2])}
    null = {("alpha", "x", "smallest_effect/total p50"): nights([0.04, 0.08, 0.2])}
    for known, drawn in ((watched, False), ({**watched, **null}, True)):
        (figure,) = section_of(TIME[:2], Series(watched, known), {}, tmp_path).figures
        drawing = Drawing(figure)
        assert ("null control" in str(drawing.drawn.keys)) == drawn
        for box in drawing.artists("band"):
            middle = 1e3 * figure.levels[-1][2] / 1e3
            assert (box.get_y(), box.get_height()) == (pytest.approx(middle * 0.92), pytest.approx(middle * 0.16))
        assert len(drawing.artists("band")) == drawn


def test_a_change_of_machine_is_marked_in_the_figure(tmp_path):
    watched = {TIME: [*nights([1.0, 1.1]), LATER]}
    (figure,) = section_of(TIME[:2], Series(watched, watched), {}, tmp_path).figures
    drawing = Drawing(figure)
    assert "machine, data or definition changed" in [key.text for key in drawing.drawn.keys]
    assert {x for x, _ in drawing.line("machine, data or definition changed-2")} == {1.5}


def test_intervals_of_nights_are_drawn(tmp_path):
    plain = nights([2.0**21, 2.0**22])
    with_ends = [replace(night, low=night.value * 0.9, high=night.value * 1.1) for night in plain]
    figures = [
        section_of(SIZE[:2], Series({SIZE: own}, {SIZE: own}), {}, tmp_path).figures[0] for own in (plain, with_ends)
    ]
    plain, with_ends = (Drawing(figure) for figure in figures)
    assert plain.ax.get_ylabel() == with_ends.ax.get_ylabel() == "MiB"
    assert plain.segments() == []
    assert with_ends.segments() == [
        [(place, pytest.approx(0.9 * size)), (place, pytest.approx(1.1 * size))] for place, size in enumerate((2, 4))
    ]


@pytest.mark.parametrize(("size", "unit"), [(3.0, "bytes"), (2.0**11, "KiB"), (2.0**21, "MiB"), (2.0**31, "GiB")])
def test_an_axis_of_sizes_has_the_unit_of_the_number_beside_it(tmp_path, size, unit):
    own = nights([size, 2 * size])
    shown = night_figure(SIZE, own, None, tmp_path)
    assert shown.unit == unit
    assert [night.value for night in shown.nights] == pytest.approx([2, 4] if unit != "bytes" else [3, 6])
