"""Axes and paths."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.figures.svg import Axis, Plot, colour


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.booleans())
def test_ticks_are_inside_and_told_apart(low, span, log):
    axis = Axis.around("x", [abs(low) + 1e-3, abs(low) + span] if log else [low, low + span], log=log)
    ticks = axis.ticks()
    assert len(ticks) >= 2
    assert all(axis.low - 1e-9 * abs(axis.low) <= tick <= axis.high + 1e-9 * abs(axis.high) for tick in ticks)
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize("values", [(1.38e8, 3.42e8), (0.001, 5.0), (3e9, 9e11)])
def test_labels_of_ticks_differ(values):
    axis = Axis.around("x", values, log=True)
    labels = [axis.text(tick) for tick in axis.ticks()]
    assert len(set(labels)) == len(labels)


def test_logarithmic_axes_need_positive_values():
    assert not Axis.around("x", [0.0, 10.0], log=True).log
    assert Axis("x", 1, 100, log=True).share(10) == pytest.approx(0.5)


def test_names_are_escaped_and_the_tree_is_whole():
    plot = Plot(Axis("<x>", 0, 1), Axis("y & z", 0, 1))
    plot.point(0.5, 0.5, 3, "<b>name</b>")
    plot.line([(0, 0), (1, 1)], "s0", step=True)
    tree = ElementTree.fromstring(plot.svg())  # noqa: S314 - our own drawing
    assert "<x>" in [element.text for element in tree]
    assert "&lt;b&gt;" in plot.svg()


def test_series_look_different():
    assert len({(colour(place), place % 7) for place in range(49)}) == 49


def test_a_marker_with_a_link_leads_there_and_has_its_title():
    plot = Plot(Axis("x", 0, 1), Axis("y", 0, 1))
    plot.point(0.5, 0.5, 0, "a night", link="../run/report.html?a=1&b=2")
    tree = ElementTree.fromstring(plot.svg())  # noqa: S314 - our own drawing
    (link,) = tree.iter("a")
    assert link.get("href") == "../run/report.html?a=1&b=2"
    assert link.find("path/title").text == "a night"


def test_a_band_and_a_whisker_cover_their_values():
    plot = Plot(Axis("x", 0, 10), Axis("y", 0, 100))
    plot.band((2, 4), (25, 50), "s2")
    (box,) = ElementTree.fromstring(plot.svg()).iter("rect")  # noqa: S314 - our own drawing
    left, wide, top, high = (float(box.get(name)) for name in ("x", "width", "y", "height"))
    across, up = plot.right - plot.left, plot.bottom - plot.top
    assert left == pytest.approx(plot.left + 0.2 * across, abs=0.1)
    assert wide == pytest.approx(0.2 * across, abs=0.1)
    assert top == pytest.approx(plot.bottom - 0.5 * up, abs=0.1)
    assert high == pytest.approx(0.25 * up, abs=0.1)
    before = plot.svg()
    plot.whisker((1, 1), (5, 5), 0)
    assert plot.svg() == before
    plot.whisker((1, 1), (5, 6), 0)
    assert plot.svg() != before


def test_rows_have_no_vertical_axis():
    plot = Plot(Axis("x", 0, 1), rows=["a"])
    with pytest.raises(ValueError, match="no vertical axis"):
        plot.point(0.5, 0.5, 0, "t")
    with pytest.raises(ValueError, match="no vertical axis"):
        plot.line([(0, 0), (1, 1)], "s0")


def test_a_long_name_of_a_row_is_cut_and_whole_in_its_title():
    name = "a system with a very long name that no drawing has room for"
    tree = ElementTree.fromstring(Plot(Axis("x", 0, 1), rows=[name, "short"]).svg())  # noqa: S314 - our own drawing
    assert [title.text for title in tree.iter("title")] == [name]
    texts = [text.text for text in tree.iter("text")]
    assert "short" in texts
    assert any(text.endswith("…") and name.startswith(text[:-1]) for text in texts)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=40),
    st.sampled_from([False, True]),
)  # fmt: skip
def test_a_line_goes_through_its_points(points, step):
    """Distances from point to point add up to the points themselves, to a tenth of a unit."""
    plot = Plot(Axis("x", 0, 1), Axis("y", 0, 1))
    plot.line(points, "s0", step=step)
    path = next(e.get("d") for e in ElementTree.fromstring(plot.svg()).iter("path") if e.get("class") == "line s0")  # noqa: S314
    start, _, rest = path.removeprefix("M").partition("l")
    numbers = [float(text) for text in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", rest)]
    x, y = map(float, start.split())
    passed = [(x, y)]
    for across, down in zip(numbers[::2], numbers[1::2], strict=True):
        x, y = x + across, y + down
        passed.append((x, y))
    for a, b in points:
        at = plot.left + a * (plot.right - plot.left), plot.bottom - b * (plot.bottom - plot.top)
        assert any(math.dist(at, other) < 0.1 for other in passed)
    assert len(passed) == (2 * len(points) - 1 if step else len(points))
