"""From what an engine returns to the ranking that is evaluated, by the rules of the collection; the same for all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from harness.errors import UserError
from harness.pipeline.steps.passages import HELD, PassageNumbers, read_passages
from harness.pipeline.steps.prepare import read_candidates, read_rules, read_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.collections.base import EvaluationRules
    from harness.indexes.base import Hits
    from harness.pipeline.steps.passages import Search
    from harness.vectors import Vectors


def searched_depth(collection: str, k: int) -> int:
    """How many results a search must have so that k documents are left of them, whatever the query.

    One more where a document with the query's own identifier does not count. Where passages are searched, as many as
    surely belong to k documents (`PassageNumbers.enough`).

    Args:
        collection: Folder of the prepared collection.
        k: Results that are wanted.
    """
    wanted, passages = k + read_rules(Path(collection)).ignore_identical_ids, read_passages(Path(collection))
    return wanted if passages is None else passages.enough(wanted)


@dataclass(frozen=True)
class Ranking:
    """The rules of a prepared collection, applied to results.

    Args:
        folder: Of the prepared collection.
        depth: Results of each query.
    """

    folder: Path
    depth: int

    @cached_property
    def rules(self) -> EvaluationRules:
        """What becomes of results."""
        return read_rules(self.folder)

    @cached_property
    def documents(self) -> list[str]:
        """Identifiers by document number."""
        return [name for name, _ in read_texts(self.folder / "documents.jsonl")]

    @cached_property
    def queries(self) -> list[str]:
        """Identifiers by query number."""
        return [name for name, _ in read_texts(self.folder / "queries.jsonl")]

    @cached_property
    def passages(self) -> PassageNumbers | None:
        """See `read_passages`."""
        return read_passages(self.folder)

    @cached_property
    def candidates(self) -> list[tuple[str, ...]] | None:
        """See `read_candidates`."""
        return read_candidates(self.folder)

    def of_search(self, search: Search, queries: int, *, exact: bool) -> Hits:
        """Search all queries, leave out what the rules leave out, and order ties as they say.

        Where passages are searched, documents are ranked by their best ones.

        Where ties go by identifier, an exact engine is searched deeper until no tie crosses the last rank. Another
        engine may answer a larger k otherwise. So the ties among its own results are all that is put in order.

        Args:
            search: Of the engine.
            queries: How many there are.
            exact: Whether it gives the true top k for every k.

        Returns:
            Hits of all queries, `depth` each.
        """
        rules, depth = self.rules, self.depth
        if self.passages is not None:
            search = self.passages.search(search, exact=exact)
        deeper = exact and rules.ties == "identifier"
        width, total = depth + rules.ignore_identical_ids + deeper, len(self.documents) if deeper else 0
        everyone = np.arange(queries, dtype=np.int64)
        ids, scores = self._ordered(everyone, *search(everyone, width))
        best, values = ids[:, :depth].copy(), scores[:, :depth].copy()
        rows = everyone[_crossed(ids, scores, depth)] if deeper else everyone[:0]
        while len(rows) and width < total:
            width = min(2 * width, total)
            left, at_a_time = [], max(HELD // width, 1)
            for begin in range(0, len(rows), at_a_time):
                part = rows[begin : begin + at_a_time]
                ids, scores = self._ordered(part, *search(part, width))
                best[part], values[part] = ids[:, :depth], scores[:, :depth]
                left.append(part[_crossed(ids, scores, depth)])
            rows = np.concatenate(left)
        return best, values

    def of_candidates(self, queries: Vectors, documents: Vectors) -> Hits:
        """Rank the candidates of each query by the inner products of the vectors, those without a common term too.

        Where documents are passages, the highest product of a candidate's passages counts.

        Raises:
            UserError: A candidate is not in the corpus.
        """
        number = {name: place for place, name in enumerate(self.documents)}
        ids = np.full((len(self.queries), self.depth), -1, np.int64)
        scores = np.full(ids.shape, -np.inf, np.float32)
        for row, names in enumerate(self.candidates or ()):
            if unknown := [name for name in names if name not in number]:
                raise UserError(
                    f"the candidate {unknown[0]!r} of the query {self.queries[row]!r} is not in the corpus",
                    remedy="correct the candidates of the collection",
                )
            own = self.queries[row] if self.rules.ignore_identical_ids else None
            places = np.asarray(sorted({number[name] for name in names if name != own}), np.int64)
            values = self._products(documents, queries[row : row + 1], places)
            order = np.argsort(-values, kind="stable")
            best, ordered = self.in_order(places[order][None], values[order][None].astype(np.float32))
            count = min(self.depth, best.shape[1])
            ids[row, :count], scores[row, :count] = best[0, :count], ordered[0, :count]
        return ids, scores

    def _products(self, documents: Vectors, query: Vectors, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of a query with the documents at some places; with the best passage of each where passages are searched."""
        first = None
        if self.passages is not None and len(places):
            parts = [self.passages.of(place) for place in places.tolist()]
            first = np.cumsum([0, *map(len, parts[:-1])])
            places = np.concatenate([np.arange(part.start, part.stop) for part in parts])
        product = documents[places] @ query.T
        values = (product.toarray() if sparse.issparse(product) else np.asarray(product)).ravel()
        return values if first is None else np.maximum.reduceat(values, first)

    def _ordered(self, rows: NDArray[np.int64], ids: NDArray[np.int64], scores: NDArray[np.float32]) -> Hits:
        """Hits of these queries without the documents that are left out (then a column less), ties in order."""
        ids, scores = np.asarray(ids, np.int64), np.asarray(scores, np.float32)
        ids, scores = self.in_order(ids, scores)
        # Ties first: `_without` may leave out the last document, which must then be the last of its tie.
        return _without(ids, scores, self._own[rows]) if self.rules.ignore_identical_ids else (ids, scores)

    def in_order(self, ids: NDArray[np.int64], scores: NDArray[np.float32]) -> Hits:
        """Hits whose ties are in ascending order of document numbers, with ties as the rules say."""
        return by_identifier(ids, scores, self.documents) if self.rules.ties == "identifier" else (ids, scores)

    @cached_property
    def _own(self) -> NDArray[np.int64]:
        """The document with the identifier of each query; -1 where there is none."""
        place = {name: row for row, name in enumerate(self.queries)}
        own = np.full(len(self.queries), -1, np.int64)
        for number, name in enumerate(self.documents):
            if name in place:
                own[place[name]] = number
        return own


def by_identifier(ids: NDArray[np.int64], scores: NDArray[np.float32], documents: Sequence[str]) -> Hits:
    """Hits with ties in descending order of the identifiers' UTF-8 bytes, as trec_eval and mteb order them.

    Args:
        ids: Numbers of documents, queries x k, -1 past the last.
        scores: The same shape, descending.
        documents: Identifiers by number.
    """
    tied = np.flatnonzero(((scores[:, 1:] == scores[:, :-1]) & (ids[:, 1:] >= 0)).any(axis=1))
    if not len(tied):
        return ids, scores
    known = np.unique(ids[tied])
    known = known[known >= 0]
    names = [documents[number].encode("utf-8", "surrogatepass") for number in known.tolist()]
    place = np.empty(len(known), np.int64)
    place[sorted(range(len(names)), key=names.__getitem__, reverse=True)] = np.arange(len(names))
    ids = ids.copy()
    for row in tied:
        count = int((ids[row] >= 0).sum())
        there = ids[row, :count]
        # Scores are descending already, so they stay where they are, and documents change places within a tie.
        ids[row, :count] = there[np.lexsort((place[np.searchsorted(known, there)], -scores[row, :count]))]
    return ids, scores


def _without(ids: NDArray[np.int64], scores: NDArray[np.float32], own: NDArray[np.int64]) -> Hits:
    """Hits without one document of each query, one column less; the last is left out where that document is no hit."""
    width = ids.shape[1]
    dropped = (ids == own[:, None]) & (own[:, None] >= 0)
    dropped[~dropped.any(axis=1), width - 1] = True
    shape = (len(ids), width - 1)
    return ids[~dropped].reshape(shape), scores[~dropped].reshape(shape)


def _crossed(ids: NDArray[np.int64], scores: NDArray[np.float32], depth: int) -> NDArray[np.bool_]:
    """Whether a tie at the last of `depth` ranks may go on beyond what was searched."""
    return np.asarray((ids[:, -1] >= 0) & (scores[:, -1] == scores[:, depth - 1]), np.bool_)
