"""A run folder whose truth is known."""

import json

import numpy as np

from harness.records import record, write_records

HOSTILE = "<script>alert(1)</script>"
SYSTEMS = ("sparse & co", "dense_1", HOSTILE, "broken")


def build(folder, collections=("alpha", "beta")):
    """sparse beats dense by 0.2 on every query of alpha and ties with it on beta; hostile has no beta latency."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    rows, queries, latency, systems = [], [], {}, []
    for collection in collections:
        base = np.round(rng.uniform(0.3, 0.5, 60), 3)
        for place, name in enumerate(SYSTEMS):
            number = len(systems)
            bad = name == "broken"
            systems.append(
                {
                    "name": name, "collection": collection, "encoder": "e", "encoder_type": "t", "index": "i",
                    "index_type": "x", "status": "oom" if bad else "ok", "reason": "held too much" if bad else "",
                }
            )  # fmt: skip
            if bad:
                continue
            values = base + (0.2 if place == 0 and collection == "alpha" else 0.0) - (0.1 if place == 2 else 0.0)
            queries += [
                {"collection": collection, "system": name, "query": f"q{i}", "metric": "ndcg@10", "value": float(v)}
                for i, v in enumerate(values)
            ]
            mean = float(values.mean())
            rows.append(
                record("r", collection, name, "ndcg@10", mean, method="m", n=60, interval=(mean - 0.02, mean + 0.02))
            )
            rows.append(record("r", collection, name, "index_bytes_per_document", [290, 1000, 1000][place], method="m"))
            if place == 0:
                rows.append(record("r", collection, name, "active_terms_document", 90, method="m"))
            else:
                rows.append(record("r", collection, name, "dimensions", 128, method="m"))
            rows.append(record("r", collection, name, "index_bytes/ids", [290, 1000, 1000][place] * 1000, method="m"))
            rows.append(record("r", collection, name, "flops_encode_query", 1e9, method="formula", source="analytic"))
            if place == 2 and collection == "beta":
                continue
            seconds = (place + 1) * 1e-3 * rng.lognormal(0, 0.1, (2, 60, 2))
            latency |= {
                f"{number}/process": np.repeat(np.arange(2, dtype=np.int32), 120),
                f"{number}/query": np.tile(np.repeat(np.arange(60, dtype=np.int32), 2), 2),
                f"{number}/repeat": np.tile(np.arange(2, dtype=np.int32), 120),
                f"{number}/encode": seconds.ravel() * 0.9,
                f"{number}/search": seconds.ravel() * 0.1,
            }
            middle = float(np.median(seconds))
            rows.append(
                record(
                    "r",
                    collection,
                    name,
                    "latency_total/p50",
                    middle,
                    method="m",
                    n=240,
                    interval=(middle * 0.97, middle * 1.03),
                )
            )
    write_records(folder / "records.jsonl", rows)
    (folder / "per_query.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    (folder / "training.jsonl").write_text(
        '{"encoder": "e", "step": 1, "loss": 4.0, "active_document": 90.0}\n'
        '{"encoder": "e", "step": 2, "loss": 2.0, "active_document": 80.0, "validation_ndcg@10": 0.5}\n'
        '{"encoder": "twin", "step": 1, "loss": 3.0}\n'
    )
    np.savez(folder / "latency.npz", **latency)
    np.savez(folder / "active.npz", **{"0/document_terms": [80, 90, 120], "0/document_vectors": [3, 4, 1]})
    top = [{"document": "d1", "text": f"a {HOSTILE} page", "relevance": 1, "terms": [[HOSTILE, 1.5]]}]
    why = {"query": "q9", "text": f"what is {HOSTILE}", "first_relevant": 3, "top": top}
    (folder / "explain.jsonl").write_text(json.dumps({"collection": "alpha", "system": SYSTEMS[0], **why}) + "\n")
    conditions = [
        {
            "collection": "alpha", "system": name, "kind": "latency", "stage": f"latency of {name}", "processors": [1],
            "pinned": True, "threads_asked": 1, "threads_busy": 1, "waited_share": 0.5 * place, "others_share": 0.4,
            "steal_share": 0.0, "involuntary_switches": 1200, "major_faults": 3, "repeated": ["why"] * place,
            "disturbance": f"it waited {HOSTILE}" * place, "violation": "",
            "sentinel": [
                {"processor": 1.0, "memory": 2.0, "waiting": 1.0}, {"processor": 1.2, "memory": 2.0, "waiting": 1.0},
            ],
        }
        for place, name in enumerate(SYSTEMS[:2])
    ]  # fmt: skip
    (folder / "conditions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in conditions))
    claim = {
        "name": "less memory",
        "metric": "index_bytes_per_document",
        "system": SYSTEMS[0],
        "baseline": SYSTEMS[1],
        "reduction_at_least": 0.71,
    }
    facts = {
        "schema": 1, "run": "synthetic-1", "name": "synthetic", "title": "Synthetic " + HOSTILE,
        "description": "../../x",
        "created": "2026-01-01T00:00:00+00:00", "spec_hash": "ab" * 32,
        "spec_text": 'name = "synthetic" # ' + "x" * 300,
        "overrides": [], "command": "laconic-bench run", "provenance": {"git revision": "c" * 40},
        "environment": {"Machine": {"processor": "P" * 10_000}},
        "collections": {
            name: {
                "documents": 10, "queries": 60, "queries_left_out": 0, "judgements": 60, "revision": "d" * 64,
                "description": {"task": HOSTILE}, "warnings": ["one broken line"],
            }
            for name in collections
        },
        "systems": systems,
        "stages": [
            {
                "key": "k", "kind": "build", "label": "build x", "status": "oom", "reused": False, "seconds": 1.0,
                "reason": "held too much",
            }
        ],
        "claims": [claim, {**claim, "name": "a broken one", "system": "broken"}],
        "notes": [f"latency of {HOSTILE}: disturbed."],
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(facts))
    return folder
