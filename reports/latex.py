"""Text and templates for LaTeX: every value is escaped, whatever a system or a collection is called."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

_SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}",
    "–": "--", "—": "---", "‘": r"\textquoteleft{}", "’": "'", "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}", "…": r"\ldots{}", "•": r"\textbullet{}", "€": r"\texteuro{}",
    "≈": r"$\approx$", "≥": r"$\geq$", "≤": r"$\leq$", "≠": r"$\neq$", "−": r"$-$", "→": r"$\rightarrow$",
    "µ": r"\textmu{}", "μ": r"\textmu{}", "×": r"\texttimes{}", "±": r"\textpm{}", "·": r"\textperiodcentered{}",
    "°": r"\textdegree{}", "★": r"$\star$", "∞": r"$\infty$",
}  # fmt: skip
_BREAKS = re.compile(r"[,\[(/]")
_LETTERS = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿ"
    "ĂăĄąĆćČčĎďĐđĘęĚěĞğİıŁłŃńŇňŐőŒœŔŕŘřŚśŞşŠšŢţŤťŮůŰűŸŹźŻżŽž"
)
"""Letters beyond ASCII that the font encoding T1 has, so that pdfTeX, XeTeX and LuaTeX print them."""


class Tex(str):
    """Text that is LaTeX already, so that no template escapes it."""

    __slots__ = ()


def escaped(text: str) -> Tex:
    r"""Text as LaTeX that every engine compiles and prints as it is.

    White space and characters that cannot be printed become one space. A character that the font encoding T1 lacks
    loses its accents, or is named by its number.

    >>> escaped("50 % of {a_b} at 検")
    '50 \\% of \\{a\\_b\\} at [U+691C]'
    """
    printable = "".join(char if char.isprintable() else " " for char in text)  # LaTeX ends at a control character
    line = " ".join(printable.split())
    # Two hyphens would print as a dash, and two commas or quotes as a quotation mark.
    pairs = zip_longest(line, line[1:])
    return Tex("".join(_sign(char) + "{}" * (char in "-,'" and char == after) for char, after in pairs))


def breakable(text: str) -> Tex:
    r"""As `escaped`; a narrow column can also break a line behind a comma, an opening bracket or a slash.

    >>> breakable("a--b, c/d")
    'a-{}-b,\\allowbreak{} c/\\allowbreak{}d'
    """
    return Tex(_BREAKS.sub(r"\g<0>\\allowbreak{}", escaped(text)))


def render(template: str, **values: object) -> str:
    r"""A LaTeX file from a template of `reports/templates`; its blocks are ``<% %>`` and its values ``<< >>``.

    Every value but a `Tex` is escaped. A name that the template uses and `values` does not have raises jinja2's
    UndefinedError.
    """
    return _environment().get_template(template).render(**values)


@lru_cache(1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(  # noqa: S701 - jinja2 escapes for HTML; `finalize` escapes for LaTeX
        loader=PackageLoader("reports"), finalize=_final, undefined=StrictUndefined,
        block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>",
        comment_start_string="<#", comment_end_string="#>", trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip


def _final(value: object) -> str:
    return value if isinstance(value, Tex) else escaped(str(value))


def _sign(char: str) -> str:
    if char in _SIGNS:
        return _SIGNS[char]
    if char.isascii() or char in _LETTERS:
        return char
    plain = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    return plain if plain.isascii() and plain.isalpha() else f"[U+{ord(char):04X}]"
