"""A real collection through the shipped spec: published quality, and ir_measures' own reading of the written run."""

import json
import subprocess
import sys
from pathlib import Path

import ir_measures
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCIFACT = ROOT.parent / "shared" / "collections" / "scifact"


@pytest.mark.integration
@pytest.mark.slow
def test_bm25_through_the_spec(tmp_path, monkeypatch):
    if not SCIFACT.is_dir():
        pytest.skip("the collection scifact is not beside the checkout")
    monkeypatch.setenv("SCIFACT", str(SCIFACT))
    run = subprocess.run(
        [
            sys.executable, "-c", "from harness.cli.app import main; main()", "run", ROOT / "experiments/scifact.toml",
            "--only", "BM25", "--set", "measure.queries=20", "--set", "measure.processes=1",
        ],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    folder = tmp_path / "runs/scifact"
    rows = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    found = {row["metric"]: row["value"] for row in rows}
    assert 0.66 <= found["ndcg@10"] <= 0.70
    qrels = list(ir_measures.read_trec_qrels(trec_qrels(SCIFACT / "qrels/test.tsv")))
    theirs = ir_measures.calc_aggregate(
        [ir_measures.nDCG @ 10, ir_measures.R @ 100, ir_measures.RR @ 10],
        qrels,
        list(ir_measures.read_trec_run(str(folder / "runs/000.trec.gz"))),
    )
    for measure, name in ((ir_measures.nDCG @ 10, "ndcg@10"), (ir_measures.R @ 100, "recall@100")):
        assert theirs[measure] == pytest.approx(found[name], abs=1e-6)
    assert theirs[ir_measures.RR @ 10] == pytest.approx(found["mrr@10"], abs=1e-6)


def trec_qrels(path):
    rows = (line.split("\t") for line in path.read_text().splitlines()[1:])
    return "".join(f"{query} 0 {document} {relevance}\n" for query, document, relevance in rows)
