"""A series of nightly runs: each night with its interval, levels between steps, and how far noise reaches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reports.figures import marks
from reports.figures.base import Drawn, Key, Panel, Table
from reports.figures.scales import Scale, frame, size_of
from reports.figures.series import colour

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from matplotlib.axes import Axes

STEP, BREAK, BAND = 1, 6, 2
"""Places of the series whose colours steps, changes of machine or data, and the noise have."""


@dataclass(frozen=True)
class NightValue:
    """One night: `value` with its interval in the panel's unit; `text` says it in words, `link` leads to its report."""

    created: datetime
    value: float
    low: float | None = None
    high: float | None = None
    text: str = ""
    link: str = ""


@dataclass(frozen=True)
class NightStep:
    """A step before the night of this place: its relative change."""

    first: int
    change: float


@dataclass(frozen=True, kw_only=True)
class Nights(Panel):
    """One metric of one system, night by night, the oldest first; at least one night.

    Attributes:
        nights: In the order in which they are drawn.
        unit: Words of the vertical axis.
        levels: (first place, last place, median) of each stretch between steps.
        steps: Where the level changed.
        breaks: Places of nights before which machine, data or definition changed.
        band: How far noise reaches, relative to the last level; None where it is not known.
        rows: Of the table: run, revision, value, step.
        small: Whether it is one of many small curves: no labels on its axes but their ends, and no legend.
    """

    nights: Sequence[NightValue]
    unit: str
    levels: Sequence[tuple[int, int, float]] = ()
    steps: Sequence[NightStep] = ()
    breaks: Sequence[int] = ()
    band: float | None = None
    rows: Sequence[Sequence[str]] = field(default=(), repr=False)
    small: bool = False

    def share(self) -> float:
        """About half of a figure for a small curve."""
        return 0.55 if self.small else 1.0

    def table(self) -> Table:
        """A row for each run, the last one first."""
        return Table(("Run", "Revision", "Value", "Step"), self.rows)

    def scale(self) -> Scale:
        """The vertical axis."""
        reach = [v for night in self.nights for v in (night.value, night.low, night.high) if v is not None]
        if self.band is not None and self.levels:
            reach += [self.levels[-1][2] * (1 + sign * self.band) for sign in (-1, 1)]
        if self.steps:  # room for how large the steps are
            reach.append(max(reach) + 0.14 * (max(reach) - min(reach)))
        return Scale.around("" if self.small else self.unit, reach)

    def draw(self, ax: Axes) -> Drawn:
        """Band, levels, steps, and the nights with links to their reports."""
        from matplotlib.patches import Rectangle

        count = len(self.nights)
        x, y = Scale("" if self.small else "night", -0.5, count - 0.5 if count > 1 else 1.5), self.scale()
        frame(ax, x, y)
        every = -(-count // (2 if self.small else 6))
        shown = range((count - 1) % every, count, every)
        ax.set_xticks(list(shown), [f"{self.nights[place].created:%-d %b}" for place in shown])
        if self.small:  # a small curve has no room to its right
            ax.get_xticklabels()[-1].set_horizontalalignment("right")
        drawn = Drawn(keys=[Key("a night, with its interval", "marker", 0)])
        if self.band is not None and self.levels:
            first, last, level = self.levels[-1]
            corner, high = (first - 0.4, level * (1 - self.band)), 2 * abs(level) * self.band
            ax.add_patch(
                Rectangle(corner, last - first + 0.8, high, facecolor=colour(BAND), alpha=0.16, linewidth=0, gid="band")
            )
            drawn.keys.append(Key("null control: as far as a system was off from itself", "fill", BAND))
        for number, (first, last, level) in enumerate(self.levels):
            marks.line(ax, [(first - 0.4, level), (last + 0.4, level)], None, gid=f"level-{number}")
        ends = [((place, night.low), (place, night.high)) for place, night in enumerate(self.nights)
                if night.low is not None and night.high is not None]  # fmt: skip
        marks.intervals(ax, ends, [0] * len(ends))
        for first, place, words in (
            *((step.first, STEP, "step") for step in self.steps),
            *((night, BREAK, "machine, data or definition changed") for night in self.breaks),
        ):
            marks.line(
                ax,
                [(first - 0.5, y.low), (first - 0.5, y.high)],
                place,
                dash=2,
                thin=True,
                gid=f"{words}-{first}",
            )
            drawn.keys.append(Key(words, "line", place, shape=2))
        for step in self.steps:
            late = step.first > 0.8 * count
            ax.annotate(
                f"{step.change:+.1%}", (step.first - 0.5, y.high), (-3 if late else 3, -2), textcoords="offset points",
                ha="right" if late else "left", va="top", fontsize=size_of("legend.fontsize"),
            )  # fmt: skip
        at = [(float(place), night.value) for place, night in enumerate(self.nights)]
        marks.points(ax, at, [0] * count, links=[night.link for night in self.nights])
        drawn.tips["points"] = [night.text for night in self.nights]
        drawn.links["points"] = [night.link for night in self.nights]
        drawn.keys = [] if self.small else list(dict.fromkeys(drawn.keys))
        return drawn
