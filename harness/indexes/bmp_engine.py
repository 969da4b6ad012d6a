"""BMP, block-max pruning (package ``bmp``), with 8-bit impacts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeAlias

import numpy as np
from pydantic import Field

from harness.errors import UserError
from harness.indexes import Hits, IndexBase, Searcher, Supports, register
from harness.indexes._checks import built, check_k
from harness.indexes._peers import PeerSearcher, hits, require
from harness.indexes._rows import rows_of, tidy_csr
from harness.indexes.files import Header, map_array, save_array, seal, unseal_header
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.vectors import Vectors

ENGINE, VERSION = "bmp", 1
TOP = 32
"""BMP multiplies a query so that its highest weight is 32, and rounds up to whole numbers."""
TOP_SCORE = 65534
"""BMP adds scores in 16 bits and starts again from 0 past them; 1 is kept for the last block."""
LAST = "last"
"""BMP 0.2.8 never scores the block with the lowest bound above 0. This term is in one document of a block of its own,
and in every query with weight 1, so that the block that is left out is that one."""
TERMS = 1 << 16
"""BMP numbers terms in 16 bits; with more, terms are taken for one another."""


Query: TypeAlias = tuple[dict[str, float], float]
"""Whole numbers by term, and what a score of 1 is worth."""
Answer: TypeAlias = tuple[list[str], list[float]]
"""Names and scores of the best documents."""


class BmpSearcher(Protocol):
    """``bmp.Searcher``: an open index."""

    def search(self, query: dict[str, float], *, k: int, alpha: float, beta: float) -> Answer:
        """Names and scores of the best documents."""
        ...


class BmpParams(Params):
    """Parameters of BMP."""

    block_size: int = Field(default=16, ge=1, le=256)
    """Documents in a block."""
    compress_range: bool = False
    """Keep only the blocks' maxima that are not 0."""
    alpha: float = Field(default=1.0, gt=0, le=1)
    """Below 1 the search ends before the bound is reached."""
    beta: float = Field(default=1.0, gt=0, le=1)
    """Share of a query's terms that are kept, heaviest first."""


class BmpHeader(Header):
    """Parameters, documents and terms, and what an impact of 1 is worth."""

    params: BmpParams
    shape: tuple[int, int]
    scale: float


@register("bmp")
class Bmp(IndexBase[BmpParams]):
    """Block-max pruning; impacts in 8 bits with one scale, query weights in whole numbers up to 32.

    With alpha = beta = 1 the scores are those of the best documents for the rounded query, exactly. Which of the
    documents that share the last place are returned is BMP's choice. A query whose bound passes 16 bits is rounded to
    fewer levels, so that no score can wrap around. In 0.2.8, of 80 queries with more than 100 terms over 400
    documents, 2 lacked one of their best ten; of those with fewer terms, none did.
    """

    Params: ClassVar[type[Params]] = BmpParams
    supports: ClassVar[Supports] = Supports("sparse", exact=False, weights=("u8",))
    libraries: ClassVar[tuple[str, ...]] = ("bmp", "numba", "numpy", "scipy")
    search_params: ClassVar[tuple[str, ...]] = ("alpha", "beta")

    def __init__(self, params: BmpParams) -> None:
        self.params = params
        self.documents = self.terms = 0
        self.scale = 1.0
        self.highest: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.file: bytes | Path = b""
        self.opened: BmpSearcher | None = None

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Hand every document to BMP's indexer; BMP writes a file and reads it back."""
        import tempfile
        from pathlib import Path

        bmp = require("bmp", "bmp", ENGINE)
        rows = tidy_csr(vectors)
        self.documents, self.terms = (int(n) for n in rows.shape)
        used = len(np.unique(rows.indices))
        if used > TERMS:
            raise UserError(
                f"the vectors use {used} terms; bmp confuses terms beyond {TERMS}",
                remedy="use inverted or seismic for vocabularies this wide",
            )
        self.scale = float(rows.data.max(initial=0)) / 255 or 1.0
        impacts = np.clip(np.rint(rows.data / np.float32(self.scale)), 1, 255).astype(np.uint8)
        self.highest = np.zeros(self.terms, np.uint8)
        np.maximum.at(self.highest, rows.indices, impacts)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "index.bmp"
            indexer = bmp.Indexer(str(path), bsize=self.params.block_size, compress_range=self.params.compress_range)
            for number, (begin, end) in enumerate(zip(rows.indptr[:-1], rows.indptr[1:], strict=True)):
                names = map(str, rows.indices[begin:end].tolist())
                indexer.add_document(str(number), dict(zip(names, impacts[begin:end].tolist(), strict=True)))
            filled = -(-rows.shape[0] // self.params.block_size) * self.params.block_size
            for number in range(rows.shape[0], filled):
                indexer.add_document(str(number), {})
            indexer.add_document(str(filled), {LAST: 1})
            indexer.finish()
            self.file = path.read_bytes()
            self.opened = bmp.Searcher(str(path))

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """BMP's top k; queries are spread over threads (BMP itself uses one)."""
        rows = rows_of(queries, self.terms, what="queries").tidy()
        answer = self._answer(k)

        def search_one(row: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            part = slice(rows.indptr[row], rows.indptr[row + 1])
            query = self.rounded(rows.indices[part], rows.data[part])
            return self._documents(query, answer(query))

        numbers = range(len(rows))
        if threads <= 1 or len(rows) <= 1:
            return hits([search_one(row) for row in numbers], k)
        with ThreadPoolExecutor(threads) as pool:
            return hits(list(pool.map(search_one, numbers)), k)

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """BMP's own call, one thread; it takes the query as a dictionary, which is made for it."""

        def prepare(query: Vectors) -> Query:
            rows = rows_of(query, self.terms, what="queries").ready()
            return self.rounded(rows.indices, rows.data)

        return PeerSearcher(prepare, self._answer(k), self._documents, k)

    def _answer(self, k: int) -> Callable[[Query], Answer]:
        check_k(k)
        search, alpha = built(self.opened).search, self.params.alpha
        # A term that is in no document fixes the factor that BMP applies at 1.
        always = {"": float(TOP), LAST: 1.0}
        return lambda query: search({**query[0], **always}, k=k, alpha=alpha, beta=1.0) if query[0] else ([], [])

    def _documents(self, query: Query, answer: Answer) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        documents = np.fromiter(map(int, answer[0]), np.int64, len(answer[0]))
        values = np.array(answer[1], np.float32) * np.float32(query[1])
        real = (values > 0) & (documents < self.documents)
        return documents[real], values[real]

    def rounded(self, columns: NDArray[np.int32], weights: NDArray[np.float32]) -> Query:
        """The query as BMP gets it, whole numbers by term, and what a score of 1 is worth."""
        known = self.highest[columns] > 0
        columns, weights = columns[known], weights[known]
        heaviest = np.argsort(-weights, kind="stable")[: int(np.ceil(self.params.beta * len(weights)))]
        columns, weights = columns[heaviest], weights[heaviest]
        if not len(weights):
            return {}, 0.0
        levels = TOP
        while levels > 1:
            whole = np.rint(weights / weights.max() * levels)
            if float(whole @ self.highest[columns].astype(np.float64)) <= TOP_SCORE:
                break
            levels -= 1
        whole = np.rint(weights / weights.max() * levels)
        query = {str(term): float(value) for term, value in zip(columns, whole, strict=True) if value > 0}
        return query, float(weights.max()) / levels * self.scale

    def save(self, directory: Path) -> None:
        """BMP's own file, and the highest impact of each term."""
        (directory / "index.bmp").write_bytes(self.file if isinstance(self.file, bytes) else self.file.read_bytes())
        save_array(directory, "highest", self.highest)
        header = BmpHeader(params=self.params, shape=(self.documents, self.terms), scale=self.scale)
        seal(directory, ENGINE, VERSION, header)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """BMP reads its file into memory; it is not kept a second time."""
        header = unseal_header(directory, ENGINE, VERSION, BmpHeader)
        index = cls(header.params)
        (index.documents, index.terms), index.scale = header.shape, header.scale
        index.highest = map_array(directory, "highest", np.uint8)
        index.file = directory / "index.bmp"
        index.opened = require("bmp", "bmp", ENGINE).Searcher(str(index.file))
        return index

    def memory(self) -> dict[str, int]:
        """Bytes of BMP's file, which it does not take apart (maxima of blocks, forward index, names), and of maxima."""
        size = len(self.file) if isinstance(self.file, bytes) else self.file.stat().st_size
        return {"block maxima and forward index": size, "highest impacts": self.highest.nbytes}
