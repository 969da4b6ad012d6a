"""What a search of a FAISS index does: counts of FAISS, and arithmetic where an index scores all that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from harness.indexes.base import Work

if TYPE_CHECKING:
    import faiss
    import numpy as np
    from numpy.typing import NDArray


class CodeCost(NamedTuple):
    """Multiply-adds to score: once for a query, and for each document."""

    query: int
    document: int


class Chain(Protocol):
    """A ``std::vector`` of transforms."""

    def size(self) -> int:
        """Transforms."""
        ...

    def at(self, number: int) -> faiss.VectorTransform:
        """One of them."""
        ...


class Statistics(Protocol):
    """The counts of the process, which FAISS' stubs leave out."""

    indexIVF_stats: IvfStats  # noqa: N815 - the name that FAISS gives it
    hnsw_stats: HnswStats


class IvfStats(Protocol):
    """The fields of ``indexIVF_stats`` that are read; `ndis` are the documents of the lists that were visited."""

    ndis: int

    def reset(self) -> None:
        """Set all counts to zero."""
        ...


class HnswStats(Protocol):
    """The fields of ``hnsw_stats`` that are read; `ndis` are the distances computed on all levels of the graph."""

    ndis: int

    def reset(self) -> None:
        """Set all counts to zero."""
        ...


class ProductQuantizer(Protocol):
    """The fields of a product quantiser that are read: parts of a vector, centroids of a part."""

    M: int
    ksub: int


class ProductIndex(Protocol):
    """An index of product codes."""

    pq: ProductQuantizer


@dataclass(frozen=True)
class Counts:
    """What FAISS counted of one call: documents of inverted lists, and distances of graphs."""

    lists: int
    graph: int


def work_of(index: faiss.Index, queries: NDArray[np.float32], k: int) -> Work | None:
    """What one search of these queries does, with one thread.

    Counted are the scores: a multiply-add for each dimension of a float or scalar code; for product codes the query's
    table (centroids of a part x dimensions), then one addition for each part. Added are the distances to the centroids
    of inverted lists, linear transforms of the query, and the candidates that a refinement scores again. Not counted
    are the decoding of codes and the order of the scores.

    Args:
        index: A trained index of inner products.
        queries: float32, queries x dimensions.
        k: Hits of each query.

    Returns:
        None for an index of which FAISS does not count what it scores, or that scores by operations on bits (RaBitQ).
    """
    import faiss

    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        return _transformed(index, queries, k)
    if isinstance(index, faiss.IndexRefine):
        return _refined(index, queries, k)
    if isinstance(index, faiss.IndexIVF):
        return _inverted_file(index, queries, k)
    if isinstance(index, faiss.IndexHNSW):
        cost = _cost(index.storage)
        return None if cost is None else _scored(cost, len(queries), _counted(index, queries, k).graph)
    cost = _cost(index)
    return None if cost is None else _scored(cost, len(queries), len(queries) * int(index.ntotal))


def _transformed(index: faiss.IndexPreTransform, queries: NDArray[np.float32], k: int) -> Work | None:
    """The queries are multiplied with each matrix before the search."""
    import faiss

    products, chain = 0, cast("Chain", index.chain)
    for number in range(chain.size()):
        step = faiss.downcast_VectorTransform(chain.at(number))
        if not isinstance(step, faiss.LinearTransform):
            return None
        products += int(step.d_in) * int(step.d_out)
        queries = step.apply(queries)
    inner = work_of(index.index, queries, k)
    return None if inner is None else inner + Work(len(queries) * products, documents=0)


def _refined(index: faiss.IndexRefine, queries: NDArray[np.float32], k: int) -> Work | None:
    """The first index finds candidates, the second one scores them again."""
    import faiss

    depth = int(k * index.k_factor)
    first, cost = work_of(index.base_index, queries, depth), _cost(index.refine_index)
    if first is None or cost is None:
        return None
    faiss.omp_set_num_threads(1)
    candidates = index.base_index.search(queries, depth)[1]
    return first + _scored(cost, len(queries), int((candidates >= 0).sum()))


def _inverted_file(index: faiss.IndexIVF, queries: NDArray[np.float32], k: int) -> Work | None:
    """Distances to centroids, then the documents of the lists that are visited."""
    import faiss

    quantizer, cost = faiss.downcast_index(index.quantizer), _cost(index)
    graph = isinstance(quantizer, faiss.IndexHNSW)
    coarse = _cost(quantizer.storage if isinstance(quantizer, faiss.IndexHNSW) else quantizer)
    if cost is None or coarse is None or isinstance(quantizer, faiss.IndexIVF):  # lists of lists share one count
        return None
    counts = _counted(index, queries, k)
    centroids = counts.graph if graph else len(queries) * int(index.nlist)
    chosen = _scored(coarse, len(queries), centroids)
    return Work(chosen.multiply_adds, documents=0) + _scored(cost, len(queries), counts.lists)


def _scored(cost: CodeCost, queries: int, documents: int) -> Work:
    return Work(queries * cost.query + documents * cost.document, documents=documents)


def _counted(index: faiss.Index, queries: NDArray[np.float32], k: int) -> Counts:
    """One search with one thread, and the counts of FAISS, which are of the whole process, from zero."""
    import faiss

    statistics = cast("Statistics", faiss.cvar)
    lists, graph = statistics.indexIVF_stats, statistics.hnsw_stats
    faiss.omp_set_num_threads(1)
    lists.reset()
    graph.reset()
    index.search(queries, k)
    return Counts(int(lists.ndis), int(graph.ndis))


def _cost(index: faiss.Index) -> CodeCost | None:
    """By the class itself: a class that inherits from one of these may skip some of the work."""
    import faiss

    index = faiss.downcast_index(index)
    width = int(index.d)
    if type(index) in (
        faiss.IndexFlat, faiss.IndexFlatIP, faiss.IndexScalarQuantizer,
        faiss.IndexIVFFlat, faiss.IndexIVFScalarQuantizer,
    ):  # fmt: skip
        return CodeCost(0, width)
    if type(index) in (faiss.IndexPQ, faiss.IndexIVFPQ, faiss.IndexPQFastScan, faiss.IndexIVFPQFastScan):
        parts = cast("ProductIndex", index).pq
        return CodeCost(int(parts.ksub) * width, int(parts.M))
    return None
