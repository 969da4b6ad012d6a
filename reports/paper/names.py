"""Names of LaTeX macros: letters only, the same in every run, and never one for two numbers."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Key: TypeAlias = tuple[str, ...]
"""What a macro is about: run, metric, system, collection and what of it; empty parts are left out of the name."""

PREFIX = "lb"
SHORT = {"ndcg@10": "Ndcg"}
"""Parts with a shorter name than their letters give."""
_SMALL = (
    "Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve",
    "Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen",
)  # fmt: skip
_TENS = ("", "", "Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety")
_PIECE = re.compile(r"[A-Za-z]+|[0-9]+|[^\x00-\x7f\s]")


def macro_names(keys: Iterable[Key]) -> dict[Key, str]:
    """The name of each macro, without its backslash.

    Where several keys would have one name, each of them gets six letters of its own hash behind it. So no name changes
    its meaning when another system or metric joins.
    """
    plain = {key: PREFIX + "".join(word(part) for part in key) for key in keys}
    shared = Counter(plain.values())
    return {key: name if shared[name] == 1 else name + _letters(key) for key, name in plain.items()}


def word(part: str) -> str:
    """One part of a name.

    >>> [word(text) for text in ("ndcg@10", "recall@100", "LACONIC-mini", "BM25", "SciFact", "é検", "")]
    ['Ndcg', 'RecallOneHundred', 'LaconicMini', 'BmTwentyFive', 'SciFact', 'EUSixNineOneC', '']
    """
    if part in SHORT:
        return SHORT[part]
    folded = "".join(char for char in unicodedata.normalize("NFKD", part) if not unicodedata.combining(char))
    return "".join(map(_piece, _PIECE.findall(folded)))


def _piece(text: str) -> str:
    if text.isascii() and text.isdigit():
        return _spelled(text)
    if not text.isascii():  # a letter or sign without an ASCII one: its number
        return "U" + "".join(map(_piece, re.findall("[A-Z]|[0-9]", f"{ord(text):X}")))
    return text.capitalize() if text.isupper() else text[0].upper() + text[1:]


def _spelled(digits: str) -> str:
    """A number up to 999 in words; others digit by digit."""
    number = int(digits)
    if len(digits) > 3 or (digits[0] == "0" and len(digits) > 1):
        return "".join(_SMALL[int(digit)] for digit in digits)
    hundreds, rest = divmod(number, 100)
    text = f"{_SMALL[hundreds]}Hundred" if hundreds else ""
    if rest >= 20:
        text += _TENS[rest // 10] + (_SMALL[rest % 10] if rest % 10 else "")
    elif rest or not hundreds:
        text += _SMALL[rest]
    return text


def _letters(key: Key) -> str:
    digest = hashlib.sha256("\x00".join(key).encode("utf-8", "surrogatepass")).digest()
    return "".join(chr(ord("A") + byte % 26) for byte in digest[:6])
