"""A panel as SVG for the page: matplotlib's, without what a page does not need, in the colours of its style sheet."""

from __future__ import annotations

import io
import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from reports.figures.canvas import compose
from reports.figures.scales import row_names
from reports.figures.series import colour, dashes, marker, marker_path
from reports.figures.style import house_style
from reports.figures.texts import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes

    from reports.figures.base import Drawn, Key, Panel

WIDTH = 440
"""Units of a figure's width; the page scales it. Narrow, so that the text can be read on a phone."""
COLOURS = {
    "#0072b2": "s0", "#c04a00": "s1", "#007a57": "s2", "#b0578c": "s3", "#9c6b00": "s4", "#2f8fc0": "s5",
    "#6b6b6b": "s6", "#1b1f24": "ink", "#57606a": "soft", "#d8dee4": "line", "#ffffff": "page", "#000000": "ink",
}  # fmt: skip
"""The page's variable for each colour of the styles."""
KEPT = (
    "fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "opacity", "text-anchor",
)  # fmt: skip
"""Properties that a page needs; fonts and the ends of lines are in its style sheet."""
SYMBOL = 40
"""A shape whose path is longer than this is drawn once on a page and referred to."""
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SEGMENT = re.compile(r"([MLCQz])([^MLCQz]*)")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"


def drawings(panels: Sequence[Panel]) -> list[Xml.Element]:
    """Each panel as an element ``div`` that holds its legend (``ul``), where it has one, and its drawing (``svg``).

    Drawing the same panel again gives the same element.
    """
    with house_style(page=True), warnings.catch_warnings():
        # Text stays text, in a font of the reader's: it does not matter what matplotlib's has.
        warnings.filterwarnings("ignore", message=".*Glyph .* missing from")
        return [_drawing(panel) for panel in panels]


def _drawing(panel: Panel) -> Xml.Element:
    composed = compose([panel], panel.share() * WIDTH / 72, legend=False)
    (drawn,) = composed.drawn
    written = io.StringIO()
    composed.figure.savefig(written, format="svg", metadata={"Date": None})
    whole = Xml.Element("div")
    if drawn.keys:
        whole.append(_legend(drawn.keys))
    whole.append(_svg(Xml.fromstring(written.getvalue()), panel, drawn, _axes_in_words(composed.figure.axes[0])))  # noqa: S314 - made here
    return whole


def _svg(root: Xml.Element, panel: Panel, drawn: Drawn, words: str) -> Xml.Element:
    svg = Xml.Element("svg", {"viewBox": root.get("viewBox", ""), "role": "group" if drawn.links else "img"})
    Xml.SubElement(svg, "title").text = clean(panel.caption)
    Xml.SubElement(svg, "desc").text = clean(f"{words} {panel.summary()}".strip())
    shapes = {shape.get("id", ""): shape.get("d", "") for shape in root.iter(f"{_SVG}path") if shape.get("id")}
    symbols: dict[str, str] = {}
    strokes: dict[str, Xml.Element] = {}
    for name, leaves in _groups(root, drawn):
        tips, links = iter(drawn.tips.get(name, ())), iter(drawn.links.get(name, ()))
        for leaf in leaves:
            element = _leaf(leaf, shapes, symbols if name in drawn.tips else None)
            if element is None:
                continue
            tip, link, style = next(tips, ""), next(links, ""), element.get("style", "")
            if element.tag == "path" and style.startswith("fill:none") and not tip:
                if style in strokes:  # one path draws all lines of a style that nothing filled divides
                    strokes[style].set("d", strokes[style].get("d", "") + element.get("d", ""))
                    continue
                strokes[style] = element
            elif element.tag != "text":
                strokes.clear()
            parent = Xml.SubElement(svg, "a", {"href": link, "tabindex": "-1"}) if link else svg
            parent.append(element)
            if tip:
                Xml.SubElement(element, "title").text = clean(tip)
    if symbols:
        held = Xml.SubElement(svg, "defs")
        for path, name in symbols.items():
            Xml.SubElement(held, "path", {"id": name, "d": path})
    return svg


def _groups(root: Xml.Element, drawn: Drawn) -> Iterator[tuple[str, list[Xml.Element]]]:
    """Everything that is drawn, in order: (gid, elements) of groups with a tip or a link, ("", [element]) else."""

    def walk(element: Xml.Element) -> Iterator[tuple[str, list[Xml.Element]]]:
        for part in element:
            name = part.get("id", "")
            if name in drawn.tips or name in drawn.links:
                yield name, [leaf for leaf in part.iter() if _is_leaf(leaf, part)]
            elif part.tag in (f"{_SVG}g", f"{_SVG}a"):
                yield from walk(part)
            elif part.tag in (f"{_SVG}path", f"{_SVG}use", f"{_SVG}text"):
                yield "", [part]

    return walk(root)


def _is_leaf(element: Xml.Element, group: Xml.Element) -> bool:
    """Whether an element is drawn where it stands: the shapes in ``defs`` are not."""
    held = {id(shape) for defs in group.iter(f"{_SVG}defs") for shape in defs}
    return element.tag in (f"{_SVG}path", f"{_SVG}use", f"{_SVG}text") and id(element) not in held


def _leaf(leaf: Xml.Element, shapes: Mapping[str, str], symbols: dict[str, str] | None) -> Xml.Element | None:
    """One element without what the page does not need; None where nothing of it can be seen."""
    style = _style(leaf.get("style", ""))
    kind = leaf.tag.removeprefix(_SVG)
    if kind == "text":
        element = Xml.Element("text", _place(leaf))
        element.text = leaf.text
        turn = leaf.get("transform", "")
        if turn and not turn.startswith("rotate(-0 "):
            element.set("transform", _NUMBER.sub(lambda number: _short(float(number[0])), turn))
    else:
        if style.get("fill") == "none" and style.get("stroke", "none") == "none":
            return None
        if kind == "use":
            path = shapes.get(leaf.get(_HREF, "").removeprefix("#"), "")
            offset = float(leaf.get("x", 0)), float(leaf.get("y", 0))
        else:
            path, offset = leaf.get("d", ""), (0.0, 0.0)
        x, y, steps = _relative(path)
        start = f"{_short(x + offset[0])} {_short(y + offset[1])}"
        if symbols is not None and len(steps) > SYMBOL:
            name = symbols.setdefault(f"M0 0{steps}", _symbol_name(steps))
            element = Xml.Element("use", {"href": f"#{name}", "x": start.split()[0], "y": start.split()[1]})
        else:
            element = Xml.Element("path", {"d": f"M{start}{steps}"})
    if style:
        element.set("style", ";".join(f"{name}:{value}" for name, value in style.items()))
    return element


def _place(leaf: Xml.Element) -> dict[str, str]:
    return {name: _short(float(leaf.get(name, 0))) for name in ("x", "y")}


def _style(text: str) -> dict[str, str]:
    """The properties that a page needs, with the page's colours."""
    pairs = dict(part.strip().split(": ", 1) for part in text.split(";") if ": " in part)
    style = {name: _COLOUR.sub(_variable, pairs[name]) for name in KEPT if name in pairs}
    if "text-anchor" in style and style["text-anchor"] == "start":
        del style["text-anchor"]
    for name in ("stroke-width", "stroke-dasharray"):
        if name in style:
            style[name] = _NUMBER.sub(lambda number: _short(float(number[0])), style[name])
    return style


def _variable(match: re.Match[str]) -> str:
    return f"var(--{COLOURS[match[0]]})" if match[0] in COLOURS else match[0]


def _relative(path: str) -> tuple[float, float, str]:
    """Start of a path, and its segments by distances in tenths, which are the same wherever a shape is drawn."""
    start: tuple[float, float] | None = None
    last, before, steps = (0, 0), "", []
    for command, text in _SEGMENT.findall(path):
        numbers = [float(number) for number in _NUMBER.findall(text)]
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        if start is None:
            start = pairs[0]
            continue
        offsets = [(round((x - start[0]) * 10), round((y - start[1]) * 10)) for x, y in pairs]
        moves = [(x - last[0], y - last[1]) for x, y in offsets]
        letter, counts = command.lower(), [count for move in moves for count in move]
        if letter == "l" and 0 in moves[0]:
            if moves[0] == (0, 0):
                continue
            letter, counts = ("h", counts[:1]) if moves[0][1] == 0 else ("v", counts[1:])
        words = "".join(_word(count) for count in counts)
        steps.append(words if letter == before else letter + words.removeprefix(" "))
        last, before = offsets[-1] if offsets else last, letter
    x, y = start or (0.0, 0.0)
    return x, y, "".join(steps)


@lru_cache(maxsize=4096)
def _word(count: int) -> str:
    """A number of tenths in a path, with the separator that it needs."""
    text = _tenths(count).replace("-0.", "-.")
    return text if text.startswith("-") else f" {text.removeprefix('0') if text.startswith('0.') else text}"


def _symbol_name(steps: str) -> str:
    from hashlib import blake2b

    return f"m{blake2b(steps.encode(), digest_size=4).hexdigest()}"


def _short(value: float) -> str:
    return _tenths(round(value * 10))


@lru_cache(maxsize=16_384)
def _tenths(count: int) -> str:
    """A number of tenths as short text."""
    return f"{count / 10:.1f}".removesuffix(".0")


def _axes_in_words(ax: Axes) -> str:
    """The axes and their ends, for those who cannot see them."""
    parts = [f"{len(rows)} rows."] if (rows := row_names(ax)) else []
    for name, axis in (("Across", ax.xaxis), ("Up", ax.yaxis)):
        texts = [label.get_text() for label in axis.get_ticklabels()]
        if texts:
            parts.append(f"{name}: {' '.join(axis.get_label_text().split())}, {texts[0]} to {texts[-1]}.")
    return " ".join(parts)


def _legend(keys: Sequence[Key]) -> Xml.Element:
    listed = Xml.Element("ul", {"class": "legend"})
    signs: dict[str, str] = {}
    for key in keys:
        line = Xml.SubElement(listed, "li")
        sign = Xml.SubElement(line, "svg", {"class": "swatch"})
        shape = key.shape if key.shape is not None else key.colour or 0
        shade = _COLOUR.sub(_variable, _hex(colour(key.colour)))
        if key.sign == "fill":
            path, style = "M-7-6h14v12h-14z", f"fill:{shade}"
        elif key.sign == "line":
            pattern, path, style = dashes(shape), "M-12 0h24", f"fill:none;stroke:{shade};stroke-width:2"
            if not isinstance(pattern, str):
                style += f";stroke-dasharray:{','.join(_short(2 * length) for length in pattern[1])}"
        else:
            fill, edge = ("var(--page)", shade) if key.hollow else (shade, "none")
            path, style = _outline(marker(shape)), f"fill:{fill};stroke:{edge}"
        name = signs.setdefault(path, f"k{_symbol_name(path)}")
        Xml.SubElement(sign, "use", {"href": f"#{name}", "style": style})
        sign.tail = clean(key.text)
    held = Xml.SubElement(Xml.SubElement(listed, "svg"), "defs")
    for path, name in signs.items():
        Xml.SubElement(Xml.SubElement(held, "symbol", {"id": name, "viewBox": "-12 -7 24 14"}), "path", {"d": path})
    return listed


def _outline(sign: str, size: float = 9.0) -> str:
    """A marker's outline around 0."""
    path = marker_path(sign)
    text = []
    for points, code in path.iter_segments():
        name = {path.MOVETO: "M", path.LINETO: "L", path.CURVE3: "Q", path.CURVE4: "C"}.get(code, "z")
        pairs = [] if name == "z" else zip(points[::2], points[1::2], strict=True)
        text.append(name + " ".join(f"{_short(x * size)} {_short(-y * size)}" for x, y in pairs))
    return "".join(text).replace(" -", "-")


def _hex(shade: str) -> str:
    from matplotlib.colors import to_hex

    return to_hex(shade)
