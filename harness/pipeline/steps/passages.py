"""Documents that are searched as passages: each scores as its best passage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.indexes.base import Hits, Searcher
    from harness.vectors import Vectors

TEXTS, ENDS = "passages.jsonl", "passages.npy"
"""Passages (id, text) in the order of the documents, and where those of each document end (int64)."""
HELD = 1 << 24
"""Results that a deeper search holds at a time: a tie may have millions of documents, a document thousands of passages.
"""


class Search(Protocol):
    """Answers several queries."""

    def __call__(self, rows: NDArray[np.int64], k: int) -> Hits:
        """The top k of the queries with these numbers; see `Hits`."""
        ...


def encoded_texts(collection: Path) -> Path:
    """The file of what is encoded and searched: the passages of a prepared collection, or its documents."""
    passages = collection / TEXTS
    return passages if passages.is_file() else collection / "documents.jsonl"


def read_passages(collection: Path) -> PassageNumbers | None:
    """Those of a prepared collection; None where documents are searched whole."""
    file = collection / ENDS
    return PassageNumbers(np.load(file)) if file.is_file() else None


@dataclass(frozen=True)
class PassageNumbers:
    """Which passages are of which document. Both are numbered from 0, and the passages of a document adjoin.

    Args:
        ends: Number of the passage past the last one of each document, int64.
    """

    ends: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many passages there are."""
        return int(self.ends[-1])

    def of(self, document: int) -> range:
        """The passages of a document."""
        return range(int(self.ends[document - 1]) if document else 0, int(self.ends[document]))

    def documents_of(self, passages: NDArray[np.int64]) -> NDArray[np.int64]:
        """The document of each passage; -1 for -1."""
        return np.where(passages < 0, -1, np.searchsorted(self.ends, passages, side="right"))

    def enough(self, k: int) -> int:
        """How many passages always have k documents, or all there are.

        The k - 1 documents with the most passages have S together, so S + 1 passages are of k documents at least. Less
        is not enough for every ranking of passages.
        """
        most = min(k - 1, len(self.ends))
        if most <= 0:
            return min(k, self.count)
        return min(int(self._sizes[:most].sum()) + 1, self.count)

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        """Passages of each document, descending."""
        return np.sort(np.diff(self.ends, prepend=0))[::-1]

    def best(self, ids: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Hits:
        """The first k documents of hits that are passages, each with the score of its best passage.

        Passages with equal scores are in ascending order, and so are documents then: the order of documents is that of
        their first passages.

        Args:
            ids: Numbers of passages, queries x any number, -1 past the last.
            scores: The same shape, descending.
            k: Documents of each query; -1 and -inf where the passages are of fewer.
        """
        documents = self.documents_of(ids)
        best, values = np.full((len(ids), k), -1, np.int64), np.full((len(ids), k), -np.inf, np.float32)
        for row, numbers in enumerate(documents):
            known, places = np.unique(numbers, return_index=True)
            places = np.sort(places[known >= 0])[:k]
            best[row, : len(places)], values[row, : len(places)] = numbers[places], scores[row, places]
        return best, values

    def search(self, search: Search, *, exact: bool) -> Search:
        """A search of documents by a search of passages.

        An exact engine is searched deeper only for the queries whose passages are of fewer than k documents. What
        another engine answers may depend on the number of results. So it gets the number that is enough for all.

        Args:
            search: Of passages.
            exact: Whether it gives the true top k for every k.
        """

        def documents(rows: NDArray[np.int64], k: int) -> Hits:
            at_a_time = max(HELD // self.enough(k), 1)
            parts = [several(rows[begin : begin + at_a_time], k) for begin in range(0, len(rows), at_a_time)]
            return np.concatenate([ids for ids, _ in parts]), np.concatenate([scores for _, scores in parts])

        def several(rows: NDArray[np.int64], k: int) -> Hits:
            enough = self.enough(k)
            width = min(k, enough) if exact else enough
            best, scores = self.best(*search(rows, width), k)
            left = np.flatnonzero(best[:, -1] < 0)
            while len(left) and width < enough:
                width = min(2 * width, enough)
                ids, values = search(rows[left], width)
                best[left], scores[left] = self.best(ids, values, k)
                left = left[(best[left, -1] < 0) & (ids[:, -1] >= 0)]
            return best, scores

        return documents


class DocumentSearcher:
    """Answers one query after another with documents; it searches passages.

    Args:
        searcher: Of passages, with as many results as `PassageNumbers.enough` says.
        passages: Which are of which document.
        k: Documents of each query.
    """

    def __init__(self, searcher: Searcher, passages: PassageNumbers, k: int) -> None:
        self._searcher, self._passages, self._k = searcher, passages, k

    @property
    def engine_ns(self) -> int | None:
        """Of the search of passages."""
        return self._searcher.engine_ns

    @engine_ns.setter
    def engine_ns(self, value: int | None) -> None:
        self._searcher.engine_ns = value

    def __call__(self, query: Vectors) -> Hits:
        """The top k documents of one row."""
        ids, scores = self._searcher(query)
        return self._passages.best(ids, scores, self._k)
