"""What an export writes, another program reads back: the same numbers, and names that run nothing."""

import csv
import io
import json
from dataclasses import asdict, fields

import pyarrow.parquet as pq
import pytest

from harness.errors import UserError
from harness.records import Record
from harness.runs.read import load_run
from reports.exports.export import FORMATS, export
from reports.exports.text_summary import badge, summary

RECORD_COLUMNS = tuple(field.name for field in fields(Record))
QUERY_COLUMNS = ("run", "collection", "system", "query", "metric", "value")


@pytest.fixture
def run(run_folder):
    return load_run(run_folder)


def test_json_holds_every_record_with_every_column(run):
    found = json.loads(export(run, "json"))
    assert len(found) == len(run.records)
    assert all(tuple(row) == RECORD_COLUMNS for row in found)
    assert [row["value"] for row in found] == [record.value for record in run.records]


def test_csv_holds_the_values_digit_for_digit(run):
    found = list(csv.DictReader(io.StringIO(export(run, "csv"))))
    assert tuple(found[0]) == RECORD_COLUMNS
    assert [float(row["value"]) for row in found] == [record.value for record in run.records]
    assert [row["n"] for row in found] == ["" if r.n is None else str(r.n) for r in run.records]


def test_csv_of_queries_holds_each_query_of_each_system(run):
    found = list(csv.DictReader(io.StringIO(export(run, "csv", "per-query"))))
    assert tuple(found[0]) == QUERY_COLUMNS
    values = {(r["collection"], r["system"], r["metric"], r["query"]): float(r["value"]) for r in found}
    assert values == {(*key, query): value for key, own in run.quality.items() for query, value in own.items()}


@pytest.mark.parametrize("what", ["records", "per-query"])
def test_parquet_holds_the_rows_and_which_run_they_are_of(run, tmp_path, what):
    export(run, "parquet", what, tmp_path / "t.parquet")
    found = pq.read_table(tmp_path / "t.parquet")
    queries = [
        dict(zip(QUERY_COLUMNS, ("synthetic-1", c, s, query, m, value), strict=True))
        for (c, s, m), own in run.quality.items()
        for query, value in own.items()
    ]
    assert found.to_pylist() == (queries if what == "per-query" else [asdict(row) for row in run.records])
    assert found.schema.metadata[b"run"] == b"synthetic-1"
    assert found.schema.metadata[b"spec_hash"] == b"ab" * 32


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t"])
def test_a_spreadsheet_runs_no_name(run_folder, sign):
    path = run_folder / "records.jsonl"
    path.write_text(path.read_text().replace('"dense_1"', json.dumps(f"{sign}1+1")))
    names = {row["system"] for row in csv.DictReader(io.StringIO(export(load_run(run_folder), "csv")))}
    assert f"'{sign}1+1" in names
    assert f"{sign}1+1" not in names


@pytest.mark.parametrize("form", ["parquet", "pyperf", "trec", "mteb"])
def test_formats_that_are_files_ask_for_a_place(run, form):
    assert form in FORMATS
    with pytest.raises(UserError, match="needs a file or folder to write"):
        export(run, form)


def test_a_place_that_cannot_be_written_is_a_message(run, tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        export(run, "csv", out=tmp_path / "nowhere" / "t.csv")


def test_the_printed_text_and_the_file_are_the_same(run, tmp_path):
    for form in ("csv", "json", "text", "badge", "md"):
        assert export(run, form, out=tmp_path / form) == f"{tmp_path / form}\n"
        assert (tmp_path / form).read_text(encoding="utf-8") == export(run, form)


def test_the_summary_names_each_verdict_and_each_system_and_steers_no_terminal(run_folder):
    text = (run_folder / "run.json").read_text().replace("Synthetic ", "Synthetic \\u001b[31m")
    (run_folder / "run.json").write_text(text)
    found = summary(load_run(run_folder))
    assert "SUPPORTED: less memory" in found
    assert "broken (oom)" in found
    assert "\x1b" not in found
    assert all(line == line.rstrip() for line in found.splitlines() if "sparse & co" in line)


def test_the_badge_takes_the_colour_of_the_worst_verdict(run_folder):
    path = run_folder / "run.json"
    facts = json.loads(path.read_text())
    (good, broken), colours = facts["claims"], {}
    for name, claims in {"none": [], "good": [good], "bad": [{**good, "reduction_at_least": 0.9}, good]}.items():
        path.write_text(json.dumps({**facts, "claims": claims}))
        colours[name] = badge(load_run(run_folder))["color"]
    assert colours == {"none": "lightgrey", "good": "brightgreen", "bad": "red"}
    path.write_text(json.dumps({**facts, "claims": [good, broken]}))
    assert badge(load_run(run_folder))["message"].endswith("of 4 claims supported")
