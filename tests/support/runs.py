"""Run folders whose records are known."""

import json

import numpy as np

from harness.records import record, write_records


def write_run(
    folder, *, day=1, values=None, machine="m1", revision="a" * 40, name="nightly", data="d1", quality=None,
    latency=None, **facts,
):  # fmt: skip
    """A finished run: values by (system, metric) on the collection alpha, on a day of January 2026.

    `quality` is {system: {query: ndcg@10}}, `latency` {system: seconds as processes x queries x repeats}.
    """
    folder.mkdir(parents=True, exist_ok=True)
    values = {("s", "index_bytes"): 1000.0} if values is None else values
    systems = list(dict.fromkeys([*(s for s, _ in values), *(quality or {}), *(latency or {})]))
    for system, by_query in (quality or {}).items():
        values[system, "ndcg@10"] = sum(by_query.values()) / len(by_query)
    for system, seconds in (latency or {}).items():
        values[system, "latency_total/p50"] = float(np.median(seconds))
    rows = [record("r", "alpha", system, metric, value, method="m") for (system, metric), value in values.items()]
    write_records(folder / "records.jsonl", rows)
    body = {
        "schema": 1, "run": f"{name}-1", "name": name, "created": f"2026-01-{day:02d}T03:00:00+00:00",
        "spec_hash": "e" * 64, "spec_text": f'name = "{name}"', "overrides": [], "machine": machine,
        "title": name, "description": "", "command": "c",
        "provenance": {"laconic-bench": "0.1", "git revision": revision, "git changes": "none"},
        "environment": {"Machine": {"processor": "p", "cores": "2", "memory": "4 GiB"}},
        "collections": {"alpha": {"revision": data}},
        "systems": [
            {"name": s, "collection": "alpha", "status": "ok", "reason": "", "encoder": "e", "encoder_type": "bm25",
             "index": "i", "index_type": "inverted"}
            for s in systems
        ],
        "stages": [], "claims": [], "notes": [], **facts,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(body))
    queries = [
        {"collection": "alpha", "system": system, "query": query, "metric": "ndcg@10", "value": value}
        for system, by_query in (quality or {}).items()
        for query, value in by_query.items()
    ]
    (folder / "per_query.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    samples = {}
    for system, seconds in (latency or {}).items():
        place, (processes, asked, repeats) = systems.index(system), seconds.shape
        samples |= {
            f"{place}/process": np.repeat(np.arange(processes, dtype=np.int32), asked * repeats),
            f"{place}/query": np.tile(np.repeat(np.arange(asked, dtype=np.int32), repeats), processes),
            f"{place}/repeat": np.tile(np.arange(repeats, dtype=np.int32), processes * asked),
            f"{place}/encode": seconds.ravel() / 2,
            f"{place}/search": seconds.ravel() / 2,
        }
    np.savez(folder / "latency.npz", **samples)
    return folder
