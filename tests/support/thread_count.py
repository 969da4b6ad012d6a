"""``thread_count.py NAME PARAMS QUERIES`` counts an engine's threads where no other library has left any."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy import sparse

from harness.indexes import create

WATCH = """
import os, sys, time
folder, most = f"/proc/{sys.argv[1]}/task", 0
print("ready", flush=True)
for _ in range(500):
    most = max(most, len(os.listdir(folder)))
    time.sleep(0.0005)
print(most)
"""


def alive():
    """Threads of this process now."""
    return len(list(Path("/proc/self/task").iterdir()))


def fewest(seconds):
    """The fewest threads within so long: those of an earlier search may still be leaving."""
    ends, found = time.monotonic() + seconds, alive()
    while time.monotonic() < ends:
        found = min(found, alive())
        time.sleep(0.01)
    return found


def most_threads(work, before):
    """The most threads that there are while it works, above those before.

    Counted by another process: an engine that keeps the interpreter's lock would not let a thread of this one count.
    """
    ends = time.monotonic() + 10
    while alive() > before and time.monotonic() < ends:
        time.sleep(0.01)
    watcher = subprocess.Popen([sys.executable, "-c", WATCH, str(os.getpid())], stdout=subprocess.PIPE, text=True)
    assert watcher.stdout.readline() == "ready\n"
    while watcher.poll() is None:  # until it has looked often enough, however seldom it gets to
        work()
    most, _ = watcher.communicate()
    return int(most) - before


def main(name, params, queries):
    rng = np.random.default_rng(1)
    if create(name, **params).supports.kind == "sparse":
        vectors = sparse.vstack([sparse.random(300, 50, 0.2, "csr", np.float32, rng=rng)] * 40).tocsr()
    else:
        vectors = np.repeat(rng.random((300, 8), np.float32), 40, 0)
    index = create(name, **params)
    index.build(vectors)
    index.search(vectors[:4], 50, threads=1)
    before = fewest(1)
    counts = [most_threads(lambda n=n: index.search(vectors[:queries], 50, threads=n), before) for n in (1, 3)]
    print(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]))
