"""Scales, ticks and what their labels need: the rest of the axes is the panel's own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from reports.figures.texts import NAME, clean, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

ROW = "row"
"""The gid of rows' names."""


@dataclass(frozen=True)
class Scale:
    """From `low` to `high`, which are the ends of the axis; a logarithmic one needs positive numbers."""

    label: str
    low: float
    high: float
    log: bool = False
    percent: bool = False

    @classmethod
    def around(
        cls, label: str, values: Sequence[float], *, log: bool = False, zero: bool = False, percent: bool = False
    ) -> Scale:
        """A scale around these values with a little room; logarithmic only where all are positive."""
        low, high = min(values, default=0.0), max(values, default=1.0)
        if log and low > 0:
            room = max((high / low) ** 0.06, 1.05)
            return cls(label, low / room, high * room, log=True, percent=percent)
        low = min(low, 0.0) if zero else low
        room = (high - low or abs(high) or 1.0) * 0.06
        return cls(label, low if zero and low == 0 else low - room, high + room, percent=percent)

    def ticks(self, most: int = 6) -> list[float]:
        """Round numbers inside the scale, about `most` and at least two."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        if self.log:
            for parts in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
                values = self._inside(LogLocator(subs=parts, numticks=50).tick_values(self.low, self.high))
                if len(values) <= most:
                    break
            if len(values) >= 2:
                return values[:: -(-len(values) // most)]
        locator = MaxNLocator(most, steps=[1, 2, 5, 10], min_n_ticks=2)
        return self._inside(locator.tick_values(self.low, self.high))

    def text(self, value: float) -> str:
        """Label of a tick."""
        if self.percent:
            return f"{value:.0%}"
        for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if 1e4 <= abs(value) < 1e15 and abs(value) >= size:
                return f"{value / size:.6g}{unit}"
        if value and (abs(value) >= 1e15 or abs(value) < 1e-4):
            return f"{value:.3g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
        return f"{value:,.10g}"

    def _inside(self, values: Sequence[float]) -> list[float]:
        slack = 1e-9 * abs(self.high - self.low)
        return [round(float(v), 12) if abs(v) > 1e-9 else float(v) for v in values
                if self.low - slack <= v <= self.high + slack]  # fmt: skip


def frame(ax: Axes, x: Scale, y: Scale | Sequence[str]) -> None:
    """Give axes their scales, ticks and labels.

    Args:
        ax: Empty axes.
        x: The horizontal scale.
        y: The vertical scale; or names of rows, which get the places 0, 1, ... from the top.
    """
    from matplotlib.transforms import ScaledTranslation

    wide, high = _points(ax)
    size = size_of("xtick.labelsize")
    if x.log:
        ax.set_xscale("log")
    ax.set_xlim(x.low, x.high)
    most = max(min(int(wide / (4.2 * size)), 6), 2)
    while True:
        ticks = x.ticks(most)
        texts = [x.text(tick) for tick in ticks]
        if most <= 2 or not _crowded(x, ticks, texts, wide, size):
            break
        most -= 1
    ax.set_xticks(ticks, texts)
    ax.minorticks_off()
    ax.set_xlabel(_wrapped(x.label, wide, size_of("axes.labelsize")))
    if isinstance(y, Scale):
        if y.log:
            ax.set_yscale("log")
            ax.minorticks_off()
        ax.set_ylim(y.low, y.high)
        ticks = y.ticks(max(min(int(high / (2.6 * size)), 6), 2))
        ax.set_yticks(ticks, [y.text(tick) for tick in ticks])
        ax.set_ylabel(_wrapped(y.label, high, size_of("axes.labelsize")), rotation_mode="anchor", ha="center")
    else:
        ax.set_ylim(len(y) - 0.5, -0.5)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        # Texts take a fifth of the time of ticks, of which a figure of twenty systems has twenty.
        beside = ax.get_yaxis_transform() + ScaledTranslation(-size / 144, 0, ax.figure.dpi_scale_trans)
        for row, name in enumerate(y):
            ax.text(0, row, shortened(name, NAME), ha="right", va="center", fontsize=size, transform=beside, gid=ROW)


def row_names(ax: Axes) -> list[str]:
    """The names of rows that `frame` has written."""
    return [text.get_text() for text in ax.texts if text.get_gid() == ROW]


def text_width(text: str, size: float) -> float:
    """Width of a line of text in points, in the font of the style."""
    from matplotlib import rcParams

    return _width(text, round(size, 2), tuple(rcParams["font.sans-serif"][:1]))


@lru_cache(maxsize=20_000)
def _width(text: str, size: float, _family: tuple[str, ...]) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    wide, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return float(wide)


def size_of(name: Literal["axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"]) -> float:
    """A size of the style in points."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    return float(FontProperties(size=rcParams[name]).get_size_in_points())


def _points(ax: Axes) -> tuple[float, float]:
    """Width and height of axes in points."""
    figure = ax.figure.get_figure(root=True)
    inches = figure.get_size_inches()
    box = ax.get_position()
    return float(box.width * inches[0] * 72), float(box.height * inches[1] * 72)


def _crowded(x: Scale, ticks: Sequence[float], texts: Sequence[str], wide: float, size: float) -> bool:
    """Whether labels of ticks come closer than half a letter's height."""
    from math import log

    ends = (log(x.low), log(x.high)) if x.log else (x.low, x.high)
    places = [((log(tick) if x.log else tick) - ends[0]) / (ends[1] - ends[0]) * wide for tick in ticks]
    right = float("-inf")
    for place, text in zip(places, texts, strict=True):
        half = text_width(text, size) / 2
        if place - half < right + 0.7 * size:
            return True
        right = place + half
    return False


def _wrapped(label: str, room: float, size: float) -> str:
    """A label in one line, or two where one is longer than the axis."""
    label = clean(label)
    words = label.split()
    if text_width(label, size) <= room or len(words) < 2:
        return label
    splits = [(" ".join(words[:n]), " ".join(words[n:])) for n in range(1, len(words))]
    return "\n".join(min(splits, key=lambda pair: max(text_width(line, size) for line in pair)))
