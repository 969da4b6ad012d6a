"""What each engine's adapter adds to a search of one query: medians in microseconds, and the processor.

    python tests/bench/bench_adapters.py [--documents 600] [--k 100]

Dense vectors have 384 dimensions; sparse ones 30,000 columns, 120 terms a document and 30 a query. One thread.
"""

from __future__ import annotations

import argparse
from time import perf_counter_ns

import numpy as np
from scipy import sparse

from harness.errors import UserError
from harness.indexes import create
from harness.measure.machine.environment import cpu_model

QUERIES, PASSES, WIDTH = 200, 10, 30_000
ENGINES: dict[str, tuple[str, dict[str, object]]] = {
    "faiss-flat": ("faiss-flat", {}),
    "faiss SQfp16": ("faiss", {"factory": "SQfp16"}),
    "faiss HNSW32": ("faiss", {"factory": "HNSW32"}),
    "inverted": ("inverted", {}),
    "scipy": ("scipy", {}),
    "bmp": ("bmp", {}),
    "seismic": ("seismic", {}),
    "qdrant-edge": ("qdrant-edge", {}),
    "kannolo": ("kannolo", {}),
}


def main() -> None:
    """Print a row for each engine that is installed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=600)
    parser.add_argument("--k", type=int, default=100)
    asked = parser.parse_args()
    rng = np.random.default_rng(1)
    dense = [rng.normal(size=(rows, 384)).astype(np.float32) for rows in (asked.documents, QUERIES)]
    sparse_rows = [
        sparse.random(rows, WIDTH, density=terms / WIDTH, format="csr", rng=rng, dtype=np.float32)
        for rows, terms in ((asked.documents, 120), (QUERIES, 30))
    ]
    print(f"{cpu_model()}\n")
    print("| engine | search | engine | adapter | through `search` |\n|---|---|---|---|---|")
    for name, (engine, params) in ENGINES.items():
        documents, queries = dense if engine.startswith("faiss") else sparse_rows
        try:
            index = create(engine, **params)
            index.build(documents)
            searcher = index.searcher(asked.k)
        except UserError as error:
            print(f"| {name} | {error.what} | | | |")
            continue
        rows = [queries[row : row + 1] for row in range(QUERIES)]
        times, general = [], []
        for _ in range(PASSES):  # a pass of each in turns: one query of each in turns would empty the other's caches
            for row in rows:
                began = perf_counter_ns()
                searcher(row)
                times.append((perf_counter_ns() - began, searcher.engine_ns or 0))
            for row in rows:
                began = perf_counter_ns()
                index.search(row, asked.k)
                general.append(perf_counter_ns() - began)
        whole, own = np.median(np.asarray(times[QUERIES:]), axis=0) / 1e3
        plain = float(np.median(general[QUERIES:])) / 1e3
        print(f"| {name} | {whole:.1f} | {own:.1f} | {whole - own:.1f} | {plain:.1f} |")


if __name__ == "__main__":
    main()
