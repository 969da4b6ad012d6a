"""Seismic (package ``pyseismic-lsr``): approximate search over clustered posting lists with summaries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, Self, TypeAlias, cast

import numpy as np
from pydantic import Field

from harness.errors import UserError
from harness.indexes import Hits, IndexBase, Searcher, Supports, register
from harness.indexes._checks import built, check_k
from harness.indexes._peers import PeerSearcher, hits, quietly, require
from harness.indexes._rows import rows_of, tidy_csr
from harness.indexes.files import Header, seal, unseal_header
from harness.spec.params import Params

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.vectors import Vectors

ENGINE, VERSION = "seismic", 2
WHEELS = "CPython 3.11 alone"
CLASSES = {
    "large": ("SeismicDatasetLV", "SeismicIndexLV"),
    "small": ("SeismicDataset", "SeismicIndex"),
    "dotvbyte": ("SeismicDataset", "SeismicIndexDotVByte"),
}
HIGHEST = 255 / 64
"""The highest weight that `dotvbyte` holds, in steps of 1/64; it would store every higher one as that."""
LABELS = {"Forward Index": "forward index", "packed_postings": "document numbers", "block_offsets": "offsets"}
LABELS |= {"summaries": "summaries", "Knn": "graph links"}
Strings: TypeAlias = "NDArray[np.str_]"
"""Names of terms or queries, of the width that Seismic wants."""
Results: TypeAlias = list[tuple[str, float, str]]
"""(query, score, document) of the best documents of a query, in descending order."""


class SeismicIndex(Protocol):
    """The part of Seismic's indexes that is used; all variants have it."""

    def search(
        self,
        query_id: str,
        components: Strings,
        values: NDArray[np.float32],
        *,
        k: int,
        query_cut: int,
        heap_factor: float,
        n_knn: int,
        sorted: bool,
    ) -> Results:
        """The best documents of a query."""
        ...

    def batch_search(
        self,
        query_ids: Strings,
        components: list[Strings],
        values: list[NDArray[np.float32]],
        *,
        k: int,
        query_cut: int,
        heap_factor: float,
        n_knn: int,
        sorted: bool,
        num_threads: int,
    ) -> list[Results]:
        """The best documents of each query, in any order of queries."""
        ...

    def save(self, path: str) -> None:
        """Write a file; an ending is added to its name."""
        ...

    def print_space_usage_byte(self) -> None:
        """Print the bytes of each component on standard output."""
        ...


class SeismicParams(Params):
    """Parameters of Seismic, for building and for searching."""

    variant: Literal["large", "small", "dotvbyte"] = "large"
    """Term numbers of 32 bits, of 16 bits, or of 16 bits with compressed forward index, whose weights have 8 bits."""
    n_postings: int = Field(default=3500, ge=1)
    """Mean postings kept a term."""
    centroid_fraction: float = Field(default=0.1, gt=0, le=1)
    """Clusters a posting."""
    min_cluster_size: int = Field(default=2, ge=1)
    """Smaller clusters are dissolved."""
    summary_energy: float = Field(default=0.4, gt=0, le=1)
    """Share of a cluster's weight that its summary keeps."""
    max_fraction: float = Field(default=1.5, ge=1)
    """Longest list, in multiples of `n_postings`."""
    doc_cut: int = Field(default=15, ge=1)
    """Terms of a document that decide its cluster."""
    nknn: int = Field(default=0, ge=0)
    """Neighbours of each document in the graph; 0 for no graph."""
    query_cut: int = Field(default=10, ge=1)
    """Heaviest query terms whose lists are visited."""
    heap_factor: float = Field(default=0.7, gt=0, le=1)
    """A cluster is skipped when its summary is below the k-th score times this: the lower, the more is searched. The
    smaller the summaries, the lower it must be."""
    build_threads: int = Field(default=1, ge=1)
    """Threads of the build."""


class SeismicHeader(Header):
    """Parameters, terms of the vocabulary, and by how much weights were multiplied; Seismic's own file has the rest."""

    params: SeismicParams
    terms: int
    scale: float


@register("seismic")
class Seismic(IndexBase[SeismicParams]):
    """Approximate; scores of what it finds are those of its weights as stored, in 16 bits or, as `dotvbyte`, in 8."""

    Params: ClassVar[type[Params]] = SeismicParams
    supports: ClassVar[Supports] = Supports("sparse", exact=False, weights=("float16", "u8"))
    libraries: ClassVar[tuple[str, ...]] = ("numba", "numpy", "pyseismic-lsr", "scipy")
    search_params: ClassVar[tuple[str, ...]] = ("query_cut", "heap_factor")

    def __init__(self, params: SeismicParams) -> None:
        self.params = params
        self.terms, self.scale = 0, 1.0
        self.index: SeismicIndex | None = None

    @classmethod
    def codec(cls, params: SeismicParams) -> str:
        """How a weight is stored."""
        return "u8" if params.variant == "dotvbyte" else "float16"

    def build(self, vectors: Vectors | Iterable[Vectors]) -> None:
        """Hand every document to Seismic's dataset, then build over it."""
        seismic = require("seismic", "pyseismic-lsr", ENGINE, wheels=WHEELS)
        rows = tidy_csr(vectors)
        self.terms = int(rows.shape[1])
        if not rows.nnz:  # a query would end Seismic in a panic
            raise UserError("no document has a term", remedy="check the corpus, or search it with another engine")
        if self.params.variant != "large" and len(np.unique(rows.indices)) > 1 << 16:
            raise UserError(
                "the vectors use more than 65,536 terms", key="variant", remedy='set variant = "large" for seismic'
            )
        self.scale = HIGHEST / float(rows.data.max()) if self.params.variant == "dotvbyte" else 1.0
        weights = rows.data * np.float32(self.scale)
        names = np.arange(self.terms).astype(seismic.get_seismic_string())
        classes = CLASSES[self.params.variant]
        dataset = getattr(seismic, classes[0])()
        for number, (begin, end) in enumerate(zip(rows.indptr[:-1], rows.indptr[1:], strict=True)):
            dataset.add_document(str(number), names[rows.indices[begin:end]], weights[begin:end])
        settings = self.params.model_dump(exclude={"variant", "build_threads", *self.search_params})
        build = getattr(seismic, classes[1]).build_from_dataset
        self.index, _ = quietly(
            lambda: cast("SeismicIndex", build(dataset, num_threads=self.params.build_threads, **settings))
        )

    def search(self, queries: Vectors, k: int, *, threads: int = 1) -> Hits:
        """What Seismic finds."""
        index = built(self.index)
        rows = rows_of(queries, self.terms, what="queries").tidy()
        check_k(k)
        string = require("seismic", "pyseismic-lsr", ENGINE, wheels=WHEELS).get_seismic_string()
        parts = [slice(a, b) for a, b in zip(rows.indptr[:-1], rows.indptr[1:], strict=True)]
        components = [rows.indices[part].astype(string) for part in parts]
        values = [rows.data[part] for part in parts]
        cut, factor, graph = self.params.query_cut, self.params.heap_factor, self.params.nknn
        if len(parts) == 1:
            lists = [
                index.search(
                    "0", components[0], values[0], k=k, query_cut=cut, heap_factor=factor, n_knn=graph, sorted=True
                )
            ]
        else:
            numbers = np.arange(len(parts)).astype(string)
            lists = index.batch_search(
                numbers, components, values, k=k, query_cut=cut, heap_factor=factor, n_knn=graph, sorted=True,
                num_threads=threads,
            )  # fmt: skip
        best = [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(parts)
        for result in lists:
            if result:
                best[int(result[0][0])] = _documents(result, self.scale)
        return hits(best, k)

    def searcher(self, k: int, *, threads: int = 1) -> Searcher:
        """Seismic's own call, one thread."""
        check_k(k)
        search = built(self.index).search
        string = require("seismic", "pyseismic-lsr", ENGINE, wheels=WHEELS).get_seismic_string()
        cut, factor, graph = self.params.query_cut, self.params.heap_factor, self.params.nknn

        def prepare(query: Vectors) -> tuple[Strings, NDArray[np.float32]]:
            rows = rows_of(query, self.terms, what="queries").ready()
            return rows.indices.astype(string), rows.data

        def answer(query: tuple[Strings, NDArray[np.float32]]) -> Results:
            return search("0", *query, k=k, query_cut=cut, heap_factor=factor, n_knn=graph, sorted=True)

        def finish(_: object, results: Results) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            return _documents(results, self.scale)

        return PeerSearcher(prepare, answer, finish, k)

    def save(self, directory: Path) -> None:
        """Seismic's own file."""
        index = built(self.index)
        quietly(lambda: index.save(str(directory / "index")))
        seal(directory, ENGINE, VERSION, SeismicHeader(params=self.params, terms=self.terms, scale=self.scale))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read into memory."""
        header = unseal_header(directory, ENGINE, VERSION, SeismicHeader)
        index = cls(header.params)
        index.terms, index.scale = header.terms, header.scale
        kind = getattr(require("seismic", "pyseismic-lsr", ENGINE, wheels=WHEELS), CLASSES[index.params.variant][1])
        index.index = kind.load(str(directory / "index.index.seismic"))
        return index

    def memory(self) -> dict[str, int]:
        """Bytes in memory by Seismic's own account; its file is up to a tenth smaller."""
        _, text = quietly(built(self.index).print_space_usage_byte)
        sizes = {name: int(size) for name, size in re.findall(r"(\w[\w ]*): (\d+) Bytes", text)}
        return {label: sizes[name] for name, label in LABELS.items() if name in sizes}


def _documents(results: Results, scale: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    documents = np.array([int(name) for _, _, name in results], np.int64)
    return documents, np.array([score for _, score, _ in results], np.float32) / np.float32(scale)
