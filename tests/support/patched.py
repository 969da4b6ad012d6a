"""Copies of this package, each made worse by a few lines at the end of a module."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SLOW = """

def _slower(self, queries, k, *, threads=1, quick=Inverted.search):
    import time

    began = time.perf_counter()
    found = quick(self, queries, k, threads=threads)
    now = time.perf_counter()
    until = now + {share} * (now - began)
    while time.perf_counter() < until:
        pass
    return found


Inverted.search = _slower
"""
LARGE = """

def _larger(self, vectors, real=Inverted.build):
    real(self, vectors)
    arrays = self.segments[-1]._asdict()
    name = max(arrays, key=lambda name: arrays[name].nbytes)
    more = round({share} * sum(array.nbytes for array in arrays.values()) / arrays[name].itemsize)
    self.segments[-1] = self.segments[-1]._replace(**{{name: np.append(arrays[name], arrays[name][:1].repeat(more))}})


Inverted.build = _larger
"""
WORSE = """

def _worse(self, texts, real=Bm25Encoder.encode_queries):
    return real(self, [" ".join(t.split()[:4]) if sum(t.encode()) % {every} == 0 else t for t in texts])


Bm25Encoder.encode_queries = _worse
"""


def patched(folder, *, slower=0.0, larger=0.0, worse=0):
    """A copy of the package.

    `slower`: share that a search takes longer. `larger`: share by which the index's arrays grow, with padding. `worse`:
    one query of so many is cut to four words by the encoder.
    """
    for name in ("harness", "reports"):
        # With what numba compiled before: it goes by a file's time and size, and copies keep both.
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc"), dirs_exist_ok=True)
    index, encoder = folder / "harness/indexes/inverted.py", folder / "harness/encoders/bm25.py"
    if slower:
        _append(index, SLOW.format(share=slower))
    if larger:
        _append(index, LARGE.format(share=larger))
    if worse:
        _append(encoder, WORSE.format(every=worse))
    return folder


def _append(file, text):
    file.write_text(file.read_text() + text)
