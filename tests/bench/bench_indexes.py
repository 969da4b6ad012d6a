"""Our inverted index against other sparse engines: bytes a posting, build, latency, recall, in one run.

python tests/bench/bench_indexes.py [--documents 20000] [--terms 227] [--engines inverted,scipy,bmp] [--vectors D Q]
python tests/bench/bench_indexes.py --growth 10000,100000,1000000 --terms 256

Engines take turns pass by pass, each with all queries: disturbances fall on all alike, and each has the caches of
a server that serves nothing else. `--evict` sweeps the caches before every query instead. Latency is the time of one
query on one thread; `--clock cpu` counts the processor time of this process, for machines that others work on too.
Recall is against exact float32 scores: those of scipy where it is among the engines. `--vectors` takes documents and
queries instead of the generator, as .npz files of scipy CSR matrices or as folders of stored vectors. `--growth` builds
the first engine over ever more documents, and fits latency and memory to a power of their number.
"""

import argparse
import gc
import sys
import time
from pathlib import Path

import numpy as np
from scipy import sparse

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]
from synthetic import Corpus  # noqa: E402

from harness.indexes import create  # noqa: E402
from harness.indexes._bitmaps import KERNEL  # noqa: E402
from harness.indexes._packing import unpack  # noqa: E402
from harness.indexes.inverted import SEGMENT  # noqa: E402
from harness.measure.machine.environment import cpu_model, instructions  # noqa: E402
from harness.measure.memory import peak, reset_peak, resident  # noqa: E402
from harness.vectors import load_vectors  # noqa: E402

ENGINES = {
    "inverted": ("inverted", {}),
    "inverted-u4": ("inverted", {"weights": "u4"}),
    "inverted-u16": ("inverted", {"weights": "u16"}),
    "inverted-float32": ("inverted", {"weights": "float32"}),
    "scipy": ("scipy", {}),
    "bmp": ("bmp", {"block_size": 16}),
    "seismic": ("seismic", {"query_cut": 64, "heap_factor": 0.9}),
    "seismic-default": ("seismic", {}),
    "qdrant-edge": ("qdrant-edge", {}),
    "qdrant-edge-u8": ("qdrant-edge", {"weights": "u8"}),
    "kannolo": ("kannolo", {}),
}
SWEPT = 64 << 20
"""Bytes written before a query where caches are to hold nothing of the index."""
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def built(name, documents, few=None):
    """The index, seconds, and bytes of the peak above what was resident before."""
    engine, params = ENGINES[name]
    few = first(documents, 64) if few is None else few
    small = create(engine, **params)
    small.build(few)
    small.search(few[:1], 2)
    del small
    gc.collect()
    index = create(engine, **params)
    reset_peak()
    before, started, busy = resident().rss, time.perf_counter(), time.process_time()
    index.build(documents)
    return index, time.perf_counter() - started, time.process_time() - busy, peak() - before


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--documents", type=int, default=20_000)
    asked.add_argument("--terms", type=int, default=227, help="mean terms a document")
    asked.add_argument("--queries", type=int, default=200)
    asked.add_argument("--engines", default="inverted,inverted-u4,inverted-float32,scipy,bmp")
    asked.add_argument("--vectors", nargs=2, metavar=("DOCUMENTS", "QUERIES"))
    asked.add_argument("--clock", choices=sorted(CLOCKS), default="cpu")
    asked.add_argument("--check", action="store_true", help="hold the inverted index against brute force, time nothing")
    asked.add_argument("--passes", type=int, default=5)
    asked.add_argument("--evict", action="store_true", help="sweep the caches before every query")
    asked.add_argument("--growth", metavar="SIZES", help="numbers of documents, with commas between")
    asked.add_argument("-k", type=int, default=100)
    given = asked.parse_args()
    print(f"{cpu_model()} ({instructions()}); kernel for bitmaps: {KERNEL}")
    if given.check:
        return check(given)
    if given.growth:
        sizes = [int(size) for size in given.growth.split(",")]
        return growth(sizes, given)
    if given.vectors:
        documents, queries = (opened(Path(path)) for path in given.vectors)
        queries = queries[: given.queries]
    else:
        corpus = Corpus(per_document=given.terms)
        documents = sparse.vstack(list(corpus.documents(given.documents)), format="csr")
        queries = corpus.queries(given.queries)
    print(
        f"{documents.shape[0]} documents, {documents.nnz / documents.shape[0]:.0f} terms each, vocabulary "
        f"{documents.shape[1]}, {queries.shape[0]} queries of {queries.nnz / queries.shape[0]:.0f} terms, k={given.k}"
    )
    names = given.engines.split(",")
    indexes = {}
    facts = {}
    for name in names:
        indexes[name], *facts[name] = built(name, documents)
        print(f"built {name} in {facts[name][0]:.1f} s", file=sys.stderr, flush=True)
    if "scipy" in indexes:
        exact = indexes["scipy"].search(queries, given.k)[0]
    else:
        exact = [np.argsort(-row, kind="stable")[: given.k] for row in exact_scores(documents, queries)]
    clock = CLOCKS[given.clock]
    times = {name: [] for name in names}
    found = {name: [] for name in names}
    rows = [queries[row] for row in range(queries.shape[0])]
    swept = np.zeros(SWEPT // 8 if given.evict else 0)
    for number in range(given.passes):
        for name in names if number % 2 == 0 else names[::-1]:
            for row in rows[:20]:
                indexes[name].search(row, given.k)
            for row in rows:
                swept += 1
                started = clock()
                ids, _ = indexes[name].search(row, given.k)
                times[name].append(clock() - started)
                found[name] += [ids[0]] if number == 0 else []
    base = np.median(times[names[0]])
    tail = np.quantile(times[names[0]], 0.99)
    heads = "engine", "bytes/posting", "peak/index", "build s", "build cpu s", "p50 ms", "p99 ms"
    heads += "p50 ratio", "p99 ratio", "recall"
    print(f"| {' | '.join(heads)} |")
    print(f"|{'---|' * len(heads)}")
    for name in names:
        size = sum(indexes[name].memory().values())
        wall, cpu, above = facts[name]
        p50, p99 = np.median(times[name]), np.quantile(times[name], 0.99)
        pairs = zip(found[name], exact, strict=True)
        recall = np.mean([len(set(one.tolist()) & set(other.tolist())) / len(other) for one, other in pairs])
        print(
            f"| {name} | {size / documents.nnz:.3f} | {above / size:.2f} | {wall:.1f} | {cpu:.1f} | {p50 * 1e3:.3f} | "
            f"{p99 * 1e3:.3f} | {p50 / base:.2f} | {p99 / tail:.2f} | {recall:.4f} |"
        )


def opened(path):
    """Stored vectors, or those of an .npz file."""
    return load_vectors(path) if path.is_dir() else sparse.csr_matrix(sparse.load_npz(path), dtype=np.float32)


def first(matrix, rows):
    """The first rows of a matrix, nothing copied or read: scipy's slicing would read a mapped file."""
    found = sparse.csr_matrix((rows, matrix.shape[1]), dtype=np.float32)
    found.data, found.indices, found.indptr = matrix.data, matrix.indices, matrix.indptr[: rows + 1]
    return found


def growth(sizes, given):
    """A row for each number of documents, and the exponents of a fit to a power of it."""
    name, clock = given.engines.split(",")[0], CLOCKS[given.clock]
    corpus = Corpus(per_document=given.terms)
    queries = opened(Path(given.vectors[1])) if given.vectors else corpus.queries(given.queries)
    every = opened(Path(given.vectors[0])) if given.vectors else None
    rows = [queries[row] for row in range(min(given.queries, queries.shape[0]))]
    heads = "documents", "bytes", "bytes/posting", "build cpu s", "build peak MiB", "p50 ms", "p99 ms"
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    found = []
    for size in sizes:
        stored = []
        counted = (stored.append(block.nnz) or block for block in corpus.documents(size))
        if given.vectors:
            counted = first(every, size)
            stored.append(int(every.indptr[size]))
        index, _, busy, above = built(name, counted, next(corpus.documents(64)))
        times = []
        for number, row in enumerate([*rows[:10], *rows]):
            started = clock()
            index.search(row, given.k)
            times += [clock() - started] if number >= 10 else []
        memory = sum(index.memory().values())
        p50, p99 = np.median(times), np.quantile(times, 0.99)
        found.append((memory, p50, p99))
        facts = f"{memory / sum(stored):.3f} | {busy:.1f} | {above / 2**20:.0f}"
        print(f"| {size} | {memory} | {facts} | {p50 * 1e3:.3f} | {p99 * 1e3:.3f} |", flush=True)
    for label, values in zip(("memory", "p50", "p99"), zip(*found, strict=True), strict=True):
        slope = np.polyfit(np.log(sizes), np.log(values), 1)[0]
        print(f"{label} grows with the number of documents to the power of {slope:.3f}")
    return None


def check(given):
    """The answers of the 8-bit inverted index against float64 products with its stored weights, a segment at a time."""
    corpus = Corpus(per_document=given.terms)
    queries, index = corpus.queries(given.queries), create("inverted")
    index.build(corpus.documents(given.documents))
    ids, scores = index.search(queries, given.k)
    exact = np.empty((given.queries, 0))
    for number, segment in enumerate(index.segments):
        rows, columns, values = unpack(segment, "u8")
        shape = min(SEGMENT, given.documents - number * SEGMENT), index.terms
        stored = sparse.csr_matrix((values.astype(np.float64), (rows, columns)), shape=shape)
        exact = np.hstack([exact, (queries.astype(np.float64) @ stored.T).toarray()])
    best = -np.sort(-exact, axis=1)[:, : given.k]
    own = np.take_along_axis(exact, ids, 1)
    off = [np.abs(scores / other - 1).max() for other in (best, own)]
    print(
        f"{given.documents} documents, {given.queries} queries, k={given.k}: scores are within {off[0]:.1e} of the best"
    )
    print(f"by brute force, and within {off[1]:.1e} of what brute force gives the documents named")


def exact_scores(documents, queries):
    """Dense float32 scores, a few queries at a time."""
    for begin in range(0, queries.shape[0], 32):
        yield from (queries[begin : begin + 32] @ documents.T).toarray()


if __name__ == "__main__":
    main()
