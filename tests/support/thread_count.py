"""Counts an engine's threads in a process of its own, where no other library has left any: ``thread_count.py NAME``."""

import json
import sys
import threading

import numpy as np
import psutil
from scipy import sparse

from harness.indexes import create, registry


def most_threads(work):
    """The most threads that there are while it works, above those before and the one that counts."""
    process, stop, most = psutil.Process(), threading.Event(), []

    def watch():
        while not stop.is_set():
            most.append(process.num_threads())
            stop.wait(0.001)

    before = process.num_threads() + 1
    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    stop.set()
    watcher.join()
    return max(most) - before


def main(name):
    rng = np.random.default_rng(1)
    if registry.get(name).supports.kind == "sparse":
        vectors = sparse.vstack([sparse.random(300, 50, 0.2, "csr", np.float32, rng=rng)] * 40).tocsr()
    else:
        vectors = np.repeat(rng.random((300, 8), np.float32), 40, 0)
    index = create(name)
    index.build(vectors)
    index.search(vectors[:4], 50, threads=1)
    counts = [most_threads(lambda n=n: index.search(vectors[:3000], 50, threads=n)) for n in (1, 3)]
    print(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1])
