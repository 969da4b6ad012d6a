"""What the harness itself can and cannot tell apart: null control, injected slowdown, own overhead, resident memory.

``python tests/bench/bench_conditions.py`` does everything (about 15 minutes); ``--part null`` and so on do one part.
Each finished run is kept in ``--state``, so that the same command goes on where it was stopped, and ``--part table``
prints the table of docs/measurement.md from what is there. ``--fresh`` begins anew.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from harness.measure.latency import Samples, measure_queries
from harness.measure.machine.environment import cpu_model, usable_cores
from harness.measure.machine.watch import watched
from harness.measure.null_control import null_ratios
from harness.measure.workers.isolated import run_in_turns, run_isolated
from harness.measure.workers.worker_process import Order
from harness.stats.levels import hierarchical, percentile_ratio, smallest_effect

QUERIES, PASSES, ROUNDS = 100, 30, 8
SYSTEMS = {"plain": 0.0, "again": 0.0, "slowed": 0.05}
PARTS = ("overhead", "resident", "null")
STATE = Path(".laconic-bench/bench_conditions.jsonl")


def timed(slowdown: float, seed: int, report: object, ask: object = None) -> dict[str, object]:
    """One process of one system: a dense product and the selection of the best, slowed by a share of its usual time.

    The clock is read as often in those that are not slowed. A processor does the next search faster after a pause, so a
    pause of 5 % makes a search slower by 2 to 4 %. Each process therefore sets its pause by what it measures.
    """
    rng = np.random.default_rng(0)
    vectors = rng.random((QUERIES, 64), np.float32)
    # As real queries do, these differ in what they cost: each searches so many rows.
    counts = np.clip(rng.lognormal(np.log(5000), 0.4, QUERIES), 1000, 12_000).astype(int)
    rows = rng.random((int(counts.max()), 64), np.float32)

    pause = np.zeros(QUERIES)

    def search(query: int) -> None:
        np.argpartition(rows[: counts[query]] @ vectors[query], -10)[-10:]
        until = time.perf_counter_ns() + pause[query]
        while time.perf_counter_ns() < until:
            pass

    def shortest(pauses: list[np.ndarray]) -> list[np.ndarray]:
        """Shortest time of each query with each of these pauses, in turns."""
        times = [np.full(QUERIES, np.inf) for _ in pauses]
        for _ in range(20):
            for number, pauses_of_queries in enumerate(pauses):
                pause[:] = pauses_of_queries
                for query in range(QUERIES):
                    begin = time.perf_counter_ns()
                    search(query)
                    times[number][query] = min(times[number][query], time.perf_counter_ns() - begin)
        return times

    injected = 0.0
    if slowdown:
        nothing = np.zeros(QUERIES)
        wanted = slowdown * shortest([nothing])[0]
        chosen = wanted.copy()
        for _ in range(4):
            plain, slowed = shortest([nothing, chosen])
            chosen = chosen * wanted.sum() / max(float((slowed - plain).sum()), 0.2 * float(wanted.sum()))
        plain, slowed = shortest([nothing, chosen])
        injected = float((slowed - plain).sum() / plain.sum())
        pause[:] = chosen
    texts = [str(number) for number in range(QUERIES)]

    def measure(turn: object) -> Samples:
        return measure_queries(int, search, texts, repeats=PASSES, warmup=20, seed=seed, turn=turn)

    found = watched(measure, pinned=True, attempts=1, ask=ask)
    samples = found.value
    order = np.lexsort((samples.repeat, samples.query))
    return {
        "seconds": samples.search_seconds[order].tolist(),
        "cpu": float(np.median(samples.search_cpu)),
        "sentinel": float(np.median([reading.processor for reading in found.readings])),
        "disturbance": found.disturbance,
        "injected": injected,
    }


def one_run(number: int) -> dict[str, object]:
    """Rounds of fresh processes, all systems alive and in turns, as a run of the harness has them."""
    started, load = time.perf_counter(), os.getloadavg()[0]
    rows: dict[str, list[list[float]]] = {name: [] for name in SYSTEMS}
    cpu: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    sentinel: list[float] = []
    injected: list[float] = []
    disturbed = 0
    pin = [usable_cores() - 1] if usable_cores() > 1 else None
    for place in range(ROUNDS):
        names = list(SYSTEMS) if place % 2 == 0 else list(SYSTEMS)[::-1]
        orders = [
            Order(
                "bench_conditions:timed",
                {"slowdown": SYSTEMS[name], "seed": 1000 * number + place},
                pin=pin,
                timeout=120,
                allow=("bench_conditions",),
                asks=True,
            )
            for name in names
        ]
        for name, found in zip(names, run_in_turns(orders, seed=1000 * number + place), strict=True):
            assert found.status == "ok", found.reason
            rows[name].append(found.result["seconds"])
            cpu[name].append(found.result["cpu"])
            sentinel.append(found.result["sentinel"])
            disturbed += bool(found.result["disturbance"])
            injected += [found.result["injected"]] if SYSTEMS[name] else []
    tables = {name: np.asarray(table).reshape(ROUNDS, QUERIES, PASSES) for name, table in rows.items()}
    if folder := os.environ.get("BENCH_SAMPLES"):
        np.savez_compressed(Path(folder) / f"run{number}.npz", **tables)
    used = {name: np.asarray(values)[:, None] for name, values in cpu.items()}
    return {
        "part": "null",
        "number": number,
        "itself": null_ratios({"search": tables["plain"]}, {"search": tables["again"]}, seed=number)["search p50"],
        "slowed": percentile_ratio(tables["slowed"], tables["plain"], 0.5, seed=number),
        "itself_cpu": percentile_ratio(used["again"], used["plain"], None, seed=number),
        "slowed_cpu": percentile_ratio(used["slowed"], used["plain"], None, seed=number),
        "median": hierarchical(tables["plain"], {"p50": 0.5}, seed=number)["p50"],
        "sentinel": float(np.mean(sentinel)),
        "disturbed": disturbed,
        "injected": float(np.median(injected)),
        "load": [load, os.getloadavg()[0]],
        "seconds": time.perf_counter() - started,
    }


def told(run: dict) -> str:
    """A run in one line."""
    (value, low, high), (slow, least, most) = run["itself"], run["slowed"]
    return (
        f"run {run['number'] + 1}: itself {value:.3f} [{low:.3f}, {high:.3f}], "
        f"slowed by {run['injected']:.3f}: {slow:.3f} [{least:.3f}, {most:.3f}], "
        f"median {run['median'][0] * 1e6:.1f} us, "
        f"{run['disturbed']} of {ROUNDS * len(SYSTEMS)} processes disturbed, "
        f"load {run['load'][0]:.1f} to {run['load'][1]:.1f}, {run['seconds']:.0f} s"
    )


def spun(report: object) -> list[float]:
    """Reported times of searches that last 100 microseconds by their own clock, and those times themselves."""
    own: list[int] = []

    def search(vector: object) -> None:
        begin = now = time.perf_counter_ns()
        while now - begin < 100_000:
            now = time.perf_counter_ns()
        own.append(now - begin)

    samples = measure_queries(len, search, ["x"] * 100, repeats=50, warmup=10, seed=1)
    # After the first query and the warm-up, timed passes and passes for the processor's time alternate.
    passes = np.asarray(own[11:]).reshape(-1, 100)
    mine = passes[:: len(passes) // 50].ravel() * 1e-9
    return [float(np.median(mine)), float(np.median(samples.search_seconds - mine)), samples.timer_overhead_seconds]


def overhead() -> dict[str, object]:
    """What the harness adds to a search of 100 microseconds."""
    found = run_isolated("bench_conditions:spun", {}, allow=("bench_conditions",))
    assert found.status == "ok", found.reason
    inside, added, clock = found.result
    return {"part": "overhead", "inside": inside, "added": added, "clock": clock, "load": [os.getloadavg()[0]]}


def resident() -> list[dict[str, object]]:
    """Resident bytes of FAISS flat and of the inverted index against their serialized bytes."""
    from scipy import sparse

    from harness.vectors import VectorsWriter

    rng = np.random.default_rng(0)
    dense = rng.standard_normal((60_000, 256)).astype(np.float32)
    columns = np.stack([np.sort(rng.choice(4000, 200, replace=False)) for _ in range(60_000)])
    weights = rng.random(columns.size, np.float32) + np.float32(0.1)
    lengths = np.arange(0, columns.size + 1, 200)
    posts = sparse.csr_matrix((weights, columns.ravel().astype(np.int32), lengths), shape=(60_000, 4000))
    rows = []
    for kind, engine, vectors in (("dense", "faiss-flat", dense), ("sparse", "inverted", posts)):
        with tempfile.TemporaryDirectory() as folder:
            paths = {name: Path(folder) / name for name in ("vectors", "index")}
            for side, part in (("documents", vectors), ("queries", vectors[:500])):
                (paths["vectors"] / side).mkdir(parents=True)
                writer = VectorsWriter(paths["vectors"] / side, kind, vectors.shape[1])
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
            rows.append(
                {
                    "part": "resident",
                    "engine": engine,
                    "serialized": built.result["file_bytes"],
                    "components": sum(built.result["memory"].values()),
                    "build_peak": built.result["build_peak_bytes"],
                    **served.result,
                }
            )
    return rows


def read(state: Path) -> list[dict]:
    """What was done before."""
    return [json.loads(line) for line in state.read_text().splitlines()] if state.exists() else []


def keep(state: Path, row: dict[str, object]) -> None:
    """Add a finished run."""
    with state.open("a") as file:
        file.write(json.dumps(row) + "\n")


def table(rows: list[dict]) -> None:
    """The table of docs/measurement.md."""
    print(f"\n{cpu_model()}, {usable_cores()} processors\n\n| what | asked | found |\n|---|---|---|")
    runs = [row for row in rows if row["part"] == "null"]
    if runs:
        pairs = list(itertools.pairwise(row["median"] for row in runs))
        near = sum(abs(a[0] / b[0] - 1) <= 0.03 for a, b in pairs)
        overlap = sum(a[1] <= b[2] and b[1] <= a[2] for a, b in pairs)
        medians = [row["median"][0] * 1e6 for row in runs]
        loads = [load for row in runs for load in row["load"]]
        count, processes = len(runs), ROUNDS * len(SYSTEMS)
        for name, label in (("", "median search"), ("_cpu", "processor time of a search")):
            false = sum(not row[f"itself{name}"][1] <= 1 <= row[f"itself{name}"][2] for row in runs)
            found = sum(row[f"slowed{name}"][1] > 1 for row in runs)
            print(f"| false differences of a system from itself, {label} | at most 1 of 20 runs | {false} of {count} |")
            print(f"| an injected slowdown of 5 % found, {label} | at least 18 of 20 runs | {found} of {count} |")
        effects = [smallest_effect(row["itself"]) for row in runs]
        worst = max(row["seconds"] for row in runs)
        print(f"| smallest effect by the null control | | {np.median(effects):.1%}, at most {max(effects):.1%} |")
        print(f"| time of a run | at most 180 s | at most {worst:.0f} s |")
        print(
            f"| medians of neighbouring runs ({min(medians):.1f} to {max(medians):.1f} us) | within 3 %, intervals "
            f"overlap | {near} of {len(pairs)} pairs within 3 %, {overlap} overlap |"
        )
        if all("sentinel" in row for row in runs):
            scaled = [row["median"][0] / row["sentinel"] for row in runs]
            same = sum(abs(a / b - 1) <= 0.03 for a, b in itertools.pairwise(scaled))
            print(f"| the same medians divided by the sentinel's time | | {same} of {len(pairs)} pairs within 3 % |")
        print(
            f"| processes flagged as disturbed | | {sum(row['disturbed'] for row in runs)} of {processes * count} "
            f"(load average {min(loads):.1f} to {max(loads):.1f}) |"
        )
    for row in rows:
        if row["part"] == "overhead":
            print(
                f"| overhead on a search of 100 microseconds | below 1 % | {row['added'] / row['inside']:.2%} "
                f"({row['added'] * 1e9:.0f} ns; two clock reads alone {row['clock'] * 1e9:.0f} ns) |"
            )
        if row["part"] == "resident":
            mib, total = 1 << 20, row["anonymous"] + row["file"]
            print(
                f"| resident size of {row['engine']} | within 2 % of {row['serialized'] / mib:.2f} MiB, plus what is "
                f"explained | {total / mib:.2f} MiB, {total / row['serialized'] - 1:+.1%} (anonymous "
                f"{row['anonymous'] / mib:.2f}, pages of files {row['file'] / mib:.2f}; build peak "
                f"{row['build_peak'] / mib:.2f}) |"
            )


def main() -> None:
    """Run the parts that are asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--part", choices=[*PARTS, "table"], action="append", help="may be repeated; all by default")
    parser.add_argument("--state", type=Path, default=STATE, help="finished runs")
    parser.add_argument("--fresh", action="store_true", help="forget finished runs")
    asked = parser.parse_args()
    parts = asked.part or PARTS
    asked.state.parent.mkdir(parents=True, exist_ok=True)
    if asked.fresh:
        asked.state.unlink(missing_ok=True)
    known = read(asked.state)
    for part, make in (("overhead", lambda: [overhead()]), ("resident", resident)):
        if part in parts and not any(row["part"] == part for row in known):
            for row in make():
                keep(asked.state, row)
    before = {row["number"] for row in known if row["part"] == "null"}
    for number in range(asked.runs if "null" in parts else 0):
        if number not in before:
            row = one_run(number)
            keep(asked.state, row)
            print(told(row), flush=True)
    table(read(asked.state))


if __name__ == "__main__":
    sys.exit(main())
