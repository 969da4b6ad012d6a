"""Paper tables of a run over a suite: a column a task, the suite's own mean, the parts on demand."""

import csv
import io
import json

import pytest
from suite_runs import BYTES, DOCUMENTS, MEANS, write_suite_run

from harness.runs.read import load_run
from reports.exports.export import export
from reports.exports.paper_tables import table
from reports.exports.quoted import read_quoted
from reports.exports.table_columns import names
from reports.exports.text_summary import summary


def rows_of(run, *arguments, **more):
    return list(csv.reader(io.StringIO(table(run, *arguments, form="csv", **more))))


def alone(folder, **more):
    """A run over a suite and nothing beside it."""
    return load_run(write_suite_run(folder, left_out={("beside", "good"), ("beside", "other")}, **more))


def test_a_column_a_task_and_the_mean_of_the_suite(tmp_path):
    head, good, other = rows_of(alone(tmp_path), ["ndcg@10"])
    assert head[1:] == ["System", "First", "Second", "Forum", "Average"]
    assert good[1:] == ["good", "0.800", "0.600", "0.300", "0.567"]
    assert other[1:] == ["other", "0.700", "0.500", "0.200", "0.467"]


def test_letters_of_tasks_and_of_the_mean_are_tested(tmp_path):
    text = table(alone(tmp_path), ["ndcg@10"])
    assert "| a | good | **0.800** ^b^ | **0.600** ^b^ | **0.300** ^b^ | **0.567** ^b^ |" in text


def test_parts_on_demand(tmp_path):
    head, good, _ = rows_of(alone(tmp_path), ["ndcg@10"], parts=True)
    assert head[2:] == ["First", "Second", "p1", "p2", "Average"]
    assert good[2:] == ["0.800", "0.600", "0.400", "0.200", "0.567"]


def test_several_metrics_are_those_of_the_suite(tmp_path):
    head, good, _ = rows_of(alone(tmp_path), ["ndcg@10", "index_bytes_per_document"])
    assert head[2:] == ["nDCG@10", "Index bytes per document"]
    assert good[2:] == ["0.567", "11"]
    head, good, _ = rows_of(load_run(write_suite_run(tmp_path / "more")), ["ndcg@10", "index_bytes"])
    assert head[2:] == ["S nDCG@10", "S Index size", "beside nDCG@10", "beside Index size"]
    total = sum(BYTES["good"] * (2 if one == "c1" else 1) * n for one, n in DOCUMENTS.items() if one != "beside")
    assert good[3] == f"{total:.0f}"


def test_a_collection_beside_the_suite_is_not_in_its_mean(tmp_path):
    head, good, _ = rows_of(load_run(write_suite_run(tmp_path)), ["ndcg@10"])
    assert head[2:] == ["First", "Second", "Forum", "Average of S", "beside"]
    assert good[5:] == ["0.567", "0.100"]


def test_an_incomplete_suite_has_no_mean(tmp_path):
    _, good, other = rows_of(alone(tmp_path, failed={("p1", "good"): "x"}), ["ndcg@10"])
    assert good[2:] == ["0.800", "0.600", "", ""]
    assert other[5] == "0.467"


@pytest.mark.parametrize(("line", "wanted"), [
    ("x,70,60,20", ["0.700", "0.600", "0.200", "0.500"]), ("x,70,,20", ["0.700", "", "0.200", ""]),
])  # fmt: skip
def test_quoted_numbers_are_by_task(tmp_path, line, wanted):
    run = alone(tmp_path / "run")
    (tmp_path / "q.csv").write_text(f"model,First,Second,forum\n{line}\n")
    quoted = read_quoted(tmp_path / "q.csv", names(run))
    *_, last = rows_of(run, ["ndcg@10"], quoted=quoted)
    assert last[1:] == ["x", *wanted]


def test_exports_have_the_values_over_suites(tmp_path):
    run = load_run(write_suite_run(tmp_path / "run", failed={("p2", "good"): "x"}))
    rows = {(row["system"], row["metric"]): row for row in json.loads(export(run, "json", "suites"))}
    assert rows["other", "ndcg@10"]["value"] == pytest.approx(MEANS["other"])
    assert rows["good", "ndcg@10"]["value"] is None
    assert rows["good", "ndcg@10"]["missing"] == "p2 (failed: x)"
    assert export(run, "csv", "suites").startswith("run,suite,system,metric,value,")
    export(run, "parquet", "suites", tmp_path / "s.parquet")
    pyarrow = pytest.importorskip("pyarrow.parquet")
    assert len(pyarrow.read_table(tmp_path / "s.parquet")) == len(rows)


def test_the_text_begins_with_the_suite(tmp_path):
    text = summary(load_run(write_suite_run(tmp_path, failed={("p2", "good"): "x"})))
    assert text.index("S, means over 3 tasks (* best, beyond chance)") < text.index("c1 (* best")
    assert "good has no mean over S. Missing: Forum: p2 (failed: x)." in text
    assert "S, means" not in summary(load_run(write_suite_run(tmp_path / "none", suites={})))
