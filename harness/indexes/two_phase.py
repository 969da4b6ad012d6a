"""Our approximate index: heavy postings propose documents, compact rows score them, links lead to similar ones."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter_ns
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from pydantic import Field
from scipy import sparse

from harness.indexes import Hits, IndexBase, Searcher, Supports, Work, register
from harness.indexes._checks import built, check_k
from harness.indexes._rooms import Rooms, rooms_for
from harness.indexes._rows import blocks_of, rows_of
from harness.indexes.files import Header, save_array, seal, unseal_header
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.indexes._two_phase_build import Parts
    from harness.vectors import Vectors

ENGINE, VERSION = "two-phase", 1
LABELS = {
    "rows": "rows",
    "offsets": "offsets",
    "counts": "offsets",
    "row_scales": "scales",
    "numbers": "terms",
    "starts": "offsets",
    "postings": "heavy postings",
    "list_scales": "scales",
    "links": "links",
}


class TwoPhaseParams(Params):
    """Parameters of the two-phase index, for building and for searching."""

    share: float = Field(default=0.1, gt=0, le=1)
    """Share of a document's terms, the heaviest, whose postings propose it; of each at least one."""
    links: int = Field(default=8, ge=0, le=64)
    """Links from a document to similar ones; 0 for none, which builds much faster."""
    postings: int = Field(default=20_000, ge=1)
    """Heaviest postings of a query that are read."""
    candidates: int = Field(default=200, ge=1)
    """Documents proposed by them that are scored, at least k."""
    follow: int = Field(default=20, ge=0)
    """Best documents whose links are followed; what is linked to them is scored, too."""


class TwoPhaseHeader(Header):
    """Parameters, documents, and terms of the vocabulary."""

    params: TwoPhaseParams
    documents: int
    terms: int


@register("two-phase")
class TwoPhase(IndexBase[TwoPhaseParams]):
    """Approximate: the true top k of the documents that it scores.

    Every score is exact to the codec: the float32 product of the query with the row as stored, 8-bit impacts times the
    document's scale. With `share` 1 and as many `postings` and `candidates` as there are, all that match are scored.
    """

    Params: ClassVar[type[Params]] = TwoPhaseParams
    supports: ClassVar[Supports] = Supports("sparse", exact=False, weights=("u8",))
    libraries: ClassVar[tuple[str, ...]] = ("numba", "numpy", "scipy")
    search_params: ClassVar[tuple[str, ...]] = ("postings", "candidates", "follow")

    def __init__(self, params: TwoPhaseParams) -> None:
        self.params = params
        self.documents = self.terms = 0
        self.parts: Parts | None = None
        self._room = threading.local()

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Pack rows block by block; lists and links are made of them at the end."""
        from harness.indexes._two_phase_build import make

        self._room = threading.local()
        self.parts = make(blocks_of(vectors), self.params.share, self.params.links)
        self.documents, self.terms = len(self.parts.counts), len(self.parts.numbers)

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The best of the documents scored; queries are spread over threads where there are several of both."""
        parts = built(self.parts)
        rows = rows_of(queries, self.terms, what="queries").ready()
        check_k(k)
        from harness.indexes._graph import ranked_pool

        ids = np.full((len(rows), k), -1, np.int64)
        scores = np.full((len(rows), k), -np.inf, np.float32)
        as_bits = scores.view(np.int32)

        def part(numbers: range) -> None:
            pool = self._pool(k)
            for row in numbers:
                span = slice(rows.indptr[row], rows.indptr[row + 1])
                held, _, _ = self._search(parts, rows.indices[span], rows.data[span], k, pool)
                ranked_pool(pool, held, ids[row], as_bits[row])

        if threads <= 1 or len(rows) <= 1:
            part(range(len(rows)))
        else:
            with ThreadPoolExecutor(threads) as workers:
                list(workers.map(part, [range(t, len(rows), threads) for t in range(threads)]))
        return ids, scores

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """The same kernel, with what it needs made once."""
        check_k(k)
        return TwoPhaseSearcher(self, built(self.parts), k)

    def _pool(self, k: int) -> NDArray[np.int64]:
        return np.zeros(max(min(max(k, self.params.follow), self.documents), 1), np.int64)

    def _search(
        self,
        parts: Parts,
        columns: NDArray[np.int32],
        weights: NDArray[np.float32],
        k: int,
        pool: NDArray[np.int64],
    ) -> tuple[int, int, int]:
        """Keys in the pool, postings read, documents scored (their numbers are in the thread's room)."""
        from harness.indexes._graph import search_all

        knobs = self.params.postings, max(self.params.candidates, k), self.params.follow
        found: tuple[int, int, int] = search_all(
            columns, weights, parts.numbers, parts.forward(), parts.lists(), parts.links, parts.degree, knobs,
            self._rooms(), pool,
        )  # fmt: skip
        return found

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
        """One .npy an array, and index.json with their checksums."""
        for name, array in built(self.parts)._asdict().items():
            save_array(directory, name, array)
        header = TwoPhaseHeader(params=self.params, documents=self.documents, terms=self.terms)
        seal(directory, ENGINE, VERSION, header)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Map a saved index."""
        from harness.indexes._two_phase_build import map_parts

        header = unseal_header(directory, ENGINE, VERSION, TwoPhaseHeader)
        index = cls(header.params)
        index.documents, index.terms = header.documents, header.terms
        index.parts = map_parts(directory, header.documents, header.terms, header.params.links)
        return index

    def memory(self) -> dict[str, int]:
        """Bytes of rows, heavy postings, links, terms (their numbers), offsets and scales."""
        sizes = dict.fromkeys(LABELS.values(), 0)
        for name, array in built(self.parts)._asdict().items():
            sizes[LABELS[name]] += array.nbytes
        return sizes

    def work(self, queries: Vectors, k: int) -> Work:
        """Postings read, and entries of the rows of the documents scored, escapes included: one multiply-add each."""
        parts = built(self.parts)
        rows, pool = rows_of(queries, self.terms, what="queries").tidy(), self._pool(k)
        # A row takes 2 bytes an entry of its first part, and 3 an entry of its second.
        firsts, sizes = parts.counts.astype(np.int64), np.diff(parts.offsets.astype(np.int64))
        entries = firsts + (sizes - 2 * firsts) // 3
        total = Work(0, 0, 0, 0)
        for begin, end in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
            _, read, count = self._search(parts, rows.indices[begin:end], rows.data[begin:end], k, pool)
            scored = int(entries[self._rooms().scored[:count]].sum())
            total += Work(int(read) + scored, postings=int(read), documents=int(count), bounds=0)
        return total


class TwoPhaseSearcher:
    """Single queries: the kernel of `TwoPhase.search`, with the time that it takes."""

    def __init__(self, index: TwoPhase, parts: Parts, k: int) -> None:
        from harness.indexes._graph import ranked_pool

        self.engine_ns: int | None = None
        self._index, self._parts, self._k, self._pool, self._ranked = index, parts, k, index._pool(k), ranked_pool

    def __call__(self, query: Vectors) -> Hits:
        """The best documents of one row."""
        rows = rows_of(query, self._index.terms, what="queries").ready()
        ids, scores = np.full((1, self._k), -1, np.int64), np.full((1, self._k), -np.inf, np.float32)
        began = perf_counter_ns()
        held, _, _ = self._index._search(self._parts, rows.indices, rows.data, self._k, self._pool)
        self._ranked(self._pool, held, ids[0], scores.view(np.int32)[0])
        self.engine_ns = perf_counter_ns() - began
        return ids, scores
