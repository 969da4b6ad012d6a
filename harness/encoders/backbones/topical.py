"""Synthetic sparse vectors with topics: documents have near neighbours, as texts do.

Documents of `splade_like.Skewed` share a weak topic at most, so that hardly any two are alike. Searching by
neighbours (graphs) or by blocks of similar documents then looks worse than on texts. Here a document has a topic on
each of `LEVELS` levels: of few broad topics, of more and narrower ones, and so on, each level independent of the
others. A few topics of a level are large, and most are small. Each topic has terms of its own with typical weights, and
a document takes most of them. Its other terms are drawn from the skew of all documents. The constants were chosen so
that neighbours, blocks and scores are those of SPLADE-tiny over documentation strings: docs/benchmarks.md shows both.

What belongs to a topic is not stored: it is drawn again by a hash of its number wherever it is needed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from harness.encoders.backbones.splade_like import CHUNK, CURVE, RANKS, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

BRANCHES, LEVELS = 5, 4
"""How many times as many topics the next level has; levels."""
SHARE = 0.5
"""Share of a document's terms that its topics decide."""
TAKEN = 0.75
"""Share of a topic's own terms that a document takes."""
TILT = 0.9
"""Power of the shares of terms by which topics choose theirs; below 1 they prefer rarer ones."""
HEAVIER = 0.4
"""How much higher weights of a topic's own terms rank, of the whole range of ranks."""
SHARPER = 1.45
"""Power of the shares of terms by which terms without a topic are drawn: topics add rarer ones."""
COMMON = 0.85
"""The highest typical rank of weights of terms without a topic."""
NOISE = 0.1
"""Standard deviation of a weight's rank around what is typical of the term in its topic, of the whole range."""
FROM_SOURCE = 0.05
"""Share of a query's terms that come from its document; the others come from another document of the same topics."""


class Topical:
    """A distribution of documents and queries, each of which can be drawn again by its number.

    Args:
        terms: Width of the vocabulary.
        per_document: Mean terms a document.
        per_query: Mean terms a query.
        topics: Topics of the first level.
        seed: Of everything.
    """

    def __init__(
        self,
        terms: int = 128_256,
        per_document: float = 227,
        per_query: float = 61,
        topics: int = 16,
        seed: int = 1,
    ) -> None:
        from scipy.special import betaincinv  # not by processes that load all encoders and use another

        a, b, c, d = CURVE
        ranks = np.arange(1, min(RANKS, terms) + 1)
        share = np.exp(a - b * np.log(ranks + c) - ranks / d)
        self.terms, self.per_document, self.per_query, self.topics = terms, per_document, per_query, topics
        shared = share**SHARPER
        self.common = np.cumsum(shared) / shared.sum()
        tilted = share**TILT
        self.own = np.cumsum(tilted) / tilted.sum()
        self.names = np.random.default_rng(0).permutation(terms)[: len(ranks)].astype(np.int64)
        self.seed = seed
        self.quantiles = 2.5 * betaincinv(0.9, 2.32, (np.arange(4096) + 0.5) / 4096)
        # Some draws fall on one term, and the gain makes up for it. Then ranks of weights become even ones.
        self.gain, self.levels = 1.0, np.linspace(0, 1, 4096)
        for _ in range(2):
            drawn = self._drawn(np.random.default_rng((seed, 3)), self._nodes(np.random.default_rng((seed, 4)), CHUNK))
            self.gain *= per_document * CHUNK / drawn.nnz
        self.levels = np.sort(drawn.data)[(np.arange(4096) + 0.5).astype(np.int64) * drawn.nnz // 4096]
        self.weights = 2.5 * betaincinv(0.9, 2.32, (np.arange(4096) + 0.5) / 4096)
        self.chunk = lru_cache(maxsize=8)(self._chunk)

    def documents(self, count: int) -> Iterator[sparse.csr_matrix]:
        """CSR blocks of the first `count` documents; the same whatever comes after."""
        for number, begin in enumerate(range(0, count, CHUNK)):
            yield self._chunk(number)[: min(CHUNK, count - begin)]

    def rows(self, numbers: Sequence[int]) -> sparse.csr_matrix:
        """CSR of the documents of these numbers, in this order."""
        pieces, begin = [], 0
        for place in range(1, len(numbers) + 1):
            # Neighbouring numbers of one chunk are cut from it at once.
            if place == len(numbers) or numbers[place] != numbers[place - 1] + 1 or numbers[place] % CHUNK == 0:
                first = numbers[begin] % CHUNK
                pieces.append(self.chunk(numbers[begin] // CHUNK)[first : first + place - begin])
                begin = place
        return joined(pieces, self.terms)

    def query(self, row: int, source: int) -> sparse.csr_matrix:
        """CSR of one query: heavy terms of a document, and of another document of its topics."""
        rng = np.random.default_rng((self.seed, 2, row))
        nodes = self._nodes(np.random.default_rng((self.seed, 1, source // CHUNK)), CHUNK)[source % CHUNK]
        wanted = max(int(rng.lognormal(np.log(self.per_query) - 0.1, 0.45)), 3)
        from_source = max(int(wanted * FROM_SOURCE), 1)
        own = _some(rng, self.rows([source]), from_source)
        like = _some(rng, self._weighted(self._drawn(rng, nodes[None])), wanted - from_source)
        columns, places = np.unique(np.concatenate([own.indices, like.indices]), return_index=True)
        weights = np.concatenate([own.data, like.data])[places] * rng.lognormal(0, 0.3, len(columns))
        return sparse.csr_matrix((weights.astype(np.float32), columns, [0, len(columns)]), (1, self.terms))

    def queries(self, count: int) -> sparse.csr_matrix:
        """CSR of queries, made from documents of the first chunk."""
        return joined([self.query(row, row % CHUNK) for row in range(count)], self.terms)

    def _chunk(self, number: int) -> sparse.csr_matrix:
        """CSR of documents `number` x CHUNK and the following."""
        rng = np.random.default_rng((self.seed, 1, number))
        return self._weighted(self._drawn(rng, self._nodes(rng, CHUNK)))

    def _nodes(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Numbers of the topics of documents, count x LEVELS: low numbers are large topics, high ones small."""
        sizes = self.topics * BRANCHES ** np.arange(LEVELS)
        return (rng.random((count, LEVELS)) ** 2 * sizes).astype(np.int64)

    def _drawn(self, rng: np.random.Generator, nodes: NDArray[np.int64]) -> sparse.csr_matrix:
        """Documents of these topics; data are ranks of weights, not yet even."""
        count = len(nodes)
        lengths = self.per_document * self.gain * rng.lognormal(-0.0128, 0.16, count)
        own = max(int(self.per_document * self.gain * SHARE / LEVELS / TAKEN), 1)
        rows: list[NDArray[np.int64]] = []
        ranks: list[NDArray[np.int64]] = []
        heights: list[NDArray[np.float64]] = []
        for level in range(LEVELS):
            chosen = rng.random((count, own)) < (TAKEN * lengths / lengths.mean())[:, None]
            row, term = np.nonzero(chosen)
            keys = (nodes[row, level] * LEVELS + level) * 4096 + term
            rows.append(row)
            ranks.append(np.searchsorted(self.own, _even(keys, self.seed)))
            heights.append(HEAVIER + (1 - HEAVIER) * _even(keys, self.seed + 1))
        draws = rng.poisson(lengths * (1 - SHARE))
        common = np.searchsorted(self.common, rng.random(draws.sum()))
        rows.append(np.repeat(np.arange(count), draws))
        ranks.append(common)
        heights.append(COMMON * _even(common, self.seed + 2))
        names = self.names[np.minimum(np.concatenate(ranks), len(self.names) - 1)]
        keys = np.concatenate(rows) * self.terms + names
        height = np.concatenate(heights) + rng.normal(0, NOISE, len(keys))
        order = np.lexsort((-height, keys))
        keys, height = keys[order], height[order]
        first = np.append(True, keys[1:] != keys[:-1]) if len(keys) else np.zeros(0, np.bool_)
        keys, height = keys[first], height[first]
        indptr = np.searchsorted(keys // self.terms, np.arange(count + 1))
        columns = (keys % self.terms).astype(np.int32)
        return sparse.csr_matrix((height.astype(np.float32), columns, indptr), (count, self.terms))

    def _weighted(self, drawn: sparse.csr_matrix) -> sparse.csr_matrix:
        """With weights whose distribution is that of `splade_like.Skewed`."""
        places = np.minimum(np.searchsorted(self.levels, drawn.data), len(self.weights) - 1)
        drawn.data = np.maximum(self.weights[places], 1e-3).astype(np.float32)
        return drawn


def _some(rng: np.random.Generator, document: sparse.csr_matrix, wanted: int) -> sparse.csr_matrix:
    """A document's terms, heavier ones more often."""
    shares = np.sqrt(document.data.astype(np.float64))
    places = np.zeros(0, np.int64)
    if document.nnz:
        places = rng.choice(document.nnz, min(wanted, document.nnz), replace=False, p=shares / shares.sum())
    return sparse.csr_matrix((document.data[places], document.indices[places], [0, len(places)]), document.shape)


def _even(keys: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """A number from 0 to below 1 for each key, always the same: the mixing steps of splitmix64."""
    mixed = keys.astype(np.uint64) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 & (1 << 64) - 1)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) / np.float64(1 << 64), np.float64)
