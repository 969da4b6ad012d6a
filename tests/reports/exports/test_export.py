"""Exports hold what the run holds, in formats that others read."""

import csv
import gzip
import io
import json

import pytest

from harness.errors import UserError
from harness.runs.read import load_run
from reports.exports.export import export
from reports.exports.text_summary import badge

HOSTILE = "<script>alert(1)</script>"


def test_csv_json_and_parquet_hold_every_record(run_folder, tmp_path):
    import pyarrow.parquet as pq

    run = load_run(run_folder)
    as_json = json.loads(export(run, "json"))
    as_csv = list(csv.DictReader(io.StringIO(export(run, "csv"))))
    export(run, "parquet", out=tmp_path / "records.parquet")
    table = pq.read_table(tmp_path / "records.parquet")
    assert table.to_pylist() == as_json
    assert table.schema.metadata[b"run"] == b"synthetic-1"
    assert [row["value"] for row in as_json] == [record.value for record in run.records]
    assert [float(row["value"]) for row in as_csv] == [record.value for record in run.records]
    assert as_csv[0]["ci_low"] == repr(run.records[0].ci_low)


def test_per_query_table(run_folder, tmp_path):
    run = load_run(run_folder)
    found = json.loads(export(run, "json", "per-query"))
    assert len(found) == 6 * 60
    values = {(r["collection"], r["system"], r["metric"], r["query"]): r["value"] for r in found}
    assert values["alpha", "dense_1", "ndcg@10", "q7"] == run.quality["alpha", "dense_1", "ndcg@10"]["q7"]
    assert export(run, "csv", "per-query", tmp_path / "q.csv") == f"{tmp_path / 'q.csv'}\n"
    assert len((tmp_path / "q.csv").read_text().splitlines()) == 361


def test_pyperf_reads_every_time_by_process(run_folder, tmp_path):
    import pyperf

    run, out = load_run(run_folder), tmp_path / "times.json"
    assert export(run, "pyperf", out=out) == f"{out}\n"
    found = {one.get_name(): one for one in pyperf.BenchmarkSuite.load(str(out)).get_benchmarks()}
    assert len(found) == 3 * len(run.latency)
    (collection, system), sides = next(iter(run.latency.items()))
    one = found[f"{system} / {collection}, search"]
    assert [list(process.values) for process in one.get_runs()] == [t.T.ravel().tolist() for t in sides["search"]]
    assert one.mean() == pytest.approx(sides["search"].mean())
    with pytest.raises(UserError, match="needs a file or folder"):
        export(run, "pyperf")
    run.latency.clear()
    with pytest.raises(UserError, match="no times"):
        export(run, "pyperf", out=out)


def test_names_are_no_formulas(run_folder):
    text = (run_folder / "records.jsonl").read_text().replace('"dense_1"', '"=1+1"')
    (run_folder / "records.jsonl").write_text(text)
    assert "'=1+1" in export(load_run(run_folder), "csv")


def test_trec_runs_keep_their_lines_under_a_header(run_folder, tmp_path):
    ir_measures = pytest.importorskip("ir_measures")
    (run_folder / "runs").mkdir(exist_ok=True)
    body = "q1 Q0 d1 1 2.5 tag\nq1 Q0 d2 2 1.5 tag\n"
    with gzip.open(run_folder / "runs" / "000.trec.gz", "wt") as file:
        file.write(body)
    printed = export(load_run(run_folder), "trec", out=tmp_path / "trec")
    text = (tmp_path / "trec" / "000.trec").read_text()
    assert printed == f"{tmp_path / 'trec' / '000.trec'}\n"
    lines = text.splitlines()
    assert (lines[0], lines[-3]) == ("# ir_metadata.start", "# ir_metadata.end")
    header = dict(line.removeprefix("# ").split(": ", 1) for line in lines[1:-3])
    assert json.loads(header["data"])["test_collection"]["name"] == "alpha"
    assert json.loads(header["resources"])["records"]["index_bytes_per_document"] == 290
    plain = "".join(line + "\n" for line in lines if not line.startswith("#"))
    assert plain == body
    assert len(list(ir_measures.read_trec_run(plain))) == 2


def test_text_is_plain_and_says_what_failed(run_folder):
    run = load_run(run_folder)
    run.facts["title"] = "red \x1b[31m title"
    text = export(run, "text")
    assert "\x1b" not in text
    assert "SUPPORTED: less memory" in text
    assert "broken (oom)" in text
    (best,) = [line for line in text.split("alpha (*")[1].split("beta (*")[0].splitlines() if line.startswith("sparse")]
    assert "*" in best


def test_badge_tells_the_worst(run_folder):
    run = load_run(run_folder)
    assert badge(run) == {
        "schemaVersion": 1, "label": "synthetic", "message": "2 of 4 claims supported", "color": "yellow",
    }  # fmt: skip
    run.facts["claims"] = run.facts["claims"][:1]
    assert badge(run)["color"] == "brightgreen"
    run.facts["claims"] = [{**run.facts["claims"][0], "reduction_at_least": 0.9}]
    assert badge(run)["color"] == "red"
    run.facts["claims"] = []
    assert json.loads(export(run, "badge"))["message"] == "no claims"


def test_mistakes_are_named(run_folder, tmp_path):
    run = load_run(run_folder)
    with pytest.raises(UserError, match="did you mean 'parquet'"):
        export(run, "parket")
    with pytest.raises(UserError, match="--out"):
        export(run, "parquet")
    with pytest.raises(UserError, match="per-query"):
        export(run, "csv", "queries")
    with pytest.raises(UserError, match="cannot write"):
        export(run, "csv", out=tmp_path / "no" / "where.csv")
