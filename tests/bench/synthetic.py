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

import numpy as np
from scipy import sparse

CURVE = (1.666, 0.604, 21.1, 3244.0)
RANKS, TOPICS, TOPIC_SPREAD = 30_000, 100, 0.85
CHUNK = 20_000


class Corpus:
    """A distribution of documents and queries.

    Args:
        terms: Width of the vocabulary.
        per_document: Mean terms a document.
        per_query: Mean terms a query.
        seed: Of everything.
    """

    def __init__(self, terms=128_256, per_document=227, per_query=61, seed=1):
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

    def documents(self, count):
        """CSR blocks of documents, in all `count`; the same whatever comes after."""
        for number, begin in enumerate(range(0, count, CHUNK)):
            rng = np.random.default_rng((self.seed, 1, number))
            yield self._drawn(rng, CHUNK)[: min(CHUNK, count - begin)]

    def queries(self, count):
        """CSR of queries: four of five terms from a document of the first chunk, the others from its like."""
        rng = np.random.default_rng((self.seed, 2))
        source, other = next(self.documents(min(count, CHUNK))), self._drawn(rng, count)
        rows, columns = [], []
        for row in range(count):
            wanted = max(int(rng.lognormal(np.log(self.per_query) - 0.1, 0.45)), 3)
            span = slice(source.indptr[row % source.shape[0]], source.indptr[row % source.shape[0] + 1])
            taken = min(int(wanted * 0.8), span.stop - span.start)
            heavy = source.data[span] / source.data[span].sum()
            first = rng.choice(source.indices[span], taken, replace=False, p=heavy)
            rest = rng.permutation(other.indices[other.indptr[row] : other.indptr[row + 1]])[: wanted - taken]
            found = np.unique(np.concatenate([first, rest]))
            rows.append(np.full(len(found), row))
            columns.append(found)
        places = np.concatenate(rows), np.concatenate(columns)
        return sparse.csr_matrix((self._weights(rng, len(places[0])), places), shape=(count, self.terms))

    def _drawn(self, rng, count):
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
        return sparse.csr_matrix((self._weights(rng, len(rows)), columns.astype(np.int32), indptr), (count, self.terms))

    @staticmethod
    def _weights(rng, count):
        return np.maximum(2.5 * rng.beta(0.9, 2.32, count), 1e-3).astype(np.float32)
