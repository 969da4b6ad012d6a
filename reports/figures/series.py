"""How series are told apart: by colour, and in grey by marker, dashes or hatch."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.path import Path

Dash: TypeAlias = "Literal['solid'] | tuple[float, tuple[float, ...]]"
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
SIZES = {"D": 0.85, "P": 1.25, "X": 1.2}
"""Of markers whose area differs much from a circle's."""
DASHES: tuple[Dash, ...] = (
    "solid", (0, (4, 1.6)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)),
)  # fmt: skip
"""In widths of the line."""
HATCHES = ("", "////", "xxxx", "----", "||||", "\\\\", "++++")


def _cycle(name: str, default: Sequence[str]) -> Sequence[str]:
    """What matplotlib's style gives to the series in turn."""
    from matplotlib import rcParams

    values: Sequence[str] = rcParams["axes.prop_cycle"].by_key().get(name, default)
    return values


def colour(place: int | None) -> str:
    """Colour of a series, from 0; None is that of text.

    Its period differs from the marker's, so that more series than colours look different.
    """
    colours = _cycle("color", ("C0",))
    return ink() if place is None else colours[(place + place // len(colours)) % len(colours)]


def marker(place: int) -> str:
    """Marker of a series."""
    markers = _cycle("marker", MARKERS)
    return markers[place % len(markers)]


def hatch(place: int) -> str:
    """Hatch of a bar's part; none where the style's hatches have no width."""
    from matplotlib import rcParams

    return HATCHES[place % len(HATCHES)] if rcParams["hatch.linewidth"] else ""


def dashes(place: int) -> Dash:
    """Dashes of a line."""
    return DASHES[place % len(DASHES)]


def ink() -> str:
    """Colour of text."""
    from matplotlib import rcParams

    return str(rcParams["text.color"])


def paper() -> str:
    """Colour of the ground, which fills hollow markers."""
    from matplotlib import rcParams

    ground = str(rcParams["axes.facecolor"])
    return "white" if ground == "none" else ground


@lru_cache
def marker_path(sign: str) -> Path:
    """Outline of a marker of size 1."""
    from matplotlib.markers import MarkerStyle
    from matplotlib.transforms import Affine2D

    style = MarkerStyle(sign)
    size = SIZES.get(sign, 1.0)
    return style.get_path().transformed(style.get_transform() + Affine2D().scale(size))
