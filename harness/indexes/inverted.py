"""Our inverted index: exact, term at a time, distances in the bits that a term needs, 65,536 documents a segment."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter_ns
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field
from scipy import sparse

from harness.indexes import Hits, IndexBase, Searcher, Supports, Work, register
from harness.indexes._batch import by_threads
from harness.indexes._checks import check_k
from harness.indexes._rows import blocks_of, rows_of
from harness.indexes.files import Header, save_array, seal, unseal_header
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.indexes._rows import Rows, TidyRows
    from harness.indexes._segment import Segment
    from harness.vectors import Vectors

ENGINE, VERSION = "inverted", 6
SEGMENT = 1 << 16
LABELS = {
    "gaps": "document numbers",
    "impacts": "impacts",
    "present": "terms",
    "ranks": "terms",
    "often": "terms",
    "often_ranks": "terms",
    "starts": "offsets",
    "offsets": "offsets",
    "widths": "offsets",
    "heads": "offsets",
    "facts": "terms",
    "scales": "scales",
}


class InvertedHeader(Header):
    """Documents, terms of the vocabulary, segments, and how a weight is stored."""

    documents: int
    terms: int
    segments: int
    weights: Literal["u4", "u8", "u16", "float32"]


class InvertedParams(Params):
    """Parameters of the inverted index."""

    weights: Literal["u4", "u8", "u16", "float32"] = Field(default="u8")
    """How a weight is stored: in 4, 8 or 16 bits with a scale per term and segment, or as it is."""
    build_threads: int = Field(default=1, ge=1)
    """Threads of the build; the index is the same for any number."""


@register("inverted")
class Inverted(IndexBase[InvertedParams]):
    """Exact inverted index.

    The score of a document is the float32 sum of float32(query weight x scale) x impact, terms ascending, those with a
    bitmap in the document's segment after the others; the top k by that score is exact, ties by ascending document
    number. A document scored 0 does not match. A weight above 0 is stored as impact 1 at least. Every posting of a
    query's terms is read: docs/indexes.md says why.
    """

    Params: ClassVar[type[Params]] = InvertedParams
    supports: ClassVar[Supports] = Supports("sparse", exact=True, weights=("u4", "u8", "u16", "float32"), block=SEGMENT)
    libraries: ClassVar[tuple[str, ...]] = ("numba", "numpy", "scipy")

    def __init__(self, params: InvertedParams) -> None:
        self.params = params
        self.documents = self.terms = 0
        self.segments: list[Segment] = []
        self._room = threading.local()

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Pack segment by segment; of an iterator, one segment's rows a thread, and one more, are held at a time."""
        from harness.indexes._packing import pack

        self.documents = self.terms = 0
        self.segments = []
        threads = self.params.build_threads
        with ThreadPoolExecutor(threads) as pool:
            packing: deque[Future[Segment]] = deque()
            for blocks in self._segments_of(vectors):
                self.documents += sum(len(block) for block in blocks)
                if threads == 1:
                    self.segments.append(pack(blocks, self.params.weights))
                    continue
                if len(packing) == threads:
                    self.segments.append(packing.popleft().result())
                packing.append(pool.submit(pack, blocks, self.params.weights))
            self.segments += [part.result() for part in packing]

    def _segments_of(self, vectors: Vectors | Iterable[Vectors]) -> Iterator[list[Rows]]:
        """The rows of one segment after another."""
        waiting: list[Rows] = []
        room = SEGMENT
        for block in blocks_of(vectors):
            self.terms, begin = block.width, 0
            while begin < len(block):
                taken = min(room, len(block) - begin)
                waiting.append(block.part(begin, begin + taken))
                room, begin = room - taken, begin + taken
                if not room:
                    yield waiting
                    waiting, room = [], SEGMENT
        if waiting:
            yield waiting

    @classmethod
    def codec(cls, params: InvertedParams) -> str:
        """How a weight is stored."""
        return params.weights

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The exact top k; queries are spread over threads where there are several of both."""
        rows = rows_of(queries, self.terms, what="queries").ready()
        check_k(k)
        from harness.indexes._best import ranked_each

        ids = np.full((len(rows), k), -1, np.int64)
        scores = np.full((len(rows), k), -np.inf, np.float32)
        as_bits = scores.view(np.int32)

        def part(begin: int, end: int) -> None:
            keys, held = self.best(rows.block(begin, end), k)
            ranked_each(keys, held, ids[begin:end], as_bits[begin:end])

        by_threads(part, len(rows), threads)
        return ids, scores

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """The kernels alone, into arrays that are made once; one thread serves one query."""
        check_k(k)
        return InvertedSearcher(self, k)

    def best(self, rows: TidyRows, count: int, *, roughly: bool = False) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The best `count` documents of each query, in no order.

        With `roughly`, and more than one segment, a segment gives about twice its share of them at most. That takes
        less time for a large `count`, and misses some of the best where these lie in few segments.

        Returns:
            Keys int64 (queries x room; see `harness.indexes._best.select`), and how many of a row are held, int64.
        """
        from harness.indexes._best import GROUP, keep_best
        from harness.indexes._kernels import search_segment
        from harness.indexes._packing import BITS

        count, roughly = min(count, max(self.documents, 1)), roughly and len(self.segments) > 1
        room = min(4 * count, self.documents) if roughly else 2 * count
        keys = np.zeros((len(rows), room), np.int64)
        held = np.zeros(len(keys), np.int64)
        sums, search = self._scores(), search_segment[BITS[self.params.weights]]
        for number, segment in enumerate(self.segments):
            base = number * SEGMENT
            size = min(SEGMENT, self.documents - base)
            scores = sums[: -(-size // GROUP) * GROUP]
            share = 0
            if roughly:
                share = len(scores) if count == self.documents else -(-count * size // self.documents)
            search(rows.indptr, rows.indices, rows.data, segment, scores, base, keys, held, share)
        if roughly:
            keep_best(keys, held, count)
        return keys, held

    def _scores(self) -> NDArray[np.float32]:
        """This thread's room for scores of one segment, all zero between searches."""
        room: NDArray[np.float32] | None = getattr(self._room, "scores", None)
        size = -(-min(SEGMENT, self.documents) // 64) * 64
        if room is None or len(room) < size:
            room = self._room.scores = np.zeros(size, np.float32)
        return room

    def decoded(self) -> sparse.csr_matrix:
        """The vectors as stored: documents x terms, float32."""
        from harness.indexes._packing import unpack

        parts = [unpack(segment, self.params.weights) for segment in self.segments]
        rows = np.concatenate([part[0] + number * SEGMENT for number, part in enumerate(parts)])
        columns, values = np.concatenate([part[1] for part in parts]), np.concatenate([part[2] for part in parts])
        return sparse.csr_matrix((values, (rows, columns)), shape=(self.documents, self.terms))

    def save(self, directory: Path) -> None:
        """One .npy an array, and index.json with their checksums."""
        for number, segment in enumerate(self.segments):
            for name, array in segment._asdict().items():
                save_array(directory, f"{name}-{number}", array)
        header = InvertedHeader(
            documents=self.documents, terms=self.terms, segments=len(self.segments), weights=self.params.weights
        )
        seal(directory, ENGINE, VERSION, header)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Map a saved index."""
        from harness.indexes._segment import map_segment

        header = unseal_header(directory, ENGINE, VERSION, InvertedHeader)
        index = cls(InvertedParams(weights=header.weights))
        index.documents, index.terms = header.documents, header.terms
        index.segments = [map_segment(directory, number, header.weights) for number in range(header.segments)]
        return index

    def memory(self) -> dict[str, int]:
        """Bytes of document numbers, impacts, terms (which ones occur), offsets and scales."""
        sizes = dict.fromkeys(LABELS.values(), 0)
        for segment in self.segments:
            for name, array in segment._asdict().items():
                sizes[LABELS[name]] += array.nbytes
        return sizes

    def work(self, queries: Vectors, k: int) -> Work:
        """Every entry of a query's terms, escapes included, is read once: one multiply-add each.

        Lanes of a vector instruction that belong to documents without the term are not counted.
        """
        from harness.indexes._packing import entries_of

        rows = rows_of(queries, self.terms, what="queries").tidy()
        entries = sum(int(entries_of(segment, rows.indices).sum()) for segment in self.segments)
        return Work(multiply_adds=entries, postings=entries, documents=self.documents * len(rows), bounds=0)


class InvertedSearcher:
    """Single queries of an inverted index: the same kernels as `Inverted.search`, with what they need made once."""

    def __init__(self, index: Inverted, k: int) -> None:
        from harness.indexes._best import GROUP, ranked_each
        from harness.indexes._kernels import TIDY, inspect, search_segment
        from harness.indexes._packing import BITS

        self.engine_ns: int | None = None
        self._shape, self._indptr = (1, index.terms), np.zeros(2, np.int64)
        self._tidy, self._inspect, self._ranked = TIDY, inspect, ranked_each
        self._search = search_segment[BITS[index.params.weights]]
        room = index._scores()
        sizes = [min(SEGMENT, index.documents - base) for base in range(0, index.documents, SEGMENT)]
        self._segments = [
            (segment, room[: -(-size // GROUP) * GROUP], number * SEGMENT)
            for number, (segment, size) in enumerate(zip(index.segments, sizes, strict=True))
        ]
        self._keys, self._held = np.zeros((1, 2 * min(k, max(index.documents, 1))), np.int64), np.zeros(1, np.int64)
        self._no_ids, self._no_scores = np.full((1, k), -1, np.int64), np.full((1, k), -np.inf, np.float32)

    def __call__(self, query: Vectors) -> Hits:
        """The top k of one row."""
        columns, weights = self._ready(query)
        ids, scores = self._no_ids.copy(), self._no_scores.copy()
        bits = scores.view(np.int32)
        began = perf_counter_ns()
        self._held[0] = 0
        for segment, room, base in self._segments:
            self._search(self._indptr, columns, weights, segment, room, base, self._keys, self._held, 0)
        self._ranked(self._keys, self._held, ids, bits)
        self.engine_ns = perf_counter_ns() - began
        return ids, scores

    def _ready(self, query: Vectors) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Columns and weights of a row; nothing is copied where an encoder made it as the kernels need it."""
        if isinstance(query, sparse.csr_matrix) and query.shape == self._shape:
            columns, weights = query.indices, query.data
            self._indptr[1] = len(weights)
            as_needed = columns.dtype == np.int32 and weights.dtype == np.float32
            if as_needed and self._inspect(self._indptr, columns, weights, self._shape[1]) == self._tidy:
                return columns, weights
        rows = rows_of(query, self._shape[1], what="queries").tidy()
        self._indptr[1] = len(rows.data)
        return rows.indices, rows.data
