"""Estimates of what a spec costs, before anything is fetched."""

import json
import re
from pathlib import Path

import pytest
from small_specs import BM25, beir, system, write_spec
from typer.testing import CliRunner

from harness.cli import app as cli
from harness.collections.mteb_task import MtebParams, MtebTask

ROOT = Path(__file__).parents[2]
SUITES = str(ROOT / "experiments/suites.toml")


def test_sizes_of_tasks_are_known_without_their_data(monkeypatch):
    mteb = pytest.importorskip("mteb")
    monkeypatch.setattr(type(mteb.get_task("SciFact")), "load_data", lambda *_, **__: pytest.fail("it was fetched"))
    said = MtebTask(MtebParams(task="SciFact")).sizes()
    assert said[:2] == (5183, 300)
    assert said.document_characters == pytest.approx(1499.4, abs=0.1)
    assert MtebTask(MtebParams(task="MSMARCO")).sizes()[:2] == (8_841_823, 6_980)
    assert MtebTask(MtebParams(task="SciFact", split="nope")).sizes() is None


def test_the_whole_suite_by_hand():
    pytest.importorskip("mteb")
    found = CliRunner().invoke(cli.app, ["costs", SUITES, "--json"])
    rows = [row for row in json.loads(found.output) if row["encoder"] == "laconic-8b"]
    assert len(rows) == 26
    scifact = next(row for row in rows if "SciFact" in row["collection"])
    body = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    query = 90.34666666666666 / 4.5
    by_hand = sum(
        count * (2 * (body + 4096 * 128_256) * n + 4 * 32 * 4096 * n * n) for count, n in ((5183, 256), (300, query))
    )
    assert scifact["operations"] == pytest.approx(by_hand, rel=1e-9)
    assert scifact["tokens"] == pytest.approx(5183 * 256 + 300 * query)
    assert scifact["vector_bytes"] == 5183 * 512 * 8
    table = CliRunner().invoke(cli.app, ["costs", SUITES, "--speed", "1e14", "--price", "2"]).output
    line = next(line for line in table.splitlines() if line.startswith("laconic-8b"))
    cells = re.split(r"  +", line)
    hours = sum(row["operations"] for row in rows) / 1e14 / 3600
    assert cells[1:3] == ["26", f"{sum(row['documents'] for row in rows):,}"]
    assert cells[5:7] == [f"{hours:,.3g}", f"{2 * hours:,.3g}"]


def test_a_folder_is_counted_and_what_is_not_known_is_said(tmp_path):
    sizes = {
        "model_type": "llama",
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 4,
    }
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text(json.dumps({**sizes, "vocab_size": 100}))
    (tmp_path / "corpus.jsonl").write_text('{"_id": "1", "title": "", "text": "123456789"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "123"}\n')
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t1\n")
    laconic = {"type": "laconic", "backbone": str(tmp_path / "model")}
    encoders = {**BM25, "laconic": laconic, "unknown": {"type": "laconic", "backbone": "somebody/else"}}
    spec = write_spec(
        tmp_path, collections={"mine": beir(tmp_path)}, encoders=encoders, systems=[system(n, n) for n in encoders]
    )
    found = CliRunner().invoke(cli.app, ["costs", str(spec), "--json"])
    known, unknown = json.loads(found.output)
    assert (known["encoder"], known["documents"], known["tokens"]) == ("laconic", 1, pytest.approx(9 / 4.5 + 3 / 4.5))
    assert (unknown["encoder"], unknown["why"]) == ("unknown", "how large the model is")
    table = CliRunner().invoke(cli.app, ["costs", str(spec)]).output
    assert "not known: unknown / mine: how large the model is" in table
    assert "bm25" not in table
    some = CliRunner().invoke(cli.app, ["costs", str(spec), "--only", "unknown", "--json"])
    assert [row["encoder"] for row in json.loads(some.output)] == ["unknown"]
    wrong = CliRunner().invoke(cli.app, ["costs", str(spec), "--only", "unknwn"])
    assert "did you mean 'unknown'?" in str(wrong.exception)
