"""Plain charts as SVG: axes, lines, points, areas and bars; the page's style sheet gives the colours.

Drawn here and not by a plotting library because a report of many systems and collections holds a hundred figures, and
has seconds for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias
from xml.etree import ElementTree as Xml

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""
ROW_LABEL = 24
"""Characters of a row's name that are drawn; all of it is in the figure's table."""
COLOURS = 7
"""Colours in the style sheet (Okabe and Ito's, which colour-blind readers can distinguish): classes s0 to s6."""
_ANCHORS = {"middle": "", "start": "st", "end": "en"}
"""Classes of text; the style sheet centres it otherwise."""
_DASHES = ("", "7 3", "2 3", "9 3 2 3")
_MARKERS = (
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "M-4-4h8v8h-8z",
    "M0-5.5L5.5 0L0 5.5L-5.5 0z",
    "M0-5.5L5 3.5H-5z",
    "M0 5.5L5-3.5H-5z",
    "M-1.7-5h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3z",
    "M-5-3L-3-5L0-2L3-5L5-3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0z",
)


def colour(place: int) -> str:
    """Class of a series; it differs from the marker's period so that 49 series look different."""
    return f"s{(place + place // COLOURS) % COLOURS}"


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`, both drawn; logarithmic ones need positive numbers."""

    label: str
    low: float
    high: float
    log: bool = False
    percent: bool = False

    @classmethod
    def around(
        cls, label: str, values: Sequence[float], *, log: bool = False, zero: bool = False, percent: bool = False
    ) -> Axis:
        """An axis around these values with a little room; logarithmic only where all are positive."""
        low, high = min(values, default=0.0), max(values, default=1.0)
        if log and low > 0:
            room = max((high / low) ** 0.06, 1.05)
            return cls(label, low / room, high * room, log=True, percent=percent)
        low = min(low, 0.0) if zero else low
        room = (high - low or abs(high) or 1.0) * 0.06
        return cls(label, low if zero and low == 0 else low - room, high + room, percent=percent)

    def share(self, value: float) -> float:
        """Place of a value: 0 at `low`, 1 at `high`."""
        if self.log:
            return math.log(max(value, 1e-300) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 6) -> list[float]:
        """Round numbers inside the axis."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for parts in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
                values = [m * 10.0**d for d in decades for m in parts if self.low <= m * 10.0**d <= self.high]
                if len(values) <= most + 1:
                    break
            if len(values) >= 2:
                return values[:: math.ceil(len(values) / (most + 1))]
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / most))
        step = next(step * m for m in (1, 2, 5, 10) if (self.high - self.low) / (step * m) <= most)
        first = math.ceil(self.low / step - 1e-9)
        return [round(n * step, 12) for n in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def text(self, value: float) -> str:
        """A tick's label."""
        if self.percent:
            return f"{value:.0%}"
        for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if 1e4 <= abs(value) < 1e15 and abs(value) >= size:
                return f"{value / size:.6g}{unit}"
        if value and (abs(value) >= 1e15 or abs(value) < 1e-4):
            return f"{value:.3g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
        return f"{value:,.10g}"


class Plot:
    """One pair of axes, drawn into as it is called.

    Args:
        x: The horizontal axis.
        y: The vertical axis; None for rows, which `row` places from the top.
        rows: Labels of the rows.
        width: Units of the view box; the page scales it. Narrow, so that the text can be read on a phone.
        height: The same; by default 270, or what the rows need.
    """

    def __init__(
        self,
        x: Axis,
        y: Axis | None = None,
        *,
        rows: Sequence[str] = (),
        width: float = 440,
        height: float | None = None,
        row_height: float = 26,
    ) -> None:
        self.x, self.y, self.row_height = x, y, row_height
        self.width, self.height = width, height or (270 if y else 48 + row_height * len(rows))
        names = [shortened(name, ROW_LABEL) for name in rows]
        left = 56.0 if y else 12.0 + max((text_width(name) for name in names), default=0.0)
        self.left, self.right, self.top, self.bottom = left, width - 14, 8.0, self.height - 40
        box = f"0 0 {self.width:g} {self.height:g}"
        self.root = Xml.Element("svg", {"viewBox": box, "aria-hidden": "true", "focusable": "false"})
        self._axes()
        for place, (name, full) in enumerate(zip(names, rows, strict=True)):
            drawn = self._text(self.left - 8, self.row(place) - row_height * 0.5 + 4, name, "end")
            if name != full:
                Xml.SubElement(drawn, "title").text = full

    def row(self, place: int) -> float:
        """Lower edge of a row."""
        return self.top + self.row_height * (place + 1)

    def line(self, points: Sequence[tuple[float, float]], kind: str, *, dash: int = 0, step: bool = False) -> None:
        """Join points; `step` keeps the height until the next one."""
        placed = self._placed(points)
        if step:
            placed = [p for (a, b) in pairwise(placed) for p in (a, (b[0], a[1]))] + placed[-1:]
        more = {"stroke-dasharray": _DASHES[dash % len(_DASHES)]} if dash % len(_DASHES) else {}
        self._add("path", {"d": _path(placed), "class": f"line {kind}", **more})

    def point(self, x: float, y: float, place: int, title: str, *, hollow: bool = False, link: str = "") -> None:
        """A marker whose shape and colour belong to series `place`; with a link, it leads there."""
        at = f"translate({_n(self._x(x))} {_n(self._y(y))})"
        kind = f"mark {colour(place)}{' hollow' if hollow else ''}"
        within = self._add("a", {"href": link, "tabindex": "-1"}) if link else self.root
        mark = Xml.SubElement(within, "path", {"d": _MARKERS[place % len(_MARKERS)], "transform": at, "class": kind})
        Xml.SubElement(mark, "title").text = title

    def band(self, x: tuple[float, float], y: tuple[float, float], kind: str) -> None:
        """A shaded rectangle behind what is drawn later."""
        left, right = (self._x(end) for end in x)
        bottom, top = (self._y(end) for end in y)
        box = {"x": _n(left), "y": _n(top), "width": _n(right - left), "height": _n(max(bottom - top, 0))}
        self._add("rect", {**box, "class": f"band {kind}"})

    def whisker(self, x: tuple[float, float], y: tuple[float, float], place: int) -> None:
        """An interval: from (x[0], y[0]) to (x[1], y[1]); nothing where these are the same."""
        if x[0] == x[1] and y[0] == y[1]:
            return
        ends = [(self._x(a), self._y(b)) for a, b in zip(x, y, strict=True)]
        self._add("path", {"d": _path(ends), "class": f"line thin {colour(place)}"})

    def labels(self, points: Sequence[tuple[float, float, str]]) -> None:
        """Text (x, y, text) beside points, at the place where it covers the fewest other texts and points."""
        marks = [(self._x(x) - 6, self._y(y) - 6, self._x(x) + 6, self._y(y) + 6) for x, y, _ in points]
        taken = list(marks)
        for (x, y, text), mark in zip(points, marks, strict=True):
            at, up, wide = self._x(x), self._y(y), text_width(text)
            sides = [(at + 9, "start"), (at - 9, "end")]
            choices = [(left, up + down, anchor) for down in (-4, 13, -19, 28) for left, anchor in sides]
            choices[4:4] = [(at, up - 11, "middle"), (at, up + 20, "middle")]
            boxes = [_box(left, base, anchor, wide) for left, base, anchor in choices]
            costs = [
                sum(_overlap(box, other) for other in taken if other != mark) + 100 * self._outside(box)
                for box in boxes
            ]
            best = costs.index(min(costs))
            left, base, anchor = choices[best]
            taken.append(boxes[best])
            self._text(left, base, text, anchor, "name")

    def bar(self, row: int, start: float, end: float, place: int, title: str) -> None:
        """A horizontal bar in a row."""
        left, right = self._x(start), self._x(end)
        box = {"x": _n(left), "y": _n(self.row(row) - self.row_height * 0.82), "width": _n(max(right - left, 0))}
        drawn = self._add("rect", {**box, "height": _n(self.row_height * 0.64), "class": f"fill {colour(place)}"})
        Xml.SubElement(drawn, "title").text = title

    def ridge(self, row: int, points: Sequence[tuple[float, float]], place: int) -> None:
        """A distribution that stands on a row's line; heights are shares of the row."""
        base, high = self._ground(row), self.row_height * 0.8
        along = self._along([x for x, _ in points], self.x, self.left, self.right)
        placed = [(x, base - share * high) for x, (_, share) in zip(along, points, strict=True)]
        closed = [(placed[0][0], base), *placed, (placed[-1][0], base)]
        self._add("path", {"d": _path(closed), "class": f"area {colour(place)}"})

    def tick(self, row: int, x: float) -> None:
        """A mark on a row's line, such as a median."""
        base, at = self._ground(row), _n(self._x(x))
        self._add(
            "path", {"d": f"M{at} {_n(base + 2)}V{_n(base - self.row_height * 0.84)}", "class": "line s-ink thin"}
        )

    def sign(self, row: int, x: float, place: int, title: str, *, kind: str = "s-ink", hollow: bool = False) -> None:
        """A marker on a row's line; its shape is that of series `place`."""
        at = f"translate({_n(self._x(x))} {_n(self._ground(row))})"
        attributes = {"d": _MARKERS[place % len(_MARKERS)], "transform": at}
        drawn = self._add("path", {**attributes, "class": f"mark {kind}{' hollow' if hollow else ''}"})
        Xml.SubElement(drawn, "title").text = title

    def level(self, *, x: float | None = None, y: float | None = None, kind: str = "s-ink") -> None:
        """A thin line across the axes."""
        if x is not None:
            ends = [(self._x(x), self.top), (self._x(x), self.bottom)]
        else:
            ends = [(self.left, self._y(y or 0.0)), (self.right, self._y(y or 0.0))]
        self._add("path", {"d": _path(ends), "class": f"line thin {kind}", "stroke-dasharray": _DASHES[2]})

    def note(self, x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> None:
        """Text beside a point."""
        self._text(self._x(x), self._y(y), text, anchor, kind)

    def svg(self) -> str:
        """The whole figure."""
        return Xml.tostring(self.root, encoding="unicode")

    def _axes(self) -> None:
        self._add("path", {"d": f"M{_n(self.left)} {_n(self.bottom)}H{_n(self.right)}", "class": "axis"})
        for value in self.x.ticks():
            at = self._x(value)
            self._add("path", {"d": f"M{_n(at)} {_n(self.top)}V{_n(self.bottom + 4)}", "class": "grid"})
            self._text(at, self.bottom + 17, self.x.text(value), "middle")
        self._text((self.left + self.right) / 2, self.height - 6, self.x.label, "middle", "label")
        if self.y is None:
            return
        for value in self.y.ticks():
            at = self._y(value)
            self._add("path", {"d": f"M{_n(self.left - 4)} {_n(at)}H{_n(self.right)}", "class": "grid"})
            self._text(self.left - 7, at + 4, self.y.text(value), "end")
        middle = (self.top + self.bottom) / 2
        turned = self._text(13, middle, self.y.label, "middle", "label")
        turned.set("transform", f"rotate(-90 13 {_n(middle)})")

    def _ground(self, row: int) -> float:
        return self.row(row) - self.row_height * 0.1

    def _outside(self, box: Box) -> float:
        """How far a box leaves the axes, in units."""
        left, top, right, bottom = box
        return max(self.left - left, 0) + max(right - self.width, 0) + max(-top, 0) + max(bottom - self.bottom, 0)

    def _placed(self, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """`_x` and `_y` of many points at once."""
        if self.y is None:
            raise ValueError("rows have no vertical axis")
        across = self._along([x for x, _ in points], self.x, self.left, self.right)
        return list(zip(across, self._along([y for _, y in points], self.y, self.bottom, self.top), strict=True))

    @staticmethod
    def _along(values: Sequence[float], axis: Axis, start: float, end: float) -> list[float]:
        """Places of values between the ends of an axis, or a little beyond."""
        array = np.asarray(values, np.float64)
        if axis.log:
            shares = np.log(np.maximum(array, 1e-300) / axis.low) / math.log(axis.high / axis.low)
        else:
            shares = (array - axis.low) / (axis.high - axis.low)
        places: list[float] = (start + np.clip(shares, -0.02, 1.02) * (end - start)).tolist()
        return places

    def _x(self, value: float) -> float:
        return self.left + min(max(self.x.share(value), -0.02), 1.02) * (self.right - self.left)

    def _y(self, value: float) -> float:
        if self.y is None:
            raise ValueError("rows have no vertical axis")
        return self.bottom - min(max(self.y.share(value), -0.02), 1.02) * (self.bottom - self.top)

    def _text(self, x: float, y: float, text: str, anchor: str, kind: str = "") -> Xml.Element:
        kinds = " ".join(filter(None, (kind, _ANCHORS[anchor])))
        place = {"x": _n(x), "y": _n(y), **({"class": kinds} if kinds else {})}
        drawn = self._add("text", place)
        drawn.text = text
        return drawn

    def _add(self, name: str, attributes: dict[str, str]) -> Xml.Element:
        return Xml.SubElement(self.root, name, attributes)


def swatch(place: int, *, line: int | None = None, kind: str = "") -> str:
    """The sign of a series in a legend: its marker (of another colour where `kind` says so), or (line) its dashes.

    It refers to one of `signs`, which stand once in a page.
    """
    sign = f"m{place % len(_MARKERS)}" if line is None else f"l{line % len(_DASHES)}"
    return _swatch(sign, f"{'mark' if line is None else 'line'} {kind or colour(place)}")


def square(place: int) -> str:
    """The sign of a part of a bar in a legend."""
    return _swatch("square", f"fill {colour(place)}")


def signs() -> str:
    """The shapes that legends refer to; this element draws nothing."""
    drawn = {f"m{place}": f'd="{marker}"' for place, marker in enumerate(_MARKERS)}
    drawn |= {f"l{place}": f'd="M-12 0H12" stroke-dasharray="{dash}"' for place, dash in enumerate(_DASHES)}
    drawn["square"] = 'd="M-7-6h14v12h-14z"'
    symbols = [f'<symbol id="{name}" viewBox="-12 -7 24 14"><path {path}/></symbol>' for name, path in drawn.items()]
    return f'<svg class="unseen" aria-hidden="true">{"".join(symbols)}</svg>'


def _swatch(sign: str, kind: str) -> str:
    return f'<svg class="swatch" aria-hidden="true"><use href="#{sign}" class="{kind}"/></svg>'


def shortened(text: str, length: int = 48) -> str:
    """One line of at most this many characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def text_width(text: str) -> float:
    """About how wide a text is drawn, in units of the view box, in one of the wider fonts that a system may have."""
    return sum(
        4.4 if char in "iljtfr.,:;|!'[]() " else 10.6 if char in "mwMW@%=" else 8.8 if char.isupper() else 7.5
        for char in text
    )


def _box(x: float, base: float, anchor: str, wide: float) -> Box:
    left = {"start": x, "middle": x - wide / 2, "end": x - wide}[anchor]
    return left, base - 10, left + wide, base + 3


def _overlap(one: Box, other: Box) -> float:
    """Area that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _n(value: float) -> str:
    return _tenths(round(value * 10))


@cache
def _tenths(count: int) -> str:
    """A number of tenths as short text; a report writes the same few thousand numbers again and again."""
    return f"{count / 10:.1f}".removesuffix(".0")


@cache
def _step(x: int, y: int) -> str:
    """A step of a path, in tenths, with the separator that it needs."""
    return f" {_tenths(x)} {_tenths(y)}".replace(" -", "-").replace("-0.", "-.").replace(" 0.", " .")


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Lines from point to point as distances, which makes a report of many figures half as large."""
    tenths = [(round(x * 10), round(y * 10)) for x, y in points]
    (x, y) = tenths[0]
    steps = "".join([_step(x - a, y - b) for (a, b), (x, y) in pairwise(tenths)])
    return f"M{_tenths(x)} {_tenths(y)}" + (f"l{steps.removeprefix(' ')}" if steps else "")
