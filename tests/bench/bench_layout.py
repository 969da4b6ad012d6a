"""What led to the layout of the inverted index: where bitmaps pay, and what bounds of blocks would let a search skip.

python tests/bench/bench_layout.py [--documents 20000] [--vectors D Q]

Bitmaps: from which share of the documents on a term has one. Every query goes to every index in turn, several times;
the median over queries of the least processor time of one thread. Bounds: of a block of documents, the sum over a
query's terms of weight x highest weight in the block, which block-max pruning compares with the k-th best score. What
is printed is the share of blocks that reach it, given the final k-th score from the beginning, which no search has.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from scipy import sparse

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]
from synthetic import Corpus  # noqa: E402

from harness.indexes import _packing, create  # noqa: E402

NEVER = 0.5
"""No term is in more than all documents."""


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--documents", type=int, default=20_000)
    asked.add_argument("--queries", type=int, default=60)
    asked.add_argument("--repeats", type=int, default=10)
    asked.add_argument("--vectors", nargs=2, metavar=("DOCUMENTS", "QUERIES"), help=".npz files of CSR matrices")
    asked.add_argument("-k", type=int, default=100)
    given = asked.parse_args()
    if given.vectors:
        documents, queries = (sparse.csr_matrix(sparse.load_npz(path), dtype=np.float32) for path in given.vectors)
        queries = queries[: given.queries]
    else:
        corpus = Corpus(per_document=256)
        documents = sparse.vstack(list(corpus.documents(given.documents)), format="csr")
        queries = corpus.queries(given.queries)
    rows = [queries[row] for row in range(queries.shape[0])]
    print("| bitmap from 1 document in | bytes/posting | ms a query |\n|---|---|---|")
    indexes = {}
    for common in (NEVER, 3, 4, 6, 8, 12, 16):
        _packing.COMMON = common
        indexes[common] = create("inverted")
        indexes[common].build(documents)
    least = {common: np.full(len(rows), np.inf) for common in indexes}
    for _ in range(given.repeats):
        for number, row in enumerate(rows):
            for common, index in indexes.items():
                started = time.thread_time()
                index.search(row, given.k)
                least[common][number] = min(least[common][number], time.thread_time() - started)
    for common, index in indexes.items():
        size = sum(index.memory().values()) / documents.nnz
        label = "none" if common == NEVER else common
        print(f"| {label} | {size:.3f} | {np.median(least[common]) * 1e3:.3f} |")
    columns = documents.tocsc()
    print("\n| block | blocks whose bound reaches the k-th score |\n|---|---|")
    for block in (64, 16, 8):
        shares = []
        for row in rows[:20]:
            dense = columns[:, row.indices].toarray()
            scores = dense @ row.data
            threshold = np.partition(scores, len(scores) - given.k)[len(scores) - given.k]
            dense = np.pad(dense, ((0, -len(dense) % block), (0, 0)))
            bounds = dense.reshape(-1, block, dense.shape[1]).max(axis=1) @ row.data
            shares.append(float((bounds >= threshold).mean()))
        print(f"| {block} | {np.mean(shares):.3f} |")


if __name__ == "__main__":
    main()
