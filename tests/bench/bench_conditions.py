"""What the harness itself can and cannot tell apart: null control, injected slowdown, own overhead, resident memory.

Run ``python tests/bench/bench_conditions.py`` (``--runs 20 --processes 5``); parts alone with ``--part``. One line a
run, so that it may be stopped at any time; the last lines are the figures of docs/measurement.md.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from harness.measure.environment import usable_cores
from harness.measure.latency import Samples, measure_queries
from harness.measure.watch import watched
from harness.measure.worker import run_isolated
from harness.stats.levels import hierarchical, percentile_ratio

QUERIES, REPEATS = 100, 60
SYSTEMS = {"plain": 0.0, "again": 0.0, "slowed": 0.05}


def timed(slowdown: float, seed: int, report: object) -> dict[str, object]:
    """One process of one system: a dense product and the selection of the best, slowed by a share of its own time."""
    rng = np.random.default_rng(0)
    rows = rng.random((1500, 64), np.float32)
    vectors = rng.random((QUERIES, 64), np.float32)

    def search(vector: object) -> None:
        begin = time.perf_counter_ns()
        np.argpartition(rows @ vector, -10)[-10:]
        if slowdown:
            now = time.perf_counter_ns()
            until = now + slowdown * (now - begin)
            while time.perf_counter_ns() < until:
                pass

    texts = [str(number) for number in range(QUERIES)]

    def measure(between: object) -> Samples:
        return measure_queries(lambda text: vectors[int(text)], search, texts, repeats=REPEATS, warmup=20, seed=seed)

    found = watched(measure, pinned=True)
    samples = found.value
    order = np.lexsort((samples.repeat, samples.query))
    return {"seconds": samples.search_seconds[order].tolist(), "disturbance": found.disturbance}


def spun(report: object) -> list[float]:
    """Reported times of searches that last 100 microseconds by their own clock, and those times themselves."""
    own: list[int] = []

    def search(vector: object) -> None:
        begin = now = time.perf_counter_ns()
        while now - begin < 100_000:
            now = time.perf_counter_ns()
        own.append(now - begin)

    samples = measure_queries(len, search, ["x"] * 100, repeats=50, warmup=10, seed=1)
    mine = np.asarray(own[-len(samples.search_seconds) :]) * 1e-9
    return [float(np.median(mine)), float(np.median(samples.search_seconds - mine)), samples.timer_overhead_seconds]


def one_run(number: int, processes: int) -> tuple[dict[str, np.ndarray], int]:
    """Every system in turns, in a seeded order that is reversed every other round; seconds and disturbed processes."""
    names = list(SYSTEMS)
    random.Random(number).shuffle(names)  # noqa: S311 - an order
    rows: dict[str, list[list[float]]] = {name: [] for name in names}
    disturbed = 0
    pin = [usable_cores() - 1] if usable_cores() > 1 else None
    for process in range(processes):
        for name in names if process % 2 == 0 else reversed(names):
            found = run_isolated(
                "bench_conditions:timed",
                {"slowdown": SYSTEMS[name], "seed": 1000 * number + process},
                pin=pin,
                timeout=120,
                allow=("bench_conditions",),
            )
            assert found.status == "ok", found.reason
            rows[name].append(found.result["seconds"])
            disturbed += bool(found.result["disturbance"])
    return {name: np.asarray(table).reshape(processes, QUERIES, REPEATS) for name, table in rows.items()}, disturbed


def null_and_slowdown(runs: int, processes: int) -> None:
    """Twenty runs: is a system told from itself, is a slowdown found, do runs agree?"""
    false = found = flagged = 0
    medians: list[tuple[float, float, float]] = []
    effects: list[float] = []
    for number in range(runs):
        started = time.perf_counter()
        tables, disturbed = one_run(number, processes)
        _, low, high = percentile_ratio(tables["again"], tables["plain"], 0.5, seed=number)
        slow = percentile_ratio(tables["slowed"], tables["plain"], 0.5, seed=number)
        false += not low <= 1 <= high
        found += slow[1] > 1
        flagged += disturbed
        effects.append(max(high - 1, 1 - low))
        medians.append(hierarchical(tables["plain"], {"p50": 0.5})["p50"])
        print(
            f"run {number + 1}: itself [{low:.3f}, {high:.3f}], slowed {slow[0]:.3f} [{slow[1]:.3f}, {slow[2]:.3f}], "
            f"median {medians[-1][0] * 1e6:.0f} us, {disturbed} of {3 * processes} processes disturbed, "
            f"{time.perf_counter() - started:.0f} s; false {false}, found {found} of {number + 1}",
            flush=True,
        )
    pairs = list(itertools.pairwise(medians))
    near = sum(abs(a[0] / b[0] - 1) <= 0.03 for a, b in pairs)
    overlap = sum(a[1] <= b[2] and b[1] <= a[2] for a, b in pairs)
    print(f"false differences: {false} of {runs}; 5 % slowdown found: {found} of {runs}")
    print(f"smallest effect: median {np.median(effects):.1%}; processes disturbed: {flagged} of {3 * processes * runs}")
    print(f"neighbouring runs: medians within 3 % {near} of {len(pairs)}, intervals overlap {overlap} of {len(pairs)}")


def overhead() -> None:
    """What the harness adds to a search of 100 microseconds."""
    found = run_isolated("bench_conditions:spun", {}, allow=("bench_conditions",))
    inside, added, clock = found.result
    print(f"overhead: {added * 1e9:.0f} ns on {inside * 1e6:.1f} us = {added / inside:.2%}")
    print(f"two clock reads: {clock * 1e9:.0f} ns")


def resident() -> None:
    """Resident bytes of FAISS flat and of the inverted index against their serialized bytes."""
    from scipy import sparse

    from harness.vectors import VectorsWriter

    rng = np.random.default_rng(0)
    dense = rng.standard_normal((60_000, 256)).astype(np.float32)
    columns = np.stack([np.sort(rng.choice(4000, 200, replace=False)) for _ in range(60_000)])
    weights = rng.random(columns.size, np.float32) + np.float32(0.1)
    lengths = np.arange(0, columns.size + 1, 200)
    posts = sparse.csr_matrix((weights, columns.ravel().astype(np.int32), lengths), shape=(60_000, 4000))
    for kind, engine, rows in (("dense", "faiss-flat", dense), ("sparse", "inverted", posts)):
        with tempfile.TemporaryDirectory() as folder:
            paths = {name: Path(folder) / name for name in ("vectors", "index")}
            for side, part in (("documents", rows), ("queries", rows[:500])):
                (paths["vectors"] / side).mkdir(parents=True)
                writer = VectorsWriter(paths["vectors"] / side, kind, rows.shape[1])
                writer.append(part)
                writer.close()
            paths["index"].mkdir()
            common = {"type": engine, "params": {}, "vectors": str(paths["vectors"])}
            built = run_isolated("harness.pipeline.steps.index:build", {"out": str(paths["index"]), **common})
            served = run_isolated(
                "harness.pipeline.steps.footprint:served_memory",
                {"out": "", "index": str(paths["index"]), "k": 100, **common},
            )
            assert (built.status, served.status) == ("ok", "ok"), (built.reason, served.reason)
            size, found = built.result["file_bytes"], served.result
            total = found["anonymous"] + found["file"]
            print(
                f"{engine}: serialized {size / 2**20:.2f} MiB, "
                f"resident {total / 2**20:.2f} MiB ({total / size - 1:+.1%}): "
                f"anonymous {found['anonymous'] / 2**20:.2f}, file {found['file'] / 2**20:.2f}; "
                f"components {sum(built.result['memory'].values()) / 2**20:.2f}; "
                f"build peak {built.result['build_peak_bytes'] / 2**20:.2f} MiB",
                flush=True,
            )


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--part", choices=["overhead", "resident", "null"], action="append")
    asked = parser.parse_args()
    parts = asked.part or ["overhead", "resident", "null"]
    if "overhead" in parts:
        overhead()
    if "resident" in parts:
        resident()
    if "null" in parts:
        null_and_slowdown(asked.runs, asked.processes)


if __name__ == "__main__":
    main()
