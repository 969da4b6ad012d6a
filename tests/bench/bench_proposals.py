"""How many candidates a recall needs, by which postings are heavy and how many terms of a query propose.

    python tests/bench/bench_proposals.py [--documents 100000] [--queries 200] [--vectors DOCUMENTS QUERIES]

A row is one choice of heavy postings: the `share` of all with the highest weight x rarity ** power, where a term's
rarity is log(1 + documents / documents with it). "of each" takes the share of each document's own postings, by weight.
`bits` 4 rounds weights to 15 steps of the term's highest. `read` is the heavy postings of the query's `terms` heaviest
terms, of all postings of the query's terms. Then come the candidates by their sums that hold so much of the true top
10 of all queries together. `time` is an estimate for a recall of 0.99, of an exact search: 1.05 ns a posting and 180 ns
a candidate.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy import sparse

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]
from bench_indexes import opened  # noqa: E402
from synthetic import Topical  # noqa: E402

RECALLS = (0.95, 0.98, 0.99, 0.995)
POSTING, CANDIDATE = 1.05, 180.0
"""Nanoseconds."""
POWERS, SHARES, TERMS = (0.0, 0.25, 0.5, 0.75), (0.2, 0.25, 0.3, 0.35), (20, 30, 1000)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--documents", type=int, default=100_000)
    asked.add_argument("--queries", type=int, default=200)
    asked.add_argument("--vectors", nargs=2, metavar=("DOCUMENTS", "QUERIES"), type=Path)
    given = asked.parse_args()
    if given.vectors:
        documents, queries = (sparse.csr_matrix(opened(path)) for path in given.vectors)
        documents, queries = documents[: given.documents], queries[: given.queries]
    else:
        corpus = Topical(terms=30_522, per_document=135, per_query=42, topics=16)
        documents = sparse.vstack(list(corpus.documents(given.documents)), format="csr")
        queries = corpus.queries(given.queries)
    count = documents.shape[0]
    shape = f"{count} documents of {documents.nnz / count:.0f} terms"
    print(f"{shape}, {queries.shape[0]} queries of {queries.nnz / queries.shape[0]:.0f}\n")
    best = np.argsort(-products(documents, queries), axis=1, kind="stable")[:, :10]
    everything = read_by(documents, queries)
    frequencies = np.bincount(documents.indices, minlength=documents.shape[1])
    rarities = np.log1p(count / np.maximum(frequencies, 1))[documents.indices]
    asking = {most: heaviest_terms(queries, most) for most in TERMS}
    print("| heavy | share | bits | terms | read | " + " | ".join(map(str, RECALLS)) + " | time |")
    print("|---" * (6 + len(RECALLS)) + "|")
    for share in SHARES:
        for power in ("of each", *POWERS):
            chosen = (
                of_each(documents, share) if power == "of each" else of_all(documents.data * rarities**power, share)
            )
            for bits in (32, 4) if power == 0.5 else (32,):
                heavy = kept(documents, chosen) if bits == 32 else rounded(kept(documents, chosen))
                for most, its in asking.items():
                    read, places = read_by(heavy, its), needed(products(heavy, its), best)
                    time = (read * POSTING + places[2] * CANDIDATE) / everything / POSTING
                    cells = [power, share, bits, most, f"{read / everything:.3f}", *places, f"{time:.2f}"]
                    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def products(documents, queries):
    """Queries x documents, dense."""
    return (queries @ documents.T.tocsr()).toarray()


def read_by(documents, queries):
    """Postings of a query's terms, mean."""
    frequencies = np.bincount(documents.indices, minlength=documents.shape[1])
    return frequencies[queries.indices].sum() / queries.shape[0]


def heaviest_terms(queries, most):
    """Queries with so many of their heaviest terms."""
    return kept(queries, ranks_in_rows(queries) < most)


def of_each(documents, share):
    """Whether a posting is among the heaviest of its document."""
    lengths = np.diff(documents.indptr)
    return ranks_in_rows(documents) < np.repeat(np.ceil(share * lengths), lengths)


def of_all(values, share):
    """Whether a posting is among those with the highest values."""
    return values >= np.quantile(values, 1 - share)


def ranks_in_rows(matrix):
    """The place of each entry in its row by descending weight, from 0."""
    lengths = np.diff(matrix.indptr)
    order = np.lexsort((-matrix.data, np.repeat(np.arange(matrix.shape[0]), lengths)))
    ranks = np.empty(matrix.nnz, np.int64)
    ranks[order] = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths)
    return ranks


def kept(matrix, chosen):
    """The matrix with these entries alone."""
    ends = np.append(0, np.cumsum(chosen))[matrix.indptr]
    return sparse.csr_matrix((matrix.data[chosen], matrix.indices[chosen], ends), matrix.shape)


def rounded(heavy):
    """Weights in 15 steps of each term's highest."""
    highest = np.zeros(heavy.shape[1], np.float32)
    np.maximum.at(highest, heavy.indices, heavy.data)
    scales = np.maximum(highest / 15, np.finfo(np.float32).tiny)[heavy.indices]
    heavy.data = np.clip(np.rint(heavy.data / scales), 1, 15) * scales
    return heavy


def needed(sums, best):
    """Candidates of each query that hold so much of the true best of all queries, as of `RECALLS`."""
    places = [
        np.searchsorted(np.sort(-row), -row[wanted], side="right") for row, wanted in zip(sums, best, strict=True)
    ]
    ordered = np.sort(np.concatenate(places))
    return [int(ordered[int(np.ceil(recall * len(ordered))) - 1]) for recall in RECALLS]


if __name__ == "__main__":
    main()
