"""Panels on a canvas: how wide, how high, where each stands, and one legend for all."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from harness.errors import UserError
from reports.figures import names
from reports.figures.scales import row_names, size_of, text_width
from reports.figures.series import colour, dashes, hatch, ink, marker, paper
from reports.figures.style import house_style
from reports.figures.texts import briefly, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reports.figures.base import Drawn, Key, Panel, Sheet

WIDTHS = {"column": 3.3, "text": 6.9}
"""Inches of a column and of a page of two columns."""
NARROWEST, WIDEST = 2.5, 30.0
PANEL = 2.2
"""Inches that a panel needs beside others."""
KEY_TEXT = 60
"""Characters of a legend's text."""
TALL = 12
"""Lines of a legend; one that would have more takes shorter names and more columns."""


@dataclass(frozen=True)
class Composed:
    """A figure and what each panel drew; the legend is on the figure if `compose` was asked for it."""

    figure: Figure
    drawn: Sequence[Drawn]


def inches(width: float | str) -> float:
    """Inches of a width: "column", "text" or a number.

    Raises:
        UserError: It is none of these, or no figure is so wide or narrow.
    """
    try:
        value = WIDTHS[width] if width in WIDTHS else float(width)
    except ValueError:
        remedy = "give column, text or inches"
        raise UserError(f"{width!r} is no width of a figure", key="--width", remedy=remedy) from None
    if not NARROWEST <= value <= WIDEST:
        remedy = f"give {NARROWEST:g} to {WIDEST:g} inches"
        raise UserError(f"a figure cannot be {value:g} inches wide", key="--width", remedy=remedy)
    return value


def sheet_figure(sheet: Sheet, width: float | str = "column", style: str | None = None) -> Figure:
    """The figure of a sheet, with its legend.

    Args:
        sheet: Its panels.
        width: "column" (3.3 inches), "text" (6.9 inches) or inches.
        style: A file of matplotlib's settings (``.mplstyle``) that is laid over the project's own.

    Raises:
        UserError: The width or the style is wrong.
    """
    with house_style(style):
        return compose(sheet.panels, inches(width)).figure


def panel_figure(
    panel: Panel, ax: Axes | None = None, *, width: float | str = "column", style: str | None = None
) -> Figure:
    """The figure of one panel.

    Args:
        panel: Its data.
        ax: Axes to draw into, legend included, in the style that matplotlib has now; by default those of a new figure.
        width: Of a new figure: "column" (3.3 inches), "text" (6.9 inches) or inches.
        style: Of a new figure: a file of matplotlib's settings that is laid over the project's own.

    Raises:
        UserError: The width or the style is wrong.
    """
    if ax is None:
        with house_style(style):
            return compose([panel], inches(width)).figure
    drawn = panel.draw(ax)
    placed = names.places_of(ax, drawn.names)
    names.write(ax, placed)
    if drawn.keys and not placed:
        ax.legend(*_handles(drawn.keys))
    return ax.figure.get_figure(root=True)


def compose(panels: Sequence[Panel], width: float, *, legend: bool = True) -> Composed:
    """Draw panels beside and below each other in the style that matplotlib has now.

    Args:
        panels: In reading order; several get letters.
        width: In inches.
        legend: Whether the figure has room for a legend, and one where a panel needs it.
    """
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    em = float(rcParams["font.size"]) / 72
    columns = _columns(panels, width)
    lines = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    wide = width / columns
    top = (1.6 if len(panels) > 1 else 0.7) * em
    heights = [max(_height(panel, wide, em) for panel in line) + top for line in lines]
    figure = Figure(figsize=(width, sum(heights)))
    drawn: list[Drawn] = []
    high = sum(heights)
    axes: list[Axes] = []
    for row, line in enumerate(lines):
        for place, panel in enumerate(line):
            bottom = sum(heights[row + 1 :])
            box = (place * wide, bottom, wide, heights[row] - top)
            ax = figure.add_axes((box[0] / width, box[1] / high, box[2] / width, box[3] / high))
            _put(ax, (box[0] + 4 * em, box[1] + 3.85 * em, wide - 5.2 * em, box[3] - 3.85 * em))
            drawn.append(panel.draw(ax))
            axes.append(ax)
            left, below = _margins(ax, em)
            _put(ax, (box[0] + left, box[1] + below, wide - left - 1.2 * em, box[3] - below))
            if len(panels) > 1:
                ax.set_title(f"({chr(97 + len(drawn) - 1)})", loc="left", fontsize=rcParams["font.size"], pad=3)
    placed = [names.places_of(ax, part.names) for ax, part in zip(axes, drawn, strict=True)]
    if all(placed):  # a reader who needs the legend for one panel needs it for all
        for ax, part, own in zip(axes, drawn, placed, strict=True):
            names.write(ax, own)
            part.keys = []
    keys = list(dict.fromkeys(key for part in drawn for key in part.keys))
    if legend and keys:
        _add_legend(figure, axes, keys, width)
    return Composed(figure, drawn)


def _columns(panels: Sequence[Panel], width: float) -> int:
    """Panels beside each other: as many as have room, so that lines are about equally long."""
    most = 2 if panels[0].row_names() is not None else max(int(width / PANEL), 1)
    most = most if width >= 2 * PANEL else 1
    count = min(most, len(panels))
    return ceil(len(panels) / ceil(len(panels) / count))


def _height(panel: Panel, wide: float, em: float) -> float:
    """Inches of a panel, with the labels of its horizontal axis and without its letter."""
    rows = panel.row_names()
    if rows is not None:
        return (len(rows) * panel.row_height + 3.9) * em
    return min(max(panel.aspect * wide, 13 * em), 25 * em)


def _put(ax: Axes, box: tuple[float, float, float, float]) -> None:
    """Place axes by inches from the figure's lower left corner."""
    figure = ax.figure.get_figure(root=True)
    wide, high = figure.get_size_inches()
    ax.set_position((box[0] / wide, box[1] / high, max(box[2], 0.1) / wide, max(box[3], 0.1) / high))


def _margins(ax: Axes, em: float) -> tuple[float, float]:
    """Inches that labels need to the left of axes and below them."""
    size = size_of("ytick.labelsize")
    texts = row_names(ax) or [label.get_text() for label in ax.get_yticklabels()]
    widest = max((text_width(text, size) for text in texts), default=0.0) / 72
    lines = ax.get_ylabel().count("\n") + 1 if ax.get_ylabel() else 0
    left = 1.04 * widest + 1.2 * em + (1.35 * lines + 0.4 if lines else 0.0) * em
    return left, (2.55 + 1.3 * (ax.get_xlabel().count("\n") + 1)) * em


def _handles(keys: Sequence[Key]) -> tuple[list[Artist], list[str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = []
    for key in keys:
        shape = key.shape if key.shape is not None else key.colour or 0
        shade = colour(key.colour)
        if key.sign == "fill":
            handles.append(Patch(facecolor=shade, edgecolor=paper(), hatch=hatch(shape)))
        elif key.sign == "line":
            handles.append(Line2D([], [], color=shade, linestyle=dashes(shape)))
        else:
            face = paper() if key.hollow else shade
            handles.append(Line2D([], [], linestyle="none", marker=marker(shape), markeredgecolor=shade,
                                  markerfacecolor=face, color=ink()))  # fmt: skip
    return handles, [shortened(key.text, KEY_TEXT) for key in keys]


def _add_legend(figure: Figure, axes: Sequence[Axes], keys: Sequence[Key], width: float) -> None:
    """Make room below the panels, and write the legend there."""
    size = size_of("legend.fontsize")
    handles, texts = _handles(keys)
    room, handle, gap = width * 72 * 0.97 - 4, 2.4 * size, 1.2 * size

    def most(texts: Sequence[str]) -> int:
        fitting = (n for n in range(len(texts), 1, -1) if _legend_width(texts, n, size, handle, gap) <= room)
        return next(fitting, 1)

    texts = [_cut(text, room - handle, size) for text in texts]
    columns = most(texts)
    if len(texts) > TALL * columns:
        short = briefly(texts)
        if most(short) < 2:
            short = [_cut(text, (room - gap) / 2 - handle, size) for text in short]
        if len(set(short)) == len(set(texts)):
            texts, columns = short, most(short)
    legend = figure.legend(
        handles, texts, loc="lower center", bbox_to_anchor=(0.5, 0.0), ncols=columns, borderpad=0.2, borderaxespad=0.0,
        labelspacing=0.35, handlelength=2.0, handletextpad=0.4, columnspacing=1.2,
    )  # fmt: skip
    # Text is up to a twentieth higher at some resolutions than at the one that measures.
    extra = 1.05 * legend.get_window_extent().height / figure.dpi + 0.3 * size / 72
    boxes = [ax.get_position() for ax in axes]
    wide, high = figure.get_size_inches()
    figure.set_size_inches(wide, high + extra)
    for ax, box in zip(axes, boxes, strict=True):
        _put(ax, (box.x0 * wide, box.y0 * high + extra, box.width * wide, box.height * high))


def _cut(text: str, room: float, size: float) -> str:
    """The text, or as much of it as this number of points has room for."""
    while text_width(text, size) > room and len(text) > 1:
        text = shortened(text, len(text) - 1)
    return text


def _legend_width(texts: Sequence[str], columns: int, size: float, handle: float, gap: float) -> float:
    """Points that a legend with this number of columns takes; matplotlib fills it column by column."""
    lines, more = divmod(len(texts), columns)
    start, total = 0, 0.0
    for column in range(columns):
        count = lines + (column < more)
        total += max(text_width(text, size) for text in texts[start : start + count]) + handle
        start += count
    return total + gap * (columns - 1)
