"""A run with a sweep of four settings and an exact engine, whose recall and latency are known."""

import json
from dataclasses import replace

from runs import write_run

from harness.records import read_records, write_records
from harness.runs.read import load_run

POINTS = {
    "IVF (nprobe=1)": (0.7, 1e-4),
    "IVF (nprobe=2)": (0.9, 2e-4),
    "IVF (nprobe=4)": (0.9, 8e-4),
    "IVF (nprobe=8)": (0.95, 4e-4),
    "flat": (1.0, 2e-3),
}
"""Recall at 100 against exact, and mean seconds of a search."""


def swept_run(folder, *, k=100, intervals=True):
    """Write and load it; recall has intervals of +- 0.02 for the swept engine, latency of +- 10 % for both."""
    values = {}
    for system, (recall, latency) in POINTS.items():
        values[system, "recall_vs_exact@10"] = recall
        values[system, "recall_vs_exact@100"] = recall
        values[system, "recall_vs_exact@1000"] = 1.0
        values[system, "latency_search/mean"] = latency
    write_run(folder, values=values, measure={"k": k})
    rows = read_records(folder / "records.jsonl")
    if intervals:
        write_records(folder / "records.jsonl", [_with_interval(row) for row in rows])
    facts = json.loads((folder / "run.json").read_text())
    facts["collections"]["alpha"] |= {
        "documents": 9, "queries": 3, "queries_left_out": 0, "judgements": 3, "description": {}, "warnings": [],
    }  # fmt: skip
    for system in facts["systems"]:
        system["curve"] = "" if system["name"] == "flat" else "IVF"
    (folder / "run.json").write_text(json.dumps(facts))
    return load_run(folder)


def _with_interval(row):
    if row.metric.startswith("latency"):
        return replace(row, ci_low=row.value * 0.9, ci_high=row.value * 1.1)
    return replace(row, ci_low=row.value - 0.02, ci_high=row.value + 0.02) if row.system != "flat" else row
