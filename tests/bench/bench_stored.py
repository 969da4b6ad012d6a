"""How long a run takes whose stages are all stored: plan, checksums, records and report.

python tests/bench/bench_stored.py [--collections 32] [--systems 6] [--turns 2] [--profile] [--keep FOLDER]

One collection of 40 documents is run. The stages of the others then get copies of its artefacts, each under its own key
and with its own checksums, as if they had been made. Six systems make 48 stages of a collection and three that they
share, and one compiles loops for all, so 32 collections have 1,633 stages. Then the whole run is repeated in fresh
processes. The first of them draws the figures of the report, and the others take them from the run folder. Seconds are
by the clock and of processor time, imports included. --profile says where the time goes.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from harness.experiment import plan_experiment, run_experiment  # noqa: E402
from harness.pipeline.store.local import Store  # noqa: E402

ENGINES = (
    'type = "inverted"', 'type = "inverted"\nweights = "float32"', 'type = "inverted"\nweights = "u4"',
    'type = "inverted"\nweights = "u16"', 'type = "scipy"', 'type = "inverted"\nbuild_threads = 2',
)  # fmt: skip
WORDS = (
    "retrieval", "sparse", "vector", "document", "gradient", "protein", "market", "glacier", "theorem", "kernel",
    "river", "orbit", "enzyme", "tax",
)  # fmt: skip
RUN = """
import cProfile, pstats, sys
from harness.cli.app import main
profile = sys.argv.pop(1) == "profile"
watch = cProfile.Profile()
try:
    watch.runcall(main) if profile else main()
finally:
    if profile: pstats.Stats(watch).strip_dirs().sort_stats("cumulative").print_stats(70)
"""


def collection(folder, number):
    """40 documents and 20 queries in BEIR's layout."""
    (folder / "qrels").mkdir(parents=True)
    texts = [f"{WORDS[n % 14]} {WORDS[(n * 3 + number) % 14]} {WORDS[n * n % 14]} text {n}" for n in range(40)]
    rows = [json.dumps({"_id": f"d{n}", "title": "", "text": text}) for n, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("\n".join(rows) + "\n")
    queries = [json.dumps({"_id": f"q{n}", "text": texts[n].rsplit(" ", 2)[0]}) for n in range(20)]
    (folder / "queries.jsonl").write_text("\n".join(queries) + "\n")
    lines = "".join(f"q{n}\td{n}\t1\n" for n in range(20))
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{lines}")


def spec(folder, collections, systems):
    """The file of an experiment over the first collections."""
    parts = ['name = "stored"', '[encoders.bm25]\ntype = "bm25"', "[measure]\nprocesses = 1\nrepeats = 1\nqueries = 20"]
    parts += [f'[collections.c{n:03}]\ntype = "beir"\npath = "{folder / f"c{n:03}"}"' for n in range(collections)]
    for number in range(systems):
        parts.append(f"[indexes.engine{number}]\n{ENGINES[number]}")
        parts.append(f'[[systems]]\nname = "System {number}"\nencoder = "bm25"\nindex = "engine{number}"')
    file = folder / f"spec{collections}.toml"
    file.write_text("\n".join(parts) + "\n")
    return file


def fill(folder, whole):
    """Give each stage of the whole run what the stage of the first collection made."""
    store = Store(folder / "store")
    _, _, stages = plan_experiment(whole)
    first = {stage.label: stage for stage in stages if "c000" in stage.label}
    for stage in stages:
        name = next((word for word in stage.label.replace(",", "").split() if word in NAMES), "c000")
        if name == "c000":  # or of no collection
            continue
        made = store.get(first[stage.label.replace(name, "c000")].key)
        with store.unfinished(stage.key) as directory:
            shutil.copytree(made.files, directory / "files", dirs_exist_ok=True)
            store.commit(
                directory, key=stage.key, kind=stage.kind, label=stage.label, recipe=stage.recipe, result=made.result,
                seconds=made.seconds, peak_bytes=made.peak_bytes,
            )  # fmt: skip
    return len(stages)


NAMES = {f"c{n:03}" for n in range(1000)}


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--collections", type=int, default=32)
    asked.add_argument("--systems", type=int, default=6, choices=range(1, len(ENGINES) + 1))
    asked.add_argument("--turns", type=int, default=2)
    asked.add_argument("--profile", action="store_true")
    asked.add_argument("--keep", type=Path, help="a folder that is kept, and used again where it is there")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)).absolute()
        if not (folder / f"spec{given.collections}.toml").exists():
            for number in range(given.collections):
                collection(folder / f"c{number:03}", number)
            run_experiment(spec(folder, 1, given.systems), store=folder / "store", out=folder / "first")
            stages = fill(folder, spec(folder, given.collections, given.systems))
            print(f"{stages:,} stages of {given.systems} systems over {given.collections} collections")
        command = ["run", str(folder / f"spec{given.collections}.toml"), "--quiet"]
        command += ["--store", str(folder / "store"), "--out", str(folder / "out")]
        shutil.rmtree(folder / "out", ignore_errors=True)
        print("| run | s | s of processor time |\n|---|---|---|", flush=True)
        for turn in range(given.turns):
            began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            mode = "profile" if given.profile else "plain"
            done = subprocess.run(
                [sys.executable, "-c", RUN, mode, *command],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                check=True,
                capture_output=not given.profile,
                text=True,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            name = "with its figures" if turn == 0 else "again"
            print(f"| {name} | {time.perf_counter() - began:.1f} | {used:.1f} |", flush=True)
        print("" if given.profile else next(line for line in done.stdout.splitlines() if "stages" in line or line))


if __name__ == "__main__":
    main()
