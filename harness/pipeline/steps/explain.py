"""Why a document came first: its text, and for sparse vectors the terms that query and document share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import issparse

from harness.pipeline.steps.passages import encoded_texts, read_passages
from harness.pipeline.steps.prepare import read_some, read_texts
from harness.vectors import load_csr, load_vectors, vectors_info

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from scipy import sparse

    from harness.pipeline.steps.passages import PassageNumbers
    from harness.vectors import Vectors

QUERIES, SHOWN, TERMS = 300, 2, 8
"""Queries explained, documents of each, and terms of each document."""
QUERY_LENGTH, DOCUMENT_LENGTH = 300, 240
RANKS = "ranks.npy"
"""Beside the hits of a fusion: where the first documents of each query stand in the fused runs, queries x documents x
systems (int32), 0 for nowhere."""


def explain(
    out: Path,
    collection: Path,
    vectors: Path | None,
    ids: NDArray[np.int64],
    qrels: Mapping[str, Mapping[str, int]],
    fused: tuple[Sequence[str], NDArray[np.int32]] | None = None,
) -> None:
    """Write ``explain.jsonl``, a row a query, and ``active.npz``: how many vectors have each number of terms.

    A row: query, text, first_relevant (rank, None where no relevant document was returned), top: [{document, text,
    relevance, terms: [[term, product of the two weights], ...]}]. ``active.npz`` holds for sparse vectors
    ``document_terms``, ``document_vectors``, ``query_terms`` and ``query_vectors``: ascending numbers of terms, and how
    many vectors have each.

    The text and the terms are those of the document's best passage where passages are searched.

    Of a fusion a document has ``ranks`` besides, [[system, rank or None], ...], and no terms.

    Args:
        out: Folder to write to.
        collection: Folder of the prepared collection.
        vectors: Folder of the vectors; None for a fusion, which has none.
        ids: Document numbers, queries x depth.
        qrels: {query: {document: relevance}}.
        fused: Names of the fused systems, and the ranks of `RANKS`.
    """
    queries = list(read_texts(collection / "queries.jsonl"))[:QUERIES]
    matched = _Matcher(vectors, None if vectors is None else read_passages(collection))
    places = {
        (row, int(hit)): matched.place(row, int(hit))
        for row, hits in enumerate(ids[: len(queries), :SHOWN])
        for hit in hits
        if hit >= 0
    }
    names, wanted = [name for name, _ in read_texts(collection / "documents.jsonl")], set(places.values())
    source = collection / "documents.jsonl" if vectors is None else encoded_texts(collection)
    shown = {place: _cut(text, DOCUMENT_LENGTH) for place, text in read_some(source, wanted)}
    with (out / "explain.jsonl").open("w", encoding="utf-8", errors="surrogatepass") as file:
        for row, (query, text) in enumerate(queries):
            relevance, hits = qrels.get(query, {}), [int(number) for number in ids[row] if number >= 0]
            ranks = [rank for rank, hit in enumerate(hits, start=1) if relevance.get(names[hit], 0) > 0]
            top = [
                {
                    "document": names[hit],
                    "text": shown[places[row, hit]],
                    "relevance": relevance.get(names[hit], 0),
                    "terms": matched.terms(row, places[row, hit]),
                    **({} if fused is None else {"ranks": _ranks(*fused, row, place)}),
                }
                for place, hit in enumerate(hits[:SHOWN])
            ]
            about = {"query": query, "text": _cut(text, QUERY_LENGTH), "first_relevant": min(ranks, default=None)}
            file.write(json.dumps({**about, "top": top}, ensure_ascii=False) + "\n")
    np.savez_compressed(out / "active.npz", allow_pickle=False, **_active(vectors))


class _Matcher:
    """The terms that a query and a document share, with what each adds to the inner product.

    Args:
        vectors: Folder of the vectors; None for a fusion.
        passages: Which are of which document; None where documents are searched whole.
    """

    def __init__(self, vectors: Path | None, passages: PassageNumbers | None) -> None:
        self.names: dict[int, str] = {}
        self.queries: sparse.csr_matrix | None = None
        self.passages: tuple[PassageNumbers, Vectors, Vectors] | None = None
        if passages is not None and vectors is not None:
            self.passages = passages, load_vectors(vectors / "queries"), load_vectors(vectors / "documents")
        if vectors is not None and (path := vectors / "terms.json").is_file():
            self.names = {int(column): name for column, name in json.loads(path.read_text(encoding="utf-8"))}
            self.queries, self.documents = load_csr(vectors / "queries"), load_csr(vectors / "documents")

    def place(self, query: int, document: int) -> int:
        """The row of a document; that of its passage with the highest product where passages are searched."""
        if self.passages is None:
            return document
        numbers, queries, documents = self.passages
        rows = numbers.of(document)
        product = documents[rows.start : rows.stop] @ queries[query : query + 1].T
        values = product.toarray() if issparse(product) else np.asarray(product)
        return rows.start + int(values.ravel().argmax())

    def terms(self, query: int, document: int) -> list[tuple[str, float]]:
        """The largest first, of a row of the documents' vectors; none for dense vectors."""
        if self.queries is None:
            return []
        ours, our_weights = _row(self.queries, query)
        theirs, their_weights = _row(self.documents, document)
        both, in_ours, in_theirs = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
        products = our_weights[in_ours] * their_weights[in_theirs]
        order = np.argsort(-products, kind="stable")[:TERMS]
        return [(self.names.get(int(both[n]), str(both[n])), round(float(products[n]), 4)) for n in order]


def _row(matrix: sparse.csr_matrix, number: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    begin, end = matrix.indptr[number], matrix.indptr[number + 1]
    return matrix.indices[begin:end], matrix.data[begin:end]


def _ranks(systems: Sequence[str], ranks: NDArray[np.int32], query: int, place: int) -> list[tuple[str, int | None]]:
    """Where each fused system ranks a document; None where it does not."""
    return [(system, int(rank) or None) for system, rank in zip(systems, ranks[query, place], strict=True)]


def _active(vectors: Path | None) -> dict[str, NDArray[np.int64]]:
    active: dict[str, NDArray[np.int64]] = {}
    if vectors is None:
        return active
    for role, folder in (("document", vectors / "documents"), ("query", vectors / "queries")):
        if vectors_info(folder).kind == "sparse":
            values, counts = np.unique(np.diff(load_csr(folder).indptr), return_counts=True)
            active |= {f"{role}_terms": values.astype(np.int64), f"{role}_vectors": counts.astype(np.int64)}
    return active


def _cut(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
