"""Text that comes from outside, made safe for a terminal: nothing in it moves the cursor, turns text or adds lines."""

from __future__ import annotations

import unicodedata


def steady(text: str) -> str:
    r"""Text of several lines without characters that steer a terminal or cannot be written.

    >>> steady("two\nlines\x1b[2J")
    'two\nlines\ufffd[2J'
    """
    return "".join("\ufffd" if sign not in "\n\t" and _steers(sign) else sign for sign in text)


def clean(text: str) -> str:
    r"""Text in one line, without characters that steer a terminal or cannot be written.

    >>> clean("a\n name\x07")
    'a name\ufffd'
    """
    return "".join("\ufffd" if _steers(sign) else sign for sign in " ".join(text.split()))


def _steers(sign: str) -> bool:
    """A control character, half of a surrogate pair, or a mark that turns the direction of what follows."""
    return unicodedata.category(sign) in ("Cc", "Cs") or "\u202a" <= sign <= "\u202e" or "\u2066" <= sign <= "\u2069"
