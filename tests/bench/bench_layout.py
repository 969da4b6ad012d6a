"""What led to the layout of the inverted index: where bitmaps pay, and what bounds of blocks would let a search skip.

python tests/bench/bench_layout.py [--documents 20000] [--vectors D Q]

Bitmaps: from which share of the documents on a term has one. Every query goes to every index in turn, several times;
the median over queries of the least processor time of one thread. Bounds: of a block of documents, the sum over a
query's terms of weight x highest weight in the block, which block-max pruning compares with the k-th best score. What
is printed is the share of blocks that reach it, given the final k-th score from the beginning, which no search has.
Both for documents as they come and for those of each segment ordered by recursive graph bisection, with the bits of a
document number: the entropy if all orders are as likely, the mean logarithm of distances, which says how much an order
could save, and the best single width of a term with its escapes.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from scipy import sparse

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]
from bisection import order_of  # noqa: E402
from synthetic import Corpus  # noqa: E402

from harness.indexes import _packing, create  # noqa: E402
from harness.indexes._bitmaps import KERNEL  # noqa: E402
from harness.indexes.inverted import SEGMENT  # noqa: E402
from harness.measure.machine.environment import cpu_model, instructions  # noqa: E402
from harness.stats.entropy import subset_bits  # noqa: E402

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
    print(f"{cpu_model()} ({instructions()}); kernel for bitmaps: {KERNEL}\n")
    bits = subset_bits(np.bincount(documents.indices, minlength=documents.shape[1]), documents.shape[0])
    least_bytes = bits / 8 / documents.nnz + 1
    print(f"at least {least_bytes:.3f} bytes/posting: {bits / documents.nnz:.2f} bits a document number, 8 an impact\n")
    parts = create("inverted")
    parts.build(documents)
    sizes = {name: size / documents.nnz for name, size in parts.memory().items()}
    print("bytes/posting: " + ", ".join(f"{name} {size:.3f}" for name, size in sizes.items()) + "\n")
    print("| bitmap from 1 document in | bytes/posting | over the least | ms a query |\n|---|---|---|---|")
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
        print(f"| {label} | {size:.3f} | {size / least_bytes:.3f} | {np.median(least[common]) * 1e3:.3f} |")
    parts = [documents[begin : begin + SEGMENT] for begin in range(0, documents.shape[0], SEGMENT)]
    ordered = sparse.vstack([part[order_of(part)] for part in parts], format="csr")
    heads = "bits by entropy | logarithm | one width a term | blocks of 64 | 16 | 8"
    print(f"\n| documents | {heads} |\n|---|---|---|---|---|---|---|")
    for name, matrix in (("as given", documents), ("bisection", ordered)):
        figures = [f"{figure:.2f}" for figure in (bits / documents.nnz, *bits_of(matrix))]
        shares = [f"{share:.3f}" for share in shares_of(matrix, rows[:20], given.k)]
        print(f"| {name} | {' | '.join(figures + shares)} |", flush=True)


def bits_of(documents):
    """Of a document number: mean log2 of distances in the lists, and bits of distances in each term's best width."""
    logarithms = narrowest = 0.0
    for begin in range(0, documents.shape[0], SEGMENT):
        columns = documents[begin : begin + SEGMENT].tocsc()
        columns.sort_indices()
        columns = columns[:, np.flatnonzero(np.diff(columns.indptr))]
        numbers, firsts = columns.indices.astype(np.int64), columns.indptr[:-1]
        gaps = np.diff(numbers, prepend=0)
        gaps[firsts] = numbers[firsts] + 1
        logarithms += np.log2(gaps).sum()
        entries = [np.add.reduceat(1 + ((gaps - 1) >> width), firsts) * (width + 8) for width in range(1, 17)]
        narrowest += np.min(entries, axis=0).sum() - 8 * len(gaps)
    return logarithms / documents.nnz, narrowest / documents.nnz


def shares_of(documents, rows, k):
    """Of blocks of 64, 16 and 8 documents those whose bound reaches the k-th score, mean over queries."""
    columns = documents.tocsc()
    for block in (64, 16, 8):
        shares = []
        for row in rows:
            dense = columns[:, row.indices].toarray()
            scores = dense @ row.data
            threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
            dense = np.pad(dense, ((0, -len(dense) % block), (0, 0)))
            bounds = dense.reshape(-1, block, dense.shape[1]).max(axis=1) @ row.data
            shares.append(float((bounds >= threshold).mean()))
        yield np.mean(shares)


if __name__ == "__main__":
    main()
