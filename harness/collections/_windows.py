"""Long texts as passages: windows of words that cover a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Passages:
    """How long documents are cut: windows of `words` words, one every `stride`; the last one ends with the document.

    Each passage begins with the document's title. A document scores as its best passage.
    """

    words: int
    stride: int


def windows(text: str, words: int, stride: int) -> Iterator[str]:
    """Windows of `words` words that cover a text, one every `stride`; the last one ends with the text.

    Words of a window are joined by single spaces. A text of at most `words` words has one window.
    """
    split = text.split()
    last = max(len(split) - words, 0)
    for begin in (*range(0, last, stride), last):
        yield " ".join(split[begin : begin + words])
