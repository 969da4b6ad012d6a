"""The figures of a page: drawn together once its template is filled, and stored for the next time."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from harness.files import write_whole
from reports.figures.beside import draw_beside
from reports.figures.digest import digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reports.figures.base import Panel

SHAPES = "\x02shapes\x03"
"""Stands in a page for the shapes that its figures refer to, and for their styles."""
_MARK = re.compile("\x02drawing:([0-9]+)\x03")
_STYLE = re.compile(r' style="([^"]*)"')
_DEFS = re.compile(r"<defs>(.*?)</defs>")
_SHAPE = re.compile(r"<symbol .*?</symbol>|<path [^>]*/>")
_END = '<div class="figures">'
"""Where another row of figures begins."""
_ELEMENTS = {"div", "ul", "li", "svg", "title", "desc", "defs", "path", "use", "text", "symbol"}
_ATTRIBUTES = {
    "class", "viewBox", "role", "d", "id", "x", "y", "transform", "style", "href",
}  # fmt: skip
_PLAIN = re.compile(r"[-\w .,:;#()%+]*")


class Drawings:
    """What a template calls for each figure, and the page with all of them.

    Args:
        stored: File of drawings from before, which is written anew; None for a page without one.
    """

    def __init__(self, stored: Path | None = None) -> None:
        self._stored = stored
        self._panels: list[Panel] = []

    def __call__(self, panel: Panel) -> str:
        """A text that `fill` replaces by the panel's drawing and legend."""
        self._panels.append(panel)
        return f"\x02drawing:{len(self._panels) - 1}\x03"

    def fill(self, page: str) -> str:
        """The page with its drawings. A shape and a style that several of them have are in it once.

        So is a legend that the figure before, in the same row of figures, has too.
        """
        drawn = self._drawn()
        shapes: dict[str, None] = {}
        styles: dict[str, str] = {}

        def held(match: re.Match[str]) -> str:
            shapes.update(dict.fromkeys(_SHAPE.findall(match[1])))
            return ""

        def named(match: re.Match[str]) -> str:
            return f' class="{styles.setdefault(match[1], f"z{len(styles)}")}"'

        pieces = [_STYLE.sub(named, _DEFS.sub(held, piece)) for piece in drawn]
        pieces = [piece.replace("<svg></svg>", "").replace(" />", "/>") for piece in pieces]
        parts = _MARK.split(page)
        legend = ""
        for place in range(1, len(parts), 2):
            if _END in parts[place - 1]:
                legend = ""
            piece = pieces[int(parts[place])]
            before, legend = legend, piece.partition("</ul>")[0] if piece.startswith("<ul") else ""
            parts[place] = piece.removeprefix(f"{legend}</ul>") if legend and legend == before else piece
        rules = "".join(f".{name}{{{style}}}" for style, name in styles.items())
        common = f'<svg class="unseen" aria-hidden="true"><style>{rules}</style><defs>{"".join(shapes)}</defs></svg>'
        return "".join(parts).replace(SHAPES, common if drawn else "")

    def _drawn(self) -> list[str]:
        """Each panel's legend and drawing."""
        keys = [digest(panel) for panel in self._panels]
        before = _read(self._stored)
        missing = {key: panel for key, panel in zip(keys, self._panels, strict=True) if key not in before}
        made = dict(zip(missing, draw_beside(list(missing.values())), strict=True)) if missing else {}
        known = {key: made.get(key) or before[key] for key in keys}
        if self._stored is not None and (made or before.keys() != known.keys()):
            _store(self._stored, known)
        return [known[key].removeprefix("<div>").removesuffix("</div>") for key in keys]


def _read(stored: Path | None) -> dict[str, str]:
    """The drawings of a file, by the digest of their panels; none where there is no such file, or a damaged one.

    A run folder may come from somebody else: a drawing that has more than `page_svg` writes is drawn anew.
    """
    if stored is None:
        return {}
    try:
        rows = json.loads(stored.read_text(encoding="utf-8"))
        return {str(key): text for key, text in rows.items() if isinstance(text, str) and _harmless(text)}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _store(stored: Path, drawn: Mapping[str, str]) -> None:
    """Write the drawings; a folder that cannot be written keeps none."""
    with suppress(OSError):
        write_whole(stored, json.dumps(drawn, ensure_ascii=False, indent=0), errors="replace")


def _harmless(text: str) -> bool:
    """Whether a drawing has shapes, text and references to its own shapes alone: no script, no address, no markup."""
    try:
        whole = Xml.fromstring(text)  # noqa: S314 - no entity is expanded without a document type, which is refused
    except Xml.ParseError:
        return False
    return (
        whole.tag == "div"
        and "<!" not in text
        and "<?" not in text
        and all(
            element.tag in _ELEMENTS
            and element.attrib.keys() <= _ATTRIBUTES
            and element.get("href", "#").startswith("#")
            and _PLAIN.fullmatch(element.get("style", "")) is not None
            for element in whole.iter()
        )
    )
