"""A search engine in a package of its own, written at two revisions into a folder that Python finds it in."""

from small_specs import system, write_spec

CODE = '''
import time
from typing import Any, ClassVar
from harness.indexes.inverted import Inverted

class Toy(Inverted):
    """A toy engine."""
    def search(self, queries, k, *, threads=1):
        started = time.perf_counter()
        found = super().search(queries, k, threads=threads)
        spent = time.perf_counter() - started
        until = started + spent * {slower}
        while time.perf_counter() < until:
            pass
        return found
    def memory(self):
        return {{name: round(size * {larger}) for name, size in super().memory().items()}}
'''


def write_toy_spec(folder):
    """A spec with the toy engine and a collection of its own."""
    return write_spec(
        folder, file="toy.toml", name="toy", indexes={"toy": {"type": "toy"}}, systems=[system("toy", index="toy")],
        measure={"processes": 1, "repeats": 2},
    )  # fmt: skip


def write_toy(site, *, version="1.0", slower=1.0, larger=1.0):
    """Install the toy engine into a folder, replacing an earlier one."""
    site.mkdir(exist_ok=True)
    (site / "toy_engine.py").write_text(CODE.format(slower=slower, larger=larger))
    info = site / "toy_engine-1.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: toy-engine\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[laconic_bench.indexes]\ntoy = toy_engine:Toy\n")
    return site
