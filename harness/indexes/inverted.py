"""Our inverted index: exact, term at a time, 16-bit document numbers in segments of 65,536 documents."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self, cast

import numpy as np
from pydantic import Field
from scipy import sparse

from harness.errors import UserError
from harness.indexes import Hits, Supports, Work, register
from harness.indexes._files import map_array, save_array, seal, unseal
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.vectors import Vectors

SEGMENT = 1 << 16
ENGINE, VERSION = "inverted", 1
PARTS = ("ids", "impacts", "starts", "scales")


class InvertedParams(Params):
    """Parameters of the inverted index."""

    weights: Literal["u8", "float32"] = Field(default="u8")
    """How an impact is stored: 8 bits with a scale per term and segment, or as it is."""


class Segment(NamedTuple):
    """Postings of 65,536 documents, by term, then by document.

    `ids` uint16 and `impacts` (uint8 or float32) have one entry a posting; `starts` uint32 (terms + 1) says where a
    term's postings begin; a stored impact times `scales` float32 (terms) is the weight.
    """

    ids: NDArray[np.uint16]
    impacts: NDArray[Any]
    starts: NDArray[np.uint32]
    scales: NDArray[np.float32]


@register("inverted")
class Inverted:
    """Exact inverted index with 8-bit or float32 impacts.

    The score of a document is the float32 sum, terms ascending, of float32(query weight * scale) * impact; the top k by
    that score is exact, ties by ascending document number. A document scored 0 does not match.
    """

    Params: ClassVar[type[Params]] = InvertedParams
    supports: ClassVar[Supports] = Supports("sparse", exact=True, weights=("u8", "float32"))

    def __init__(self, params: InvertedParams) -> None:
        self.params = params
        self.documents = self.terms = 0
        self.segments: list[Segment] = []

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Build segment by segment; no more than one segment's rows are copied at a time."""
        self.documents = self.terms = 0
        self.segments = []
        waiting: list[Any] = []
        rows = 0
        for block in _pieces(vectors):
            matrix = _checked(block)
            if self.terms and matrix.shape[1] != self.terms:
                raise UserError(f"vectors have {matrix.shape[1]} columns, not {self.terms}")
            self.terms = int(matrix.shape[1])
            begin = 0
            while begin < matrix.shape[0]:
                taken = min(SEGMENT - rows, matrix.shape[0] - begin)
                waiting.append(matrix[begin : begin + taken])
                rows, begin = rows + taken, begin + taken
                if rows == SEGMENT:
                    self._add(waiting)
                    waiting, rows = [], 0
        if waiting:
            self._add(waiting)

    def _add(self, rows: list[Any]) -> None:
        matrix = rows[0] if len(rows) == 1 else sparse.vstack(rows, format="csr")
        columns = matrix.tocsc()
        columns.sort_indices()
        starts, data = columns.indptr.astype(np.int64), np.asarray(columns.data, np.float32)
        if self.params.weights == "float32":
            scales, impacts = np.ones(self.terms, np.float32), data
        else:
            filled = np.flatnonzero(np.diff(starts))
            highest = np.zeros(self.terms, np.float32)
            if len(filled):
                highest[filled] = np.maximum.reduceat(data, starts[:-1][filled])
            scales = np.maximum(highest / np.float32(255), np.finfo(np.float32).tiny)
            exact = data / np.repeat(scales, np.diff(starts))
            impacts = np.clip(np.rint(exact), 1, 255).astype(np.uint8)
        self.segments.append(_frozen(columns.indices.astype(np.uint16), impacts, starts.astype(np.uint32), scales))
        self.documents += int(matrix.shape[0])

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The exact top k; queries are spread over threads where there are several of both."""
        rows = _checked(queries, width=self.terms)
        if k < 1:
            raise UserError(f"k is {k}; it must be at least 1")
        ids = np.full((rows.shape[0], k), -1, np.int64)
        scores = np.full((rows.shape[0], k), -np.inf, np.float32)

        def part(numbers: range) -> None:
            room = np.zeros(min(SEGMENT, max(self.documents, 1)), np.float32)
            for row in numbers:
                self._one(rows, row, room, ids[row], scores[row])

        if threads <= 1 or rows.shape[0] <= 1:
            part(range(rows.shape[0]))
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(part, [range(t, rows.shape[0], threads) for t in range(threads)]))
        return ids, scores

    def _one(
        self, rows: Any, row: int, room: NDArray[np.float32], ids: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> None:
        from harness.indexes._kernels import accumulate, select

        begin, end = rows.indptr[row], rows.indptr[row + 1]
        columns, weights = rows.indices[begin:end], rows.data[begin:end]
        k = min(len(ids), max(self.documents, 1))
        best_scores, best_ids, held = np.zeros(k, np.float32), np.zeros(k, np.int64), 0
        for number, segment in enumerate(self.segments):
            size = min(SEGMENT, self.documents - number * SEGMENT)
            accumulate(columns, weights, segment.starts, segment.scales, segment.ids, segment.impacts, room)
            held = select(room[:size], number * SEGMENT, best_scores, best_ids, held)
        order = np.lexsort((best_ids[:held], -best_scores[:held]))
        ids[:held], scores[:held] = best_ids[:held][order], best_scores[:held][order]

    def save(self, directory: Path) -> None:
        """One .npy an array, and index.json with their checksums."""
        for number, segment in enumerate(self.segments):
            for name, array in segment._asdict().items():
                save_array(directory, f"{name}-{number}", array)
        facts = {
            "documents": self.documents,
            "terms": self.terms,
            "segments": len(self.segments),
            "weights": self.params.weights,
        }
        seal(directory, ENGINE, VERSION, facts)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Map a saved index."""
        facts = unseal(directory, ENGINE, VERSION)
        index = cls(InvertedParams(weights=facts["weights"]))
        index.documents, index.terms = facts["documents"], facts["terms"]
        for number in range(facts["segments"]):
            index.segments.append(_frozen(*(map_array(directory, f"{name}-{number}") for name in PARTS)))
        return index

    def memory(self) -> dict[str, int]:
        """Bytes of document numbers, impacts, offsets and scales."""
        names = {"ids": "document numbers", "impacts": "impacts", "starts": "offsets", "scales": "scales"}
        return {label: sum(getattr(s, name).nbytes for s in self.segments) for name, label in names.items()}

    def work(self, queries: Vectors, k: int) -> Work:
        """Every posting of a query's terms is read once: one multiply-add each."""
        rows = _checked(queries, width=self.terms)
        postings = 0
        for segment in self.segments:
            postings += int(np.diff(segment.starts.astype(np.int64))[rows.indices].sum())
        return Work(multiply_adds=postings, postings=postings, documents=self.documents * rows.shape[0], bounds=0)


def _frozen(*arrays: NDArray[Any]) -> Segment:
    """Read-only, like mapped ones, so that one compiled kernel serves both."""
    for array in arrays:
        array.flags.writeable = False
    return Segment(*arrays)


def _pieces(vectors: Vectors | Iterable[Vectors]) -> Iterator[Any]:
    if sparse.issparse(vectors) or isinstance(vectors, np.ndarray):
        yield vectors
    else:
        yield from cast("Iterable[Any]", vectors)


def _checked(block: Any, width: int | None = None) -> Any:
    """CSR float32 with sorted, unique columns and positive finite weights: repaired where safe, else refused."""
    if not sparse.issparse(block):
        raise UserError(
            "the inverted index takes sparse vectors (CSR), found a dense array",
            remedy="use a dense engine, such as faiss-flat",
        )
    given: Any = block
    matrix: Any = given.tocsr()
    if width is not None and matrix.shape[1] != width:
        raise UserError(f"query vectors have {matrix.shape[1]} columns, the index {width}")
    data = np.asarray(matrix.data)
    if len(data) and not np.isfinite(data).all():
        raise UserError("vectors hold NaN or infinite weights", remedy="check the encoder's dtype and weights")
    if len(data) and data.min() < 0:
        raise UserError(
            "vectors hold negative weights", remedy="the inverted index scores by impacts, which are positive"
        )
    if matrix.dtype != np.float32 or not matrix.has_canonical_format:
        matrix = sparse.csr_matrix(matrix, dtype=np.float32, copy=True)
        matrix.sum_duplicates()
    if len(matrix.data) and not np.all(matrix.data):
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    return matrix
