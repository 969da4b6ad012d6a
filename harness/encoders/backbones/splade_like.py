"""Synthetic sparse vectors shaped like a real encoder's.

Fitted to SPLADE-tiny (30,522 terms) over the 5,183 documents and 1,109 queries of SciFact, 256 tokens a text:

- share of documents that hold the term of rank r: exp(1.666 - 0.604 ln(r + 21.1) - r / 3244), within 6 % of the
  observed share for ranks up to 12,000;
- weights: 2.5 x Beta(0.9, 2.32), Kolmogorov-Smirnov distance 0.02 from the observed ones;
- lengths: log-normal spread of 0.16 (observed: mean 248, standard deviation 41);
- topics, so that terms occur together: a topic multiplies a term's rate by a log-normal factor;
- a query takes most of its terms from one document, as a claim takes words from its abstract.

Ranks are spread over the vocabulary by a fixed permutation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

CURVE = (1.666, 0.604, 21.1, 3244.0)
RANKS, TOPICS, TOPIC_SPREAD = 30_000, 100, 0.85
CHUNK = 1024
"""Documents that are drawn together."""


class Skewed:
    """A distribution of documents and queries, each of which can be drawn again by its number.

    Args:
        terms: Width of the vocabulary.
        per_document: Mean terms a document.
        per_query: Mean terms a query.
        seed: Of everything.
    """

    def __init__(self, terms: int = 128_256, per_document: float = 227, per_query: float = 61, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        a, b, c, d = CURVE
        ranks = np.arange(1, min(RANKS, terms) + 1)
        share = np.exp(a - b * np.log(ranks + c) - ranks / d)
        share = np.minimum(share * per_document / share.sum(), 0.98)
        gains = rng.lognormal(-(TOPIC_SPREAD**2) / 2, TOPIC_SPREAD, (TOPICS, len(ranks)))
        rates = -np.log1p(-np.minimum(share * gains, 0.98))
        # Rates are capped where a topic makes a term all but certain; what that takes away is given back to all.
        rates *= per_document / (1 - np.exp(-rates)).sum() * TOPICS
        self.cumulated, self.terms, self.per_query = np.cumsum(rates, axis=1), terms, per_query
        self.names = np.random.default_rng(0).permutation(terms)[: len(ranks)].astype(np.int64)
        self.seed = seed
        self.chunk = lru_cache(maxsize=8)(self._chunk)

    def _chunk(self, number: int) -> sparse.csr_matrix:
        """CSR of documents `number` x CHUNK and the following."""
        return self._drawn(np.random.default_rng((self.seed, 1, number)), CHUNK)

    def documents(self, count: int) -> Iterator[sparse.csr_matrix]:
        """CSR blocks of the first `count` documents; the same whatever comes after."""
        for number, begin in enumerate(range(0, count, CHUNK)):
            yield self._chunk(number)[: min(CHUNK, count - begin)]

    def rows(self, numbers: Sequence[int]) -> sparse.csr_matrix:
        """CSR of the documents of these numbers, in this order."""
        if len(numbers) and list(numbers) == list(range(numbers[0], numbers[0] + len(numbers))):
            first, last = numbers[0], numbers[-1]
            pieces = []
            for number in range(first // CHUNK, last // CHUNK + 1):
                begin = max(first - number * CHUNK, 0)
                pieces.append(self.chunk(number)[begin : last + 1 - number * CHUNK])
        else:
            pieces = [self.chunk(number // CHUNK)[number % CHUNK] for number in numbers]
        return joined(pieces, self.terms)

    def query(self, row: int, source: int) -> sparse.csr_matrix:
        """CSR of one query: four of five terms from a document, the others from its like."""
        rng = np.random.default_rng((self.seed, 2, row))
        document, other = self.rows([source]), self._drawn(rng, 1)
        wanted = max(int(rng.lognormal(np.log(self.per_query) - 0.1, 0.45)), 3)
        taken = min(int(wanted * 0.8), document.nnz)
        shares = _shares(document.data)
        first = rng.choice(document.indices, taken, replace=False, p=shares) if taken else document.indices[:0]
        rest = rng.permutation(other.indices)[: wanted - taken]
        columns = np.unique(np.concatenate([first, rest])).astype(np.int32)
        return sparse.csr_matrix((_weights(rng, len(columns)), columns, [0, len(columns)]), (1, self.terms))

    def queries(self, count: int) -> sparse.csr_matrix:
        """CSR of queries, made from documents of the first chunk."""
        return joined([self.query(row, row % CHUNK) for row in range(count)], self.terms)

    def _drawn(self, rng: np.random.Generator, count: int) -> sparse.csr_matrix:
        topics, spread = rng.integers(TOPICS, size=count), rng.lognormal(-0.0128, 0.16, count)
        draws = rng.poisson(self.cumulated[topics, -1] * spread)
        order = np.argsort(topics, kind="stable")
        rows, places = np.repeat(order, draws[order]), rng.random(draws.sum())
        ends = np.cumsum(np.bincount(topics, draws, TOPICS)).astype(np.int64)
        for topic, (first, last) in enumerate(zip(np.append(0, ends[:-1]), ends, strict=True)):
            rates = self.cumulated[topic]
            places[first:last] = np.searchsorted(rates, places[first:last] * rates[-1])
        drawn = places.astype(np.int64)
        keys = np.unique(rows * self.terms + self.names[np.minimum(drawn, len(self.names) - 1)])
        rows, columns = keys // self.terms, keys % self.terms
        indptr = np.searchsorted(rows, np.arange(count + 1))
        return sparse.csr_matrix((_weights(rng, len(rows)), columns.astype(np.int32), indptr), (count, self.terms))


def joined(pieces: Sequence[sparse.csr_matrix], terms: int) -> sparse.csr_matrix:
    """CSR of all rows of CSR matrices; of none, too."""
    none = sparse.csr_matrix(np.zeros((0, terms), np.float32))
    return sparse.csr_matrix(sparse.vstack([none, *pieces], format="csr"))


def _weights(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    return np.maximum(2.5 * rng.beta(0.9, 2.32, count), 1e-3).astype(np.float32)


def _shares(weights: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = weights.astype(np.float64)
    return np.asarray(exact / exact.sum(), np.float64)
