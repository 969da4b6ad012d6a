"""Words of many texts, numbered and counted in compiled loops: `re` and `Counter` without a step in Python a word.

Each different word passes Python once, where its term is looked up.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

S = TypeVar("S", bound=np.generic)

WORD = re.compile(r"\w+")
"""A word: letters, digits and underscores of any script."""
LEFT_OUT, UNKNOWN = -1, -2
"""A word that does not count at all; one that counts in a text's length alone."""
CHARACTERS, TEXTS = 1 << 18, 4096
"""Texts that are held as arrays at a time end at one of these."""


@dataclass(frozen=True)
class TermCounts:
    """Terms of some texts: CSR arrays, terms ascending.

    Attributes:
        indptr: int64, one more than there are texts.
        terms: int32.
        counts: How often each one occurs in its text, int32.
        lengths: Words of each text that are not left out, int64.
    """

    indptr: NDArray[np.int64]
    terms: NDArray[np.int32]
    counts: NDArray[np.int32]
    lengths: NDArray[np.int64]


class Words:
    """The different words so far, each with its term.

    Args:
        term_of: The term of a word in lower case, 0 or above, or `LEFT_OUT` or `UNKNOWN`. It is called once a word.
    """

    def __init__(self, term_of: Callable[[str], int]) -> None:
        self._term_of = term_of
        self._known = self._most = 0
        # Open addressing: a slot has the number of a word + 1. A word's characters lie in `_pool` from its offset.
        self._slots, self._keys = np.zeros(1 << 12, np.int32), np.zeros(1 << 12, np.uint64)
        self._offsets, self._pool = np.zeros((1 << 11) + 1, np.int64), np.zeros(1 << 14, np.uint32)
        self._terms, self._times = np.zeros(1 << 11, np.int32), np.zeros(1 << 11, np.int32)

    def count(self, texts: Iterable[str]) -> Iterator[TermCounts]:
        """The terms of some texts after another; every part is of at most `TEXTS` texts."""
        for part in _parts(texts):
            lowered = [text.lower() for text in part]
            ends = np.cumsum([len(text) for text in lowered], dtype=np.int64)
            encoded = "".join(lowered).encode("utf-32-le", "surrogatepass")
            yield self._count(np.frombuffer(encoded, "<u4").astype(np.uint32, copy=False), ends)

    def _count(self, codes: NDArray[np.uint32], ends: NDArray[np.int64]) -> TermCounts:
        from harness.encoders._word_loops import number, tally

        words, state = np.empty((len(codes) + len(ends)) // 2 + 1, np.int32), np.zeros(4, np.int64)
        bounds = np.zeros(len(ends) + 1, np.int64)
        first, state[2] = self._known, self._known
        while not number(codes, ends, _in_words(), state, *self._table(), words, bounds):
            self._grow(int(state[2]), int(self._offsets[state[2]]) + len(codes))
        self._known = int(state[2])
        for word in range(first, self._known):
            characters = self._pool[self._offsets[word] : self._offsets[word + 1]]
            self._terms[word] = term = self._term_of(characters.tobytes().decode(_NATIVE, "surrogatepass"))
            self._most = max(self._most, term + 1)
        if len(self._times) < self._most:
            self._times = np.zeros(2 * self._most, np.int32)
        indptr, lengths = np.zeros(len(bounds), np.int64), np.zeros(len(ends), np.int64)
        counts = np.empty(bounds[-1], np.int32)
        stored = tally(bounds, self._terms, LEFT_OUT, words, self._times, counts, indptr, lengths)
        return TermCounts(indptr, words[:stored].copy(), counts[:stored], lengths)

    def _table(self) -> tuple[NDArray[np.int32], NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint32]]:
        return self._slots, self._keys, self._offsets, self._pool

    def _grow(self, known: int, characters: int) -> None:
        """Double the room for words where it is used up, and make room for these characters."""
        from harness.encoders._word_loops import move

        if len(self._pool) < characters:
            self._pool = _longer(self._pool, max(characters, 2 * len(self._pool)))
        if known == len(self._terms):
            self._terms, self._offsets = _longer(self._terms, 2 * known), _longer(self._offsets, 2 * known + 1)
            slots, keys = np.zeros(4 * known, np.int32), np.zeros(4 * known, np.uint64)
            move(self._slots, self._keys, slots, keys)
            self._slots, self._keys = slots, keys


_NATIVE = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"


@cache
def _in_words() -> NDArray[np.bool_]:
    """Whether each code point is part of words, as `WORD` sees it."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    table = np.zeros(len(every), np.bool_)
    for match in WORD.finditer(every):
        table[match.start() : match.end()] = True
    return table


def _longer(array: NDArray[S], length: int) -> NDArray[S]:
    longer = np.zeros(length, array.dtype)
    longer[: len(array)] = array
    return longer


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    part: list[str] = []
    room = CHARACTERS
    for text in texts:
        part.append(text)
        room -= len(text)
        if room <= 0 or len(part) == TEXTS:
            yield part
            part, room = [], CHARACTERS
    if part:
        yield part
