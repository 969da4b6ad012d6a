"""Names beside points: each where it covers nothing, or none at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from reports.figures.scales import size_of, text_width
from reports.figures.series import paper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from reports.figures.base import Name


Box: TypeAlias = tuple[float, float, float, float]
"""Left, bottom, right, top in points."""
MOST = 12
"""Nobody finds a name among more than these."""


@dataclass(frozen=True)
class Placed:
    """A name, how it is aligned, and its distance from its point in points."""

    name: Name
    ha: Literal["left", "right", "center"]
    va: Literal["top", "bottom"]
    dx: float
    dy: float


def places_of(ax: Axes, names: Sequence[Name]) -> list[Placed]:
    """Where each name stands beside its point; nowhere at all where one would cover another or a point.

    Args:
        ax: Axes with their scales and their place in the figure.
        names: Texts and their points, in the data's units.
    """
    from matplotlib import rcParams

    if not 0 < len(names) <= MOST:
        return []
    figure = ax.figure.get_figure(root=True)
    to_points = 72 / figure.dpi
    points = ax.transData.transform([(name.x, name.y) for name in names]) * to_points
    size = size_of("legend.fontsize")
    mark = 0.5 * float(rcParams["lines.markersize"]) + 1.5
    corners = np.asarray(ax.bbox.get_points()) * to_points
    inside = (corners[0, 0], corners[0, 1], float(figure.get_size_inches()[0] * 72) - 1, corners[1, 1])
    marks = [(x - mark, y - mark, x + mark, y + mark) for x, y in points]
    taken: list[Box] = list(marks)
    placed: list[Placed] = []
    for name, (x, y), own in zip(names, points, marks, strict=True):
        wide, far = text_width(name.text, size), mark + 0.25 * size
        choices = [
            Placed(name, "left", "bottom", far, 0.1 * size), Placed(name, "right", "bottom", -far, 0.1 * size),
            Placed(name, "left", "top", far, -0.1 * size), Placed(name, "right", "top", -far, -0.1 * size),
            Placed(name, "center", "bottom", 0.0, far), Placed(name, "center", "top", 0.0, -far),
            Placed(name, "left", "bottom", far, 1.1 * size), Placed(name, "right", "bottom", -far, 1.1 * size),
            Placed(name, "left", "top", far, -1.1 * size), Placed(name, "right", "top", -far, -1.1 * size),
        ]  # fmt: skip
        for choice in choices:
            left = x + choice.dx - {"left": 0.0, "right": wide, "center": wide / 2}[choice.ha]
            low = y + choice.dy - (1.25 * size if choice.va == "top" else 0.0)
            box = (left, low, left + wide, low + 1.25 * size)
            if _within(box, inside) and not any(_meet(box, other) for other in taken if other is not own):
                taken.append(box)
                placed.append(choice)
                break
        else:
            return []
    return placed


def write(ax: Axes, placed: Sequence[Placed]) -> None:
    """Write names at their places."""
    ground = {"facecolor": paper(), "edgecolor": "none", "alpha": 0.75, "pad": 0.5}
    for at in placed:
        ax.annotate(
            at.name.text, (at.name.x, at.name.y), (at.dx, at.dy), textcoords="offset points", ha=at.ha, va=at.va,
            gid="name", fontsize=size_of("legend.fontsize"), annotation_clip=False, bbox=ground, zorder=2.7,
        )  # fmt: skip


def _within(box: Box, room: Box) -> bool:
    return box[0] >= room[0] and box[1] >= room[1] and box[2] <= room[2] and box[3] <= room[3]


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
