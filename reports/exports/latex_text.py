"""Texts of a figure for LaTeX, which sets them: names of systems and collections are no LaTeX by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.text import Text
from matplotlib.ticker import Formatter

from reports.latex import escaped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def escape_texts(figure: Figure) -> None:
    """Make each text of a figure, the labels of its ticks among them, LaTeX that prints the text as it is."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)  # noqa: S101 - `findobj` returns what it is asked for
        text.set_text(_lines(text.get_text()))
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(EscapedTicks(axis.get_major_formatter()))
            axis.set_minor_formatter(EscapedTicks(axis.get_minor_formatter()))


class EscapedTicks(Formatter):
    """Labels of ticks as another formatter makes them, as LaTeX."""

    def __init__(self, plain: Formatter) -> None:
        self._plain = plain

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The label of one tick."""
        return _lines(self._plain(x, pos))

    def format_ticks(self, values: list[float]) -> list[str]:
        """The labels of all ticks."""
        return [_lines(text) for text in self._plain.format_ticks(values)]

    def get_offset(self) -> str:
        """The text at the end of the axis."""
        return _lines(self._plain.get_offset())


def _lines(text: str) -> str:
    """Matplotlib sets each line for itself."""
    return "\n".join(escaped(line) for line in text.split("\n"))
