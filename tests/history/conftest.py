"""Run folders whose records are known."""

import json

import pytest

from harness.records import record, write_records


def write_run(folder, *, day=1, values=None, machine="m1", revision="a" * 40, name="nightly", data="d1", **facts):
    """A finished run: values by (system, metric) on the collection alpha, on a day of January 2026."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {("s", "index_bytes"): 1000.0} if values is None else values
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
            for s in dict.fromkeys(system for system, _ in values)
        ],
        "stages": [], "claims": [], "notes": [], **facts,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(body))
    return folder


@pytest.fixture
def run(tmp_path):
    count = iter(range(1000))
    return lambda **facts: write_run(tmp_path / f"run{next(count)}", **facts)
