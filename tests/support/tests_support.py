"""What several tests make: a tiny collection, a cluster on this machine, a run, and one who watches it."""

import json
import os
import subprocess
import sys
import threading

from harness.metrics import metric


class Recorder:
    """A watcher that records events. `at` is called when a stage of this kind begins, `on_progress` at all progress."""

    def __init__(self, kind="", at=None, on_progress=lambda: None):
        self.kind, self.at, self.on_progress = kind, at, on_progress
        self.begun, self.ended, self.notes = [], [], []

    def begin(self, stage, number, total, expected=None):
        self.begun.append(stage.label)
        if stage.kind == self.kind and self.at:
            threading.Thread(target=self.at).start()
            self.at = None

    def progress(self, done, total, text, stage, memory=0):
        self.on_progress()

    def alive(self, stage, memory):
        pass

    def end(self, done, number, total):
        self.ended.append((done.stage.label, done.status, done.reused))

    def note(self, text):
        self.notes.append(text)


def run_warm(workers, order):
    """Let an idle process of these, or a fresh one, do an order; how it ended."""
    worker = workers.begin(order)
    outcome = worker.resume()
    workers.end(worker, outcome)
    return outcome


def write_collection(parent):
    """Six documents and three queries in BEIR's layout; returns the folder."""
    folder = parent / "data"
    (folder / "qrels").mkdir(parents=True)
    words = ["apple", "pear", "plum", "fig", "kiwi", "grape"]
    rows = [
        json.dumps({"_id": f"d{i}", "title": "", "text": f"{words[i]} {words[(i + 1) % 6]} tree"}) for i in range(6)
    ]
    (folder / "corpus.jsonl").write_text("\n".join(rows))
    (folder / "queries.jsonl").write_text("\n".join(json.dumps({"_id": f"q{i}", "text": words[i]}) for i in range(3)))
    judgements = "".join(f"q{i}\td{i}\t1\n" for i in range(3))
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judgements)
    return folder


def local_cluster(head, *nodes):
    """Ray on this machine: a head and nodes, each with so many processors; returns the cluster and its nodes."""
    from ray.cluster_utils import Cluster

    # It kills workers where other work has the machine's memory. Ray spells the name so.
    os.environ["RAY_memory_monitor_refresh_ms"] = "0"  # noqa: SIM112
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": head, "include_dashboard": False})
    return cluster, [cluster.add_node(num_cpus=count) for count in nodes]


def start_run(folder, *options):
    """``laconic-bench run small.toml`` in this folder, in a process of its own, its output in pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", "from harness.start import main; main()", "run", "small.toml", *options],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def numbers(folder):
    """Every record of the small run that no clock and no memory meter decides: counts, bytes and quality."""
    rows = [json.loads(line) for line in (folder / "runs/small/records.jsonl").read_text().splitlines()]
    kept = {"ndcg@10", "recall@10", "recall@100", "mrr@10"}
    return {(r["system"], r["metric"]): r["value"] for r in rows if r["metric"] in kept or metric(r["metric"]).repeats}
