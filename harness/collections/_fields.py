"""The fields of a document or a query, checked alike in every reader."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_HALF = re.compile("[\ud800-\udfff]")
NO_TEXT = "the key 'text' is missing"


class Fields(NamedTuple):
    """What a row of a corpus or of queries holds; the title is empty where the row has none."""

    id: str
    title: str
    text: str


def fields_of(row: Mapping[str, object], texts_needed: bool = True, name: str = "_id") -> Fields | str:
    """What a row holds, or what is wrong with it.

    Args:
        row: By key. An identifier that is a whole number is its decimal digits. A title may be null or missing.
        texts_needed: Whether the text must be there.
        name: The key of the identifier.
    """
    if name not in row:
        return f"the key {name!r} is missing"
    if "text" not in row and texts_needed:
        return NO_TEXT
    identifier, text = row[name], row.get("text")
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        identifier = str(identifier)  # numbers are common, and judgements name them by their digits
    if text is None and not texts_needed:
        text = ""
    texts = {name: identifier, "title": "" if row.get("title") is None else row["title"], "text": text}
    checked = []
    for key, value in texts.items():
        if not isinstance(value, str):
            return f"{key!r} holds {value!r:.80}, which is no text"
        if not value.isascii() and _HALF.search(value):
            return f"{key!r} holds half a pair of surrogates, which is no character"
        checked.append(value)
    return Fields(*checked) if checked[0] else f"{name!r} is empty"
