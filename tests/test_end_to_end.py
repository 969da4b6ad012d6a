"""One spec in, one report out; a second run reuses everything; bad specs get one clear message."""

import json
import subprocess
import sys

import numpy as np
import pytest
from small_specs import FLAT, HOSTILE, INVERTED, system, write_spec


@pytest.fixture
def spec(tmp_path):
    return write_spec(tmp_path, indexes={**INVERTED, **FLAT}, systems=[system(HOSTILE)])


def call(spec, *arguments):
    return subprocess.run(
        [sys.executable, "-c", "from harness.cli.app import main; main()", *arguments],
        cwd=spec.parent,
        capture_output=True,
        text=True,
    )


def test_run_twice(spec):
    first = call(spec, "run", str(spec))
    assert first.returncode == 0, first.stderr
    records = [json.loads(line) for line in (spec.parent / "runs/small/records.jsonl").read_text().splitlines()]
    assert {"ndcg@10", "index_bytes", "latency_total/p50", "postings_touched"} <= {row["metric"] for row in records}
    assert "<script>alert" not in (spec.parent / "runs/small/report.html").read_text()
    second = call(spec, "run", str(spec))
    assert second.returncode == 0
    assert "0 done now" in second.stdout
    again = [json.loads(line) for line in (spec.parent / "runs/small/records.jsonl").read_text().splitlines()]
    assert again == records


def test_damaged_artefact_is_named_and_made_again(spec):
    assert call(spec, "run", str(spec)).returncode == 0
    path = next(spec.parent.glob(".laconic-bench/objects/*/*/files/documents.jsonl"))
    path.write_bytes(path.read_bytes()[:-1])
    again = call(spec, "run", str(spec))
    assert again.returncode == 0
    assert "damaged and made again: prepare mine" in again.stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('type = "bm25"', 'type = "bm26"', ["small.toml:6", "encoders.bm25.type", "did you mean 'bm25'"]),
        ('type = "bm25"', 'type = "bm25"\nk2 = 1', ["encoders.bm25.k2", "unknown key", "k1"]),
        ('index = "inverted"', 'index = "flat"', ["systems[0].index", "impossible pair"]),
        ('index = "inverted"', 'index = "invertd"', ["did you mean 'inverted'"]),
        ("repeats = 1", 'repeats = "x"', ["measure.repeats", "'x'"]),
        ("repeats = 1", "repets = 1", ["measure.repets", "did you mean 'repeats'"]),
        ("[measure]", "[measure", ["not TOML", "line"]),
        ('name = "small"', 'name = "a/b"', ["name", "a letter or digit"]),
    ],
)
def test_bad_specs(spec, old, new, words):
    spec.write_text(spec.read_text().replace(old, new, 1))
    found = call(spec, "plan", str(spec))
    assert found.returncode == 2
    assert "Traceback" not in found.stderr
    for word in words:
        assert word in found.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("corpus.jsonl", '{"_id": "d1"', '{"_id" "d1"', ["corpus.jsonl:2", "not JSON"]),
        ("corpus.jsonl", '"d1"', '"d0"', ["corpus.jsonl:2", "twice"]),
        ("qrels/test.tsv", "q1\td1\t1", "q1 d1", ["test.tsv:3", "not a judgement"]),
    ],
)
def test_bad_data(spec, file, old, new, words):
    path = spec.parent / "data" / file
    path.write_text(path.read_text().replace(old, new, 1))
    found = call(spec, "run", str(spec))
    assert found.returncode == 1
    for word in words:
        assert word in found.stderr


def test_null_control_times_each_system_under_two_names(spec):
    two = ("--set", "measure.processes=2")
    assert call(spec, "run", str(spec), *two).returncode == 0
    found = call(spec, "run", str(spec), *two, "--null", "--only", "<script>alert(1)</script>")
    assert found.returncode == 0, found.stderr
    begun = [line for line in found.stderr.splitlines() if line.endswith(" ...")]
    assert not [line for line in begun if any(word in line for word in ("encode", "build", "search"))]  # shared
    records = [json.loads(line) for line in (spec.parent / "runs/small-null/records.jsonl").read_text().splitlines()]
    ratios = {r["metric"]: r for r in records if r["metric"].startswith("null_ratio/")}
    assert {r["system"] for r in ratios.values()} == {"<script>alert(1)</script>"}
    assert "null_ratio/search p50" in ratios
    rows = [json.loads(line) for line in (spec.parent / "runs/small-null/conditions.jsonl").read_text().splitlines()]
    rounds = {}
    for row in rows:
        if row["kind"] == "latency":
            rounds.setdefault(row["round"], []).append(row["system"])
    # The first was timed alone before; beside its twin it was timed again, in turns with it.
    assert "" not in rounds
    assert [len(systems) for systems in rounds.values()] == [2, 2]
    with np.load(spec.parent / "runs/small-null/latency.npz") as samples:  # processor seconds: processes x passes
        assert samples["0/search_cpu"].shape == samples["0/encode_cpu"].shape == (2, 1)
    assert "against itself, search p50" in (spec.parent / "runs/small-null/report.html").read_text()
