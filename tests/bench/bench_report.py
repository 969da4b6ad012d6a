"""How long a report of many systems and collections takes, and how large it is.

python tests/bench/bench_report.py [--systems 20] [--collections 15] [--queries 300] [--profile] [--keep FOLDER]

Writes a run folder as a real run leaves it (four quality metrics of every query, every timed query of three processes,
300 explained queries a system, conditions, stages), all of it drawn, and renders it twice in fresh processes: the
second takes the drawings of the first. Seconds are of processor time and by the clock, imports included. Below the
whole stands a plain pass over the same files (bytes read, nothing parsed), which no report can beat. --profile says
where the time goes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from harness.records import record, write_records  # noqa: E402

CODECS = ("u8", "float32", "SQ8", "float32")
QUALITY = {"ndcg@10": 0.0, "recall@10": 0.1, "recall@100": 0.3, "mrr@10": 0.05}
PROCESSES, REPEATS, TIMED = 3, 3, 500
WORDS = ("retrieval", "sparse", "vector", "document", "gradient", "protein", "market", "glacier", "theorem", "kernel")

RENDER = """
import resource, time
def used():  # by this process, and by those that it started
    rows = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(row.ru_utime + row.ru_stime for row in rows)
began = time.perf_counter(), used()
import cProfile, pstats, sys
from pathlib import Path
from reports.pages import drawings, run_page
folder, profile, spent = Path(sys.argv[1]), sys.argv[2] == "profile", {}
spent["imports"] = time.perf_counter() - began[0], used() - began[1]
def timed(name, function):
    def call(*arguments, **more):
        wall, cpu = time.perf_counter(), used()
        found = function(*arguments, **more)
        spent[name] = time.perf_counter() - wall, used() - cpu
        return found
    return call
drawings.draw_beside = timed("figures that are drawn", drawings.draw_beside)
run_page.load_run = timed("reading the run", run_page.load_run)
run_page.page = timed("statistics, figures and page", run_page.page)
watch = cProfile.Profile(time.process_time)
if profile: watch.enable()
run_page.write_report(folder)
if profile: watch.disable()
wall, cpu = time.perf_counter() - began[0], used() - began[1]
if profile: pstats.Stats(watch).strip_dirs().sort_stats("tottime").print_stats(25)
start = time.perf_counter(), used()
for path in sorted(folder.glob("*.*")): path.read_bytes()
plain = time.perf_counter() - start[0], used() - start[1]
for name, (by_clock, by_processors) in spent.items():
    print(f"| {name} | {by_processors:.2f} | {by_clock:.2f} |")
print(f"| **all** | {cpu:.2f} | {wall:.2f} |")
print(f"| only reading the same bytes | {plain[1]:.2f} | {plain[0]:.2f} |")
"""


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--systems", type=int, default=20)
    asked.add_argument("--collections", type=int, default=15)
    asked.add_argument("--queries", type=int, default=300)
    asked.add_argument("--profile", action="store_true")
    asked.add_argument("--keep", type=Path, help="write the run here, or take it from here where it is already")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch) / "run"
        if not (folder / "run.json").exists():
            write_synthetic(folder, given.systems, given.collections, given.queries)
        sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.*")) if path.suffix != ".html"}
        print(", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items()))
        print("\n| part | processor s | clock s |\n|---|---|---|", flush=True)
        mode = "profile" if given.profile else "plain"
        for title in ("First", "Again"):
            print(f"| {title}: | | |", flush=True)
            subprocess.run([sys.executable, "-c", RENDER, folder, mode], check=True, cwd=ROOT)
        page = (folder / "report.html").read_bytes()
        print(f"\nreport.html: {len(page):,} bytes, {page.count(b'<figure')} figures, {page.count(b'<td')} cells")


def write_synthetic(folder, systems, collections, queries, seed=1):
    """A run of so many systems on so many collections; every value is drawn, none is measured."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    names = [f"{'sparse' if s % 4 < 2 else 'dense'}-{s // 4}[terms={64 << s % 4}, weights={CODECS[s % 4]}]"
             for s in range(systems)]  # fmt: skip
    rows, facts, latency, active = [], [], {}, {}
    with (folder / "per_query.jsonl").open("w") as quality, (folder / "explain.jsonl").open("w") as why:
        for c in range(collections):
            collection = f"collection-{c}"
            hard = rng.normal(0.5, 0.25, queries)
            asked = [f"{collection}-query-{number}" for number in range(queries)]
            for s, name in enumerate(names):
                number, about = len(facts), {"collection": collection, "system": name}
                facts.append(_system(name, collection, s))
                rows += _records(rng, collection, name, s)
                for metric, shift in QUALITY.items():
                    values = np.clip(hard + shift + 0.01 * (s % 7) + rng.normal(0, 0.12, queries), 0, 1)
                    mean = float(values.mean())
                    rows.append(_row(collection, name, metric, mean, "ir_measures, BCa bootstrap over queries",
                                     n=queries, interval=(mean - 0.02, mean + 0.02)))  # fmt: skip
                    for query, value in zip(asked, values.tolist(), strict=True):
                        line = {**about, "query": query, "metric": metric, "value": value}
                        quality.write(json.dumps(line) + "\n")
                for query in asked[:300]:
                    why.write(json.dumps({**about, **_explained(rng, query, sparse=s % 4 < 2)}) + "\n")
                seconds = _seconds(rng, s, min(TIMED, queries))
                rows += _latencies(collection, name, seconds)
                latency |= {f"{number}/{key}": array for key, array in _samples(seconds).items()}
                if s % 4 < 2:
                    for side, most in (("document", 250), ("query", 60)):
                        active[f"{number}/{side}_terms"] = np.arange(1, most)
                        active[f"{number}/{side}_vectors"] = rng.integers(1, 100, most - 1)
    write_records(folder / "records.jsonl", rows)
    np.savez(folder / "latency.npz", **latency)
    np.savez_compressed(folder / "active.npz", **active)
    conditions = [_condition(row["collection"], row["name"]) for row in facts for _ in range(PROCESSES)]
    (folder / "conditions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in conditions))
    curve = [{"encoder": f"e{e}", "step": step, "loss": 4 / (step + 1)} for e in range(3) for step in range(400)]
    (folder / "training.jsonl").write_text("".join(json.dumps(row) + "\n" for row in curve))
    (folder / "run.json").write_text(json.dumps(_facts(facts, names, collections, queries), indent=1))


def _row(collection, system, name, value, method="m", **more):
    return record("synthetic-1", collection, system, name, float(value), method=method, **more)


def _records(rng, collection, name, s):
    """What a run with everything asked for says of a system, but for quality and latency."""
    size = 3e6 * (s + 1)
    plain = {
        "index_bytes": size, "index_bytes/document numbers": size * 0.6, "index_bytes/impacts": size * 0.3,
        "index_bytes/offsets": size * 0.1, "index_bytes_per_document": size / 1e4, "index_file_bytes": size + 4096,
        "index_plain_bytes": size * 1.5, "identifier_bytes": 2e5, "build_seconds": 3.2, "build_peak_bytes": size * 2,
        "resident_bytes": size * 1.1, "resident_bytes/anonymous": size * 0.1, "resident_bytes/file": size,
        "resident_bytes/pss": size * 1.1, "encode_documents_per_second": 300 + s, "flops_search": 1e6 * (s + 1),
        "flops_encode_query": 1e9 * (s // 4 + 1), "flops_encode_document": 9e9 * (s // 4 + 1),
        "flops_query": 1e9 * (s // 4 + 1) + 1e6 * (s + 1), "model_parameters": 2.2e7, "documents_scored": 1e4,
        "postings_touched": 4e4, "recall_vs_exact@10": 0.999, "recall_vs_exact@100": 0.998, "ndcg_exact@10": 0.6,
        "encoder_file_bytes": 9e7, "encoder_resident_bytes": 1e8, "encoder_activation_bytes": 2e8,
        "encode_least": 1e-3, "search_least": 2e-4, "total_least": 1.2e-3, "highest_load": 90.0,
        "active_terms_document" if s % 4 < 2 else "dimensions": 120 + s if s % 4 < 2 else 384 << s // 12,
    }  # fmt: skip
    rows = [_row(collection, name, metric, value, "engine's own components") for metric, value in plain.items()]
    spread = ("load_seconds", "first_query_seconds", "cold_load_seconds", "cold_first_query_seconds", "timer_overhead",
              "encode_cpu", "search_cpu", "total_cpu", "throughput_encode/1", "throughput_encode/all",
              "throughput_search/1", "throughput_search/all")  # fmt: skip
    for metric in spread:
        value = float(rng.lognormal(0, 0.2)) * (1 + s)
        rows.append(_row(collection, name, metric, value, "mean over processes; interval by t", n=3,
                         interval=(value * 0.9, value * 1.1)))  # fmt: skip
    return rows


def _seconds(rng, s, queries):
    """Seconds of encoding and search, each processes x queries x repeats."""
    shape = (PROCESSES, queries, REPEATS)
    length = rng.lognormal(0, 0.3, (1, queries, 1))
    process = rng.lognormal(0, 0.02, (PROCESSES, 1, 1))
    both = 1e-3 * (1 + 0.2 * s) * length * process * rng.lognormal(0, 0.05, (2, *shape))
    return {"encode": both[0] * 0.8, "search": both[1] * 0.2}


def _samples(seconds):
    shape = seconds["encode"].shape
    process, query, repeat = np.indices(shape, np.int32)
    return {"process": process.ravel(), "query": query.ravel(), "repeat": repeat.ravel()} | {
        side: values.ravel() for side, values in seconds.items()
    }


def _latencies(collection, name, seconds):
    rows = []
    for side, values in {**seconds, "total": seconds["encode"] + seconds["search"]}.items():
        levels = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
        found = {part: float(np.quantile(values, q)) for part, q in levels.items()} | {"mean": float(values.mean())}
        rows += [
            _row(
                collection, name, f"latency_{side}/{part}", value, "all timed queries of a process",
                n=values.size, interval=(value * 0.96, value * 1.05),
            )
            for part, value in found.items()
        ]  # fmt: skip
    return rows


def _explained(rng, query, *, sparse):
    text = " ".join(WORDS[number] for number in rng.integers(len(WORDS), size=30))
    terms = [[word, 1.2345] for word in WORDS[:8]] if sparse else []
    top = [{"document": f"{query}-d{n}", "text": text, "relevance": n, "terms": terms} for n in range(2)]
    return {"query": query, "text": text[:80], "first_relevant": 3, "top": top}


def _condition(collection, name):
    reading = {"processor": 0.00057, "memory": 0.0046, "waiting": 1.0}
    return {
        "collection": collection, "system": name, "kind": "latency", "stage": f"latency of {name} / {collection}",
        "seconds": 0.48, "cpu_seconds": 0.48, "load_before": 1.2, "load_after": 1.1, "others_share": 0.003,
        "steal_share": 0.0, "voluntary_switches": 0, "involuntary_switches": 2, "minor_faults": 6529, "major_faults": 0,
        "threads_total": 1, "threads_busy": 1, "parallelism": 0.99, "waited_share": 0.01, "sentinel": [reading] * 4,
        "processors": [1], "pinned": True, "threads_asked": 1, "library_threads": {"torch": 1}, "repeated": [],
        "disturbance": "", "violation": "", "round": "r",
    }  # fmt: skip


def _system(name, collection, s):
    return {
        "name": name, "collection": collection, "encoder": f"e{s // 4}", "encoder_base": f"e{s // 4}",
        "encoder_type": "sparse-encoder" if s % 4 < 2 else "sentence-transformer", "index": "i", "status": "ok",
        "index_type": "inverted" if s % 4 < 2 else "faiss", "codec": CODECS[s % 4], "reason": "",
        "facts": {"width": "30522 terms" if s % 4 < 2 else "384 dimensions", "parameters": "22,713,216",
                  **{f"check: {n}": "0 (at most 0): passed" for n in range(8)}},
    }  # fmt: skip


def _facts(systems, names, collections, queries):
    claim = {"name": "less memory", "metric": "index_bytes_per_document", "system": names[0], "baseline": names[-1]}
    kinds = ("build", "search", "quality", "memory", "work", *["latency"] * PROCESSES, "summary")
    described = {
        f"collection-{c}": {
            "documents": 10_000, "queries": queries, "queries_left_out": 0, "judgements": 2 * queries,
            "revision": "d" * 64, "description": {"task": "drawn"}, "warnings": [],
        }
        for c in range(collections)
    }  # fmt: skip
    return {
        "schema": 1, "run": "synthetic-1", "name": "synthetic", "title": "Many systems on many collections",
        "description": "Every value is drawn.", "created": "2026-01-01T00:00:00+00:00", "spec_hash": "ab" * 32,
        "spec_text": 'name = "synthetic"\n' * 80, "overrides": [], "command": "laconic-bench run", "machine": "m",
        "provenance": {"git revision": "c" * 40}, "environment": {"Machine": {"processor": "drawn"}},
        "measure": {"k": 100, "depth": 1000, "threads": 1, "queries": None}, "collections": described,
        "systems": systems,
        "stages": [
            {"key": "k" * 64, "kind": kind, "label": f"{kind} of {system['name']} / {system['collection']}",
             "status": "ok", "reused": False, "seconds": 1.0, "peak_bytes": 66_031_616, "reason": ""}
            for system in systems for kind in kinds
        ],
        "claims": [{**claim, "reduction_at_least": 0.71}, {**claim, "metric": "ndcg@10", "equivalent_within": 0.02},
                   {**claim, "metric": "latency_total/p50", "ratio_at_most": 0.9}],
        "notes": [],
    }  # fmt: skip


if __name__ == "__main__":
    main()
