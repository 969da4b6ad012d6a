"""Batches of queries on one thread and on several, in turns.

python tests/bench/bench_batch.py [--documents 20000] [--queries 1000] [--engines inverted,two-phase] [--threads 2]

Prints the time of a query on one thread by the clock and of the processor, how many times as fast N threads are by the
clock, and how many times as much processor time they take. On free cores they are at most N divided by that as fast. On
a machine that is at work only the processor times say something. Medians over passes.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from scipy import sparse

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]
from synthetic import Topical  # noqa: E402

from harness.indexes import create  # noqa: E402
from harness.measure.machine.environment import cpu_model, instructions  # noqa: E402


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--documents", type=int, default=20_000)
    asked.add_argument("--queries", type=int, default=1000)
    asked.add_argument("--engines", default="inverted,two-phase")
    asked.add_argument("--threads", type=int, default=2)
    asked.add_argument("--passes", type=int, default=11)
    asked.add_argument("-k", type=int, default=100)
    given = asked.parse_args()
    corpus = Topical(topics=16)
    documents = sparse.vstack(list(corpus.documents(given.documents)), format="csr")
    queries = corpus.queries(given.queries)
    print(f"{cpu_model()} ({instructions()}); {given.documents} documents, batches of {given.queries}, k = {given.k}\n")
    heads = (
        "engine",
        "ms a query, one thread",
        "processor ms",
        f"times as fast, {given.threads} threads",
        "processor time",
    )
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for engine in given.engines.split(","):
        index = create(engine)
        index.build(documents)
        index.search(queries[:8], given.k, threads=given.threads)
        clock, busy = {1: [], given.threads: []}, {1: [], given.threads: []}
        for _ in range(given.passes):
            for threads in clock:
                began, worked = time.perf_counter(), time.process_time()
                index.search(queries, given.k, threads=threads)
                clock[threads].append(time.perf_counter() - began)
                busy[threads].append(time.process_time() - worked)
        alone, several = (np.median(clock[threads]) for threads in (1, given.threads))
        work, more = (np.median(busy[threads]) for threads in (1, given.threads))
        times = f"{alone / given.queries * 1e3:.3f} | {work / given.queries * 1e3:.3f}"
        print(f"| {engine} | {times} | {alone / several:.2f} | {more / work:.2f} |", flush=True)


if __name__ == "__main__":
    main()
