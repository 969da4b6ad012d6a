"""Marks that several kinds of figures draw: points of many series, and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.figures.series import colour, dashes, marker, marker_path, paper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from harness.records import Record

Interval = tuple[tuple[float, float], tuple[float, float]]
"""From a point to a point."""


def points(
    ax: Axes,
    places: Sequence[tuple[float, float]],
    series: Sequence[int | None],
    *,
    shapes: Sequence[int] | None = None,
    hollow: Sequence[bool] | None = None,
    gid: str = "points",
    links: Sequence[str] | None = None,
) -> None:
    """Draw a marker at each place, in the colour and shape of its series; all are one artist.

    Args:
        ax: The axes.
        places: x and y of each, in the data's units.
        series: Place of each one's series; None for the colour of text.
        shapes: Places of their markers, where these are not those of their series.
        hollow: Which are not filled; by default none.
        gid: Of the artist.
        links: Where each leads to, "" for nowhere.
    """
    from matplotlib import rcParams
    from matplotlib.collections import PathCollection
    from matplotlib.transforms import IdentityTransform

    shades = [colour(place) for place in series]
    empty = hollow or [False] * len(shades)
    own = shapes or [place or 0 for place in series]
    size = float(rcParams["lines.markersize"])
    drawn = PathCollection(
        [marker_path(marker(shape)) for shape in own],
        sizes=[size**2],
        offsets=places,
        offset_transform=ax.transData,
        facecolors=[paper() if open_ else shade for shade, open_ in zip(shades, empty, strict=True)],
        edgecolors=[shade if open_ else paper() for shade, open_ in zip(shades, empty, strict=True)],
        linewidths=[size * (0.22 if open_ else 0.1) for open_ in empty],
        gid=gid,
        zorder=3,
        clip_on=False,
    )
    drawn.set_transform(IdentityTransform())
    if links is not None:
        drawn.set_urls([link or None for link in links])
    ax.add_collection(drawn, autolim=False)


def line(
    ax: Axes,
    places: Sequence[tuple[float, float]],
    place: int | None,
    *,
    dash: int = 0,
    thin: bool = False,
    step: bool = False,
    gid: str | None = None,
) -> None:
    """Join places, in the colour of a series; a step keeps the height until the next one.

    Args:
        ax: The axes.
        places: x and y of each, in the data's units.
        place: Of the series; None for the colour of text.
        dash: See `reports.figures.series.dashes`.
        thin: Whether it is thinner than a curve.
        step: Whether it goes by steps.
        gid: Of the artist.
    """
    from matplotlib import rcParams
    from matplotlib.lines import Line2D

    x, y = zip(*places, strict=True)
    ax.add_line(
        Line2D(
            x,
            y,
            color=colour(place),
            linestyle=dashes(dash),
            linewidth=float(rcParams["lines.linewidth"]) * (0.6 if thin else 1.0),
            drawstyle="steps-post" if step else "default",
            gid=gid,
        )
    )


def intervals(ax: Axes, ends: Sequence[Interval], series: Sequence[int]) -> None:
    """Draw thin lines in the colours of their series; those without length are left out."""
    from matplotlib import rcParams
    from matplotlib.collections import LineCollection

    drawn = [(segment, place) for segment, place in zip(ends, series, strict=True) if segment[0] != segment[1]]
    if drawn:
        lines = LineCollection(
            [segment for segment, _ in drawn],
            colors=[colour(place) for _, place in drawn],
            linewidths=0.6 * float(rcParams["lines.linewidth"]),
            zorder=2.5,
            gid="intervals",
        )
        ax.add_collection(lines, autolim=False)


def reach(row: Record) -> tuple[float, float]:
    """Both ends of a record's interval; twice its value where it has none."""
    return (row.value, row.value) if row.ci_low is None or row.ci_high is None else (row.ci_low, row.ci_high)
