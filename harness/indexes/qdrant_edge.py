"""Qdrant Edge (package ``qdrant-edge-py``): the exact inverted index of the Qdrant server, in this process."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, Self

import numpy as np
from pydantic import Field

from harness.indexes import Hits, IndexBase, Searcher, Supports, register
from harness.indexes._checks import built, check_k
from harness.indexes._packed_folder import PackedFile, bytes_by_file, pack_folder, unpack_folder
from harness.indexes._peers import PeerSearcher, hits, require
from harness.indexes._rows import blocks_of, rows_of
from harness.indexes.files import Header, seal, unseal_header
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from harness.vectors import Vectors

ENGINE, VERSION = "qdrant-edge", 1
NAME = "terms"
"""The only vector of each point."""
DATATYPES = {"float32": "Float32", "u8": "Uint8"}
SEARCH_INDEX = "inverted_index.dat"
"""The file that holds the posting lists; it is read into memory. The others store the vectors and the points."""


class Found(Protocol):
    """A document that Qdrant found."""

    id: int
    score: float


class Shard(Protocol):
    """The part of ``qdrant_edge.EdgeShard`` that is used."""

    def update(self, operation: object) -> None:
        """Add points."""
        ...

    def optimize(self) -> bool:
        """Merge and index segments until there is nothing to do."""
        ...

    def flush(self) -> None:
        """Write what is in memory alone."""
        ...

    def search(self, search: object) -> Sequence[Found]:
        """The best points."""
        ...


class QdrantEdgeParams(Params):
    """Parameters of Qdrant Edge."""

    weights: Literal["float32", "u8"] = Field(default="float32")
    """How a weight is stored in posting lists: as it is, or in 8 bits between its term's lowest and highest."""


class QdrantEdgeHeader(Header):
    """Parameters, terms of the vocabulary, and the files of the shard."""

    params: QdrantEdgeParams
    terms: int
    files: list[PackedFile]


@register("qdrant-edge")
class QdrantEdge(IndexBase[QdrantEdgeParams]):
    """Exact for the weights as stored, in one segment, searched by one thread of Qdrant's own.

    Qdrant chooses among documents that share the last place. The adapter therefore asks for more while the last score
    equals the k-th, and sorts equal scores by document number. Qdrant makes no index of vectors that take less than
    1 KiB; it then searches the weights as given.
    """

    Params: ClassVar[type[Params]] = QdrantEdgeParams
    supports: ClassVar[Supports] = Supports("sparse", exact=True, weights=("float32", "u8"), threads=False)
    libraries: ClassVar[tuple[str, ...]] = ("numba", "numpy", "qdrant-edge-py", "scipy")

    def __init__(self, params: QdrantEdgeParams) -> None:
        self.params = params
        self.documents = self.terms = 0
        self.folder: TemporaryDirectory[str] | None = None
        self.shard: Shard | None = None

    @classmethod
    def codec(cls, params: QdrantEdgeParams) -> str:
        """How a weight is stored in posting lists."""
        return params.weights

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Add the documents block by block, then let Qdrant make one segment with an index."""
        edge, folder = self._library(), TemporaryDirectory(prefix="qdrant-edge-")
        shard: Shard = edge.EdgeShard.create(folder.name, self._config(edge))
        first = 0
        for block in blocks_of(vectors):
            rows, terms = block.tidy(), block.width
            points = []
            for number, (begin, end) in enumerate(zip(rows.indptr[:-1], rows.indptr[1:], strict=True), first):
                vector = edge.SparseVector(rows.indices[begin:end].tolist(), rows.data[begin:end].tolist())
                points.append(edge.Point(number, {NAME: vector}, None))
            if points:
                shard.update(edge.UpdateOperation.upsert_points(points))
            first += len(block)
        shard.optimize()
        shard.flush()
        self.documents, self.terms, self.folder, self.shard = first, terms, folder, shard

    def _library(self) -> ModuleType:
        return require("qdrant_edge", "qdrant-edge-py", ENGINE)

    def _config(self, edge: ModuleType) -> object:
        """One segment, no log of writes (an index is built once), one thread."""
        datatype = getattr(edge.VectorStorageDatatype, DATATYPES[self.params.weights])
        return edge.EdgeConfig(
            sparse_vectors={NAME: edge.EdgeSparseVectorParams(datatype=datatype)},
            optimizers=edge.EdgeOptimizersConfig(
                default_segment_number=1, max_segment_size=1 << 40, indexing_threshold=1
            ),
            max_search_threads=1,
            wal_enabled=False,
        )

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """The exact top k, one query after another."""
        searcher = self.searcher(k)
        rows = rows_of(queries, self.terms, what="queries").tidy().csr()
        each = [searcher(rows[row]) for row in range(rows.shape[0])]
        if not each:
            return hits([], k)
        return np.concatenate([ids for ids, _ in each]), np.concatenate([scores for _, scores in each])

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """Qdrant's own call; it takes the query as lists, which are made for it."""
        check_k(k)
        edge, shard, documents = self._library(), built(self.shard), self.documents
        request, query, sparse = edge.SearchRequest, edge.Query.Nearest, edge.SparseVector

        def prepare(vectors: Vectors) -> object:
            rows = rows_of(vectors, self.terms, what="queries").ready()
            return query(sparse(rows.indices.tolist(), rows.data.tolist()), using=NAME) if len(rows.data) else None

        def answer(prepared: object) -> Sequence[Found]:
            limit = k + 1
            points: Sequence[Found] = shard.search(request(query=prepared, limit=limit)) if prepared is not None else []
            while len(points) == limit < documents and points[-1].score == points[k - 1].score:
                limit *= 2
                points = shard.search(request(query=prepared, limit=limit))
            return points

        def finish(_: object, points: Sequence[Found]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            numbers = np.fromiter((point.id for point in points), np.int64, len(points))
            return numbers, np.fromiter((point.score for point in points), np.float32, len(points))

        return PeerSearcher(prepare, answer, finish, k)

    def save(self, directory: Path) -> None:
        """Qdrant's own files as one file."""
        built(self.shard).flush()
        files = pack_folder(self._path(), directory / "shard.bin")
        seal(directory, ENGINE, VERSION, QdrantEdgeHeader(params=self.params, terms=self.terms, files=files))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Qdrant writes into the folder that it opens, so it opens a copy."""
        header = unseal_header(directory, ENGINE, VERSION, QdrantEdgeHeader)
        index = cls(header.params)
        edge, folder = index._library(), TemporaryDirectory(prefix="qdrant-edge-")
        unpack_folder(directory / "shard.bin", header.files, Path(folder.name))
        shard = edge.EdgeShard.load(folder.name, index._config(edge))
        index.documents, index.terms = int(shard.info().points_count), header.terms
        index.folder, index.shard = folder, shard
        return index

    def memory(self) -> dict[str, int]:
        """Bytes of posting lists, and of stored vectors and points; blocks of 4 KiB of zeros are not counted."""
        built(self.shard).flush()
        sizes = bytes_by_file(self._path())
        lists = sum(size for name, size in sizes.items() if Path(name).name == SEARCH_INDEX)
        return {"inverted index": lists, "storage": sum(sizes.values()) - lists}

    def _path(self) -> Path:
        return Path(built(self.folder).name)
