"""Axes and paths."""

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
