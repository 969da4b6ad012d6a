"""Our approximate index: heavy postings propose documents, compact rows score them, links lead to similar ones."""

from __future__ import annotations

import threading
from time import perf_counter_ns
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from pydantic import Field
from scipy import sparse

from harness.errors import UserError
from harness.indexes import Hits, IndexBase, Searcher, Supports, Work, register
from harness.indexes._batch import by_threads
from harness.indexes._checks import built, check_k
from harness.indexes._rooms import Rooms, rooms_for
from harness.indexes._rows import TidyRows, blocks_of, rows_of
from harness.indexes.files import REMEDY, Header, digest_of, save_array, seal, unseal_header
from harness.indexes.inverted import Inverted, InvertedParams
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.indexes._two_phase_build import Parts
    from harness.vectors import Vectors

ENGINE, VERSION, HEAVY = "two-phase", 1, "heavy"
HEAVY_CODEC = InvertedParams(weights="u4")
"""Proposals need no more: whole weights ask for as many candidates (docs/benchmarks.md)."""
LABELS = {
    "rows": "rows",
    "offsets": "offsets",
    "counts": "offsets",
    "row_scales": "scales",
    "numbers": "terms",
    "links": "links",
}


class TwoPhaseParams(Params):
    """Parameters of the two-phase index, for building and for searching."""

    share: float = Field(default=0.3, gt=0, le=1)
    """Share of the postings, the heaviest ones, that propose documents; of each document at least one. Weights of rarer
    terms count for more."""
    links: int = Field(default=0, ge=0, le=64)
    """Links from a document to similar ones; 0 for none, which builds much faster."""
    terms: int = Field(default=30, ge=1)
    """Heaviest terms of a query whose heavy postings are read."""
    candidates: int = Field(default=500, ge=1)
    """Documents proposed by them that are scored, at least k."""
    follow: int = Field(default=20, ge=0)
    """Best documents whose links are followed; what is linked to them is scored, too."""


class TwoPhaseHeader(Header):
    """Parameters, documents, terms of the vocabulary, and the SHA-256 of the heavy postings' own ``index.json``."""

    params: TwoPhaseParams
    documents: int
    terms: int
    heavy: str


@register("two-phase")
class TwoPhase(IndexBase[TwoPhaseParams]):
    """Approximate: the true top k of the documents that it scores.

    An inverted index over the heaviest postings proposes them. Every score is exact to the codec: the
    float32 product of the query with the row as stored, 8-bit impacts times the document's scale. With `share` 1 and
    as many `terms` and `candidates` as there are, all that match are scored.
    """

    Params: ClassVar[type[Params]] = TwoPhaseParams
    supports: ClassVar[Supports] = Supports("sparse", exact=False, weights=("u8",))
    libraries: ClassVar[tuple[str, ...]] = ("numba", "numpy", "scipy")
    search_params: ClassVar[tuple[str, ...]] = ("terms", "candidates", "follow")

    def __init__(self, params: TwoPhaseParams) -> None:
        self.params = params
        self.documents = self.terms = 0
        self.parts: Parts | None = None
        self.heavy = Inverted(HEAVY_CODEC)
        self._room = threading.local()

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Pack rows block by block; links are made of them at the end."""
        from harness.indexes._two_phase_build import make

        self._room, self.heavy = threading.local(), Inverted(HEAVY_CODEC)
        self.parts = make(blocks_of(vectors), self.params.share, self.params.links, self.heavy)
        self.documents, self.terms = len(self.parts.counts), len(self.parts.numbers)

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The best of the documents scored; queries are spread over threads where there are several of both."""
        parts = built(self.parts)
        rows = rows_of(queries, self.terms, what="queries").ready()
        check_k(k)
        ids = np.full((len(rows), k), -1, np.int64)
        scores = np.full((len(rows), k), -np.inf, np.float32)
        as_bits = scores.view(np.int32)

        def part(begin: int, end: int) -> None:
            self._search(parts, rows.block(begin, end), self._pool(k), ids[begin:end], as_bits[begin:end])

        by_threads(part, len(rows), threads)
        return ids, scores

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """The same kernels, with what they need made once."""
        check_k(k)
        return TwoPhaseSearcher(self, built(self.parts), k)

    def _pool(self, k: int) -> NDArray[np.int64]:
        return np.zeros(max(min(max(k, self.params.follow), self.documents), 1), np.int64)

    def _propose(self, rows: TidyRows, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The documents that the heaviest terms of each query propose, as `Inverted.best` returns them."""
        return self.heavy.best(self._proposing(rows), max(k, self.params.candidates), roughly=True)

    def _proposing(self, rows: TidyRows) -> TidyRows:
        """The terms of queries that propose documents: the heaviest ones."""
        if len(rows.data) <= self.params.terms:
            return rows
        from harness.indexes._graph import heaviest

        begins, places = heaviest(rows.indptr, rows.data, self.params.terms)
        return TidyRows(begins, rows.indices[places], rows.data[places], rows.width)

    def _search(
        self, parts: Parts, rows: TidyRows, pool: NDArray[np.int64], ids: NDArray[np.int64], scores: NDArray[np.int32]
    ) -> None:
        """Write the best documents of each query, and their scores as bits."""
        from harness.indexes._graph import score_each

        keys, held = self._propose(rows, ids.shape[1])
        score_each(
            keys, held, rows.indptr, rows.indices, rows.data, (parts.numbers, parts.forward(), parts.links),
            parts.degree, self.params.follow, self._rooms(), pool, ids, scores,
        )  # fmt: skip

    def _rooms(self) -> Rooms:
        rooms: Rooms | None = getattr(self._room, "rooms", None)
        if rooms is None:
            rooms = self._room.rooms = rooms_for(self.documents, self.terms)
        return rooms

    def decoded(self) -> sparse.csr_matrix:
        """The vectors as stored: documents x terms, float32."""
        from harness.indexes._forward import unpack_row

        parts = built(self.parts)
        names = np.argsort(parts.numbers)
        terms, weights = np.zeros(self.terms, np.int64), np.zeros(self.terms, np.float32)
        columns, data, ends = [], [], [0]
        for document in range(self.documents):
            count = unpack_row(document, parts.forward(), terms, weights)
            columns.append(names[terms[:count]])
            data.append(weights[:count].copy())
            ends.append(ends[-1] + count)
        stored = np.concatenate([np.zeros(0, np.float32), *data]), np.concatenate([np.zeros(0, np.int64), *columns])
        return sparse.csr_matrix((*stored, ends), shape=(self.documents, self.terms))

    def save(self, directory: Path) -> None:
        """One .npy an array, the heavy postings in a folder of their own, and index.json with checksums."""
        for name, array in built(self.parts)._asdict().items():
            save_array(directory, name, array)
        (directory / HEAVY).mkdir()
        self.heavy.save(directory / HEAVY)
        header = TwoPhaseHeader(
            params=self.params,
            documents=self.documents,
            terms=self.terms,
            heavy=digest_of(directory / HEAVY / "index.json"),
        )
        seal(directory, ENGINE, VERSION, header)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Map a saved index."""
        from harness.indexes._two_phase_build import map_parts

        header = unseal_header(directory, ENGINE, VERSION, TwoPhaseHeader)
        index = cls(header.params)
        index.documents, index.terms = header.documents, header.terms
        index.parts = map_parts(directory, header.documents, header.terms, header.params.links)
        index.heavy = Inverted.load(directory / HEAVY)
        if digest_of(directory / HEAVY / "index.json") != header.heavy:
            raise UserError(
                "the index is damaged: its heavy postings are those of another one",
                file=directory / HEAVY,
                remedy=REMEDY,
            )
        return index

    def memory(self) -> dict[str, int]:
        """Bytes of heavy postings (all of their index), rows, offsets, scales, terms (their numbers) and links."""
        sizes = {"heavy postings": sum(self.heavy.memory().values()), **dict.fromkeys(LABELS.values(), 0)}
        for name, array in built(self.parts)._asdict().items():
            sizes[LABELS[name]] += array.nbytes
        return sizes

    def work(self, queries: Vectors, k: int) -> Work:
        """Postings read, and entries of the rows of the documents scored, escapes included: one multiply-add each."""
        parts = built(self.parts)
        from harness.indexes._graph import score_keys

        rows, pool = rows_of(queries, self.terms, what="queries").tidy(), self._pool(k)
        # A row takes 2 bytes an entry of its first part, and 3 an entry of its second.
        firsts, sizes = parts.counts.astype(np.int64), np.diff(parts.offsets.astype(np.int64))
        entries = firsts + (sizes - 2 * firsts) // 3
        total = Work(0, 0, 0, 0)
        for row in range(len(rows)):
            query = rows.block(row, row + 1)
            read = self.heavy.work(self._proposing(query).csr(), k).postings or 0
            keys, held = self._propose(query, k)
            _, count = score_keys(
                keys[0, : held[0]], query.indices, query.data, parts.numbers, parts.forward(), parts.links,
                parts.degree, self.params.follow, self._rooms(), pool,
            )  # fmt: skip
            scored = int(entries[self._rooms().scored[:count]].sum())
            total += Work(read + scored, postings=read, documents=int(count), bounds=0)
        return total


class TwoPhaseSearcher:
    """Single queries: the kernels of `TwoPhase.search`, with the time that they take."""

    def __init__(self, index: TwoPhase, parts: Parts, k: int) -> None:
        self.engine_ns: int | None = None
        self._index, self._parts, self._k, self._pool = index, parts, k, index._pool(k)

    def __call__(self, query: Vectors) -> Hits:
        """The best documents of one row."""
        rows = rows_of(query, self._index.terms, what="queries").ready()
        ids, scores = np.full((1, self._k), -1, np.int64), np.full((1, self._k), -np.inf, np.float32)
        began = perf_counter_ns()
        self._index._search(self._parts, rows, self._pool, ids, scores.view(np.int32))
        self.engine_ns = perf_counter_ns() - began
        return ids, scores
