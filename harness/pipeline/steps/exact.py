"""Exact results by brute force over the vectors themselves, and what an index loses against them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from harness.pipeline.steps.per_query import intervals, write_per_query
from harness.pipeline.steps.prepare import read_qrels, read_rules, read_texts
from harness.pipeline.steps.ranking import Ranking
from harness.pipeline.steps.result import StepResult
from harness.vectors import load_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.encoders.base import Progress
    from harness.indexes.base import Hits
    from harness.pipeline.steps.passages import Search
    from harness.vectors import Vectors

BLOCK = 32
"""Queries whose scores with all documents are held at a time."""
CUTS = (10, 100, 1000)


@dataclass(frozen=True)
class ExactSearch(StepResult):
    """Queries that were searched by brute force, and how many results of each were kept."""

    queries: int
    depth: int


@dataclass(frozen=True)
class ExactComparison(StepResult):
    """An index against the exact results.

    Attributes:
        recall: Share of the exact top k that the index returns, by k; mean over the queries that have results.
        ndcg_at_10: nDCG@10 of the exact results.
        queries: How many.
        intervals: Of the means over queries, by the name of the metric.
    """

    recall: dict[str, float]
    ndcg_at_10: float
    queries: int
    intervals: dict[str, tuple[float, float]]


def truth(*, out: str, vectors: str, collection: str, depth: int, report: Progress) -> ExactSearch:
    """Write ``ids.npy`` and ``scores.npy``, queries x depth: the exact top of the float32 vectors; see `Hits`.

    The rules of the collection are those of every engine. A document without a term in common with the query is no
    result of sparse vectors, unless it is a candidate.
    """
    documents, queries = (load_vectors(Path(vectors) / side) for side in ("documents", "queries"))
    ranking = Ranking(Path(collection), depth)
    if ranking.candidates is not None:
        ids, scores = ranking.of_candidates(queries, documents)
    else:
        ids, scores = ranking.of_search(_brute_force(documents, queries, report), queries.shape[0], exact=True)
    np.save(Path(out) / "ids.npy", ids)
    np.save(Path(out) / "scores.npy", scores)
    return ExactSearch(int(queries.shape[0]), depth)


def _brute_force(documents: Vectors, queries: Vectors, report: Progress) -> Search:
    """A search of all documents, some queries at a time."""
    is_sparse = sparse.issparse(documents)
    turned = documents.T.tocsr() if sparse.issparse(documents) else documents.T

    def search(rows: NDArray[np.int64], k: int) -> Hits:
        ids = np.full((len(rows), k), -1, np.int64)
        scores = np.full((len(rows), k), -np.inf, np.float32)
        for begin in range(0, len(rows), BLOCK):
            block = rows[begin : begin + BLOCK]
            product = queries[block] @ turned
            scored = product.toarray() if sparse.issparse(product) else np.asarray(product)
            for row, values in enumerate(scored, start=begin):
                best = _top(values, k)
                best = best[values[best] > 0] if is_sparse else best
                ids[row, : len(best)], scores[row, : len(best)] = best, values[best]
            report(min(begin + BLOCK, len(rows)), len(rows), "exact search")
        return ids, scores

    return search


def compare(
    *,
    out: str,
    truth: str,
    hits: str,
    collection: str,
    confidence: float,
    report: Progress,
    timed: str | None = None,
) -> ExactComparison:
    """Recall of an index against the exact results, and the quality that these have; write ``per_query.json``.

    Args:
        out: Folder to write to.
        truth: Folder of the exact results.
        hits: Folder of the results of the index.
        collection: Folder of the prepared collection.
        confidence: Of the intervals.
        report: Called with progress.
        timed: Folder of its results with the timed k, which recall up to k rests on; None where they are the first of
            `hits`.
    """
    from harness.measure.quality import evaluate, read_trec, write_trec

    exact, got = np.load(Path(truth) / "ids.npy"), np.load(Path(hits) / "ids.npy")
    short = got if timed is None else np.load(Path(timed) / "ids.npy")
    texts, path = Path(collection), Path(out) / "exact.trec.gz"
    documents = [name for name, _ in read_texts(texts / "documents.jsonl")]
    queries = [name for name, _ in read_texts(texts / "queries.jsonl")]
    write_trec(path, queries, documents, exact, np.load(Path(truth) / "scores.npy"), "exact")
    rules = read_rules(texts)
    ndcg = evaluate(read_qrels(texts / "qrels.tsv"), read_trec(path), ["ndcg@10"], rules.without_relevant)["ndcg@10"]
    shares = {
        k: {
            queries[row]: share
            for row, share in recalls((short if k <= short.shape[1] else got)[:, :k], exact[:, :k]).items()
        }
        for k in CUTS
        if k <= min(exact.shape[1], max(got.shape[1], short.shape[1]))
    }
    by_query = {f"recall_vs_exact@{k}": values for k, values in shares.items()} | {"ndcg_exact@10": ndcg}
    write_per_query(Path(out), by_query)
    report(1, 1, "compared")
    return ExactComparison(
        {str(k): float(np.mean(list(values.values()))) if values else 1.0 for k, values in shares.items()},
        float(np.mean(list(ndcg.values()))),
        int(exact.shape[0]),
        intervals({name: list(values.values()) for name, values in by_query.items() if values}, confidence),
    )


def recalls(hits: NDArray[np.int64], exact: NDArray[np.int64]) -> dict[int, float]:
    """Share of the exact results that are among the hits, by row; queries without exact results are left out.

    Args:
        hits: Numbers of documents, queries x k, -1 for none.
        exact: The same of the exact search.
    """
    shares = {}
    for row, (got, wanted) in enumerate(zip(hits, exact, strict=True)):
        there = wanted[wanted >= 0]
        if len(there):
            shares[row] = float(np.isin(there, got).mean())
    return shares


def _top(values: NDArray[np.float32], depth: int) -> NDArray[np.intp]:
    """Places of the highest values, descending, ties ascending."""
    if len(values) > depth:
        bound = np.partition(values, len(values) - depth)[len(values) - depth]
        places = np.flatnonzero(values >= bound)
    else:
        places = np.arange(len(values))
    return places[np.lexsort((places, -values[places]))][:depth]
