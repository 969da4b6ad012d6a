"""The kernels for bitmaps beside the same weights in lists, and beside float32: one index each, the same queries.

python tests/bench/bench_bitmaps.py [--documents 20000] [--vectors D Q] [-k 10,100]
NUMBA_CPU_NAME=nehalem NUMBA_CPU_FEATURES=+ssse3,+sse4.2,+popcnt python tests/bench/bench_bitmaps.py

Processor time of one thread, in turns pass by pass; medians over all queries and passes. A kernel that the processor
(or the one that NUMBA_CPU_FEATURES describes) has no instructions for is left out.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from scipy import sparse

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]
from synthetic import Corpus  # noqa: E402

from harness.indexes import _kernels, _packing, create  # noqa: E402
from harness.measure.machine.environment import cpu_model, instructions  # noqa: E402

NEVER = 0.5
"""No term is in more than all documents."""
KERNELS = ("bits", "shuffle", "expand")
"""From the fewest instructions to the most: who has those of one has those of the ones before."""


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--documents", type=int, default=20_000)
    asked.add_argument("--queries", type=int, default=100)
    asked.add_argument("--passes", type=int, default=5)
    asked.add_argument("--vectors", nargs=2, metavar=("DOCUMENTS", "QUERIES"), help=".npz files of CSR matrices")
    asked.add_argument("-k", default="10,100")
    given = asked.parse_args()
    if given.vectors:
        documents, queries = (sparse.csr_matrix(sparse.load_npz(path), dtype=np.float32) for path in given.vectors)
        queries = queries[: given.queries]
    else:
        corpus = Corpus()
        documents = sparse.vstack(list(corpus.documents(given.documents)), format="csr")
        queries = corpus.queries(given.queries)
    print(f"{cpu_model()} ({instructions()}); kernel for bitmaps: {_kernels.KERNEL}")
    shape = f"{documents.shape[0]} documents of {documents.nnz / documents.shape[0]:.0f} terms"
    print(f"{shape}, {queries.shape[0]} queries of {queries.nnz / queries.shape[0]:.0f}\n")
    whole = built(documents, weights="u8")
    common, _packing.COMMON = _packing.COMMON, NEVER
    indexes = {"lists": built(documents, weights="u8"), "float32": built(documents, weights="float32")}
    _packing.COMMON = common
    runnable = KERNELS[: KERNELS.index(_kernels.KERNEL) + 1]
    indexes |= dict.fromkeys(runnable, whole)
    searches = {name: _kernels._searcher(8, name) for name in runnable}
    rows = [queries[row] for row in range(queries.shape[0])]
    print(f"| k | {' | '.join(indexes)} | fastest |\n|{'---|' * (len(indexes) + 2)}")
    for k in map(int, given.k.split(",")):
        searchers = {}
        for name, index in indexes.items():
            _kernels.search_segment[8] = searches.get(name, searches[runnable[-1]])
            searchers[name] = index.searcher(k)
        times = {name: [] for name in searchers}
        for number in range(given.passes):
            for name in list(searchers)[:: -1 if number % 2 else 1]:
                for row in [*rows[:10], *rows]:
                    started = time.thread_time()
                    searchers[name](row)
                    times[name].append(time.thread_time() - started)
        medians = {name: np.median(np.reshape(taken, (-1, len(rows) + 10))[:, 10:]) for name, taken in times.items()}
        cells = " | ".join(f"{median * 1e3:.3f}" for median in medians.values())
        print(f"| {k} | {cells} | {min(medians, key=medians.get)} |", flush=True)
    sizes = {name: sum(index.memory().values()) / documents.nnz for name, index in indexes.items()}
    print(f"| bytes/posting | {' | '.join(f'{size:.3f}' for size in sizes.values())} | |")


def built(documents, weights):
    index = create("inverted", weights=weights)
    index.build(documents)
    return index


if __name__ == "__main__":
    main()
