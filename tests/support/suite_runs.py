"""A run over a suite whose values are known: three tasks, one of them of two parts, and a collection beside them."""

import json

import numpy as np

from harness.records import record, write_records

TASKS = {"First": ["c1"], "Second": ["c2"], "Forum": ["p1", "p2"]}
WEIGHTS = {"c1": 1 / 3, "c2": 1 / 3, "p1": 1 / 6, "p2": 1 / 6}
DOCUMENTS = {"c1": 100, "c2": 1000, "p1": 50, "p2": 50, "beside": 10}
LEVELS = {
    "good": {"c1": 0.8, "c2": 0.6, "p1": 0.4, "p2": 0.2, "beside": 0.1},
    "other": {"c1": 0.7, "c2": 0.5, "p1": 0.3, "p2": 0.1, "beside": 0.2},
}
MEANS = {"good": (0.8 + 0.6 + 0.3) / 3, "other": (0.7 + 0.5 + 0.2) / 3}
BYTES = {"good": 10.0, "other": 20.0}


def write_suite_run(folder, *, failed=None, left_out=(), suites=None, claims=(), **facts):
    """Write the run folder; `failed` is {(collection, system): reason}, `left_out` cells that were never planned."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows, lines, systems = np.random.default_rng(1), [], [], []
    failed = failed or {}
    for name, levels in LEVELS.items():
        for collection, level in levels.items():
            noise = rng.normal(0, 0.02, 40)
            if (collection, name) in left_out:
                continue
            reason = failed.get((collection, name), "")
            systems.append(
                {"name": name, "collection": collection, "status": "failed" if reason else "ok", "reason": reason,
                 "encoder": name, "encoder_type": "bm25", "index": "i", "index_type": "inverted", "stages": {}}
            )  # fmt: skip
            if reason:
                continue
            values = level + noise - noise.mean()
            rows.append(record("r", collection, name, "ndcg@10", level, method="m", n=40))
            size = BYTES[name] * (2 if collection == "c1" else 1)
            rows.append(record("r", collection, name, "index_bytes_per_document", size, method="m"))
            rows.append(record("r", collection, name, "index_bytes", size * DOCUMENTS[collection], method="m"))
            lines += [
                {"collection": collection, "system": name, "query": f"q{i}", "metric": "ndcg@10", "value": float(value)}
                for i, value in enumerate(values)
            ]
    body = {
        "schema": 2, "run": "r", "name": "suite", "title": "A suite", "description": "", "created": "2026-01-01",
        "spec_hash": "e", "spec_text": 'name = "suite"', "overrides": [], "command": "c", "provenance": {},
        "machine": "m", "measure": {"confidence": 0.95}, "environment": {}, "systems": systems, "stages": [],
        "notes": [],
        "collections": {
            one: {"documents": count, "queries": 40, "judgements": 40, "queries_left_out": 0, "revision": "d",
                  "identifier_bytes": 1, "description": {}, "warnings": []}
            for one, count in DOCUMENTS.items()
        },
        "suites": {"S": TASKS} if suites is None else suites, "claims": list(claims), **facts,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(body))
    write_records(folder / "records.jsonl", rows)
    (folder / "per_query.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
