"""Scores in mteb's layout, and beside published ones."""

import json

import pytest

from harness.errors import UserError
from harness.records import record, write_records
from harness.runs.read import load_run
from reports.exports.mteb_results import write_mteb
from reports.exports.published import compared, printed

TASKS = {"SciFact": 0.756, "ArguAna": 0.51, "NFCorpus": 0.40}


@pytest.fixture
def suite(run_folder):
    """The known run with a model on three tasks of mteb."""
    facts, rows = json.loads((run_folder / "run.json").read_text()), []
    for task, value in TASKS.items():
        name = f"all[task={task}]"
        about = {"task": f"{task} of mteb 2.26.24, split test", "split": "test", "subset": "default",
                 "languages": "eng-Latn", "data": f"mteb/{task.lower()} at revision {'d' * 40}"}  # fmt: skip
        facts["collections"][name] = {**facts["collections"]["alpha"], "description": about}
        model = {**facts["systems"][0], "name": "utahnlp/laconic-1b", "collection": name, "revision": "abc"}
        facts["systems"].append(model)
        rows.append(record("r", name, "utahnlp/laconic-1b", "ndcg@10", value, method="m", n=3))
        rows.append(record("r", name, "utahnlp/laconic-1b", "recall@100", 0.9, method="m", n=3))
    (run_folder / "run.json").write_text(json.dumps(facts))
    write_records(run_folder / "more.jsonl", rows)
    with (run_folder / "records.jsonl").open("a") as file:
        file.write((run_folder / "more.jsonl").read_text())
    return run_folder


def test_mteb_reads_what_was_written(suite, tmp_path):
    paths = write_mteb(load_run(suite), tmp_path / "out")
    assert sorted(path.name for path in paths) == sorted(f"{task}.json" for task in TASKS)
    path = tmp_path / "out/utahnlp__laconic-1b/abc/SciFact.json"
    results = pytest.importorskip("mteb.results")
    found = results.TaskResult.from_disk(path)
    assert found.task_name == "SciFact"
    assert found.get_score() == pytest.approx(0.756)
    assert found.dataset_revision == "d" * 40
    assert json.loads(path.read_text())["scores"]["test"][0]["recall_at_100"] == 0.9


def test_a_run_without_tasks(run_folder, tmp_path):
    with pytest.raises(UserError, match="no finished task of mteb"):
        write_mteb(load_run(run_folder), tmp_path)


def test_pass_near_and_fail(suite, tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text("model,SciFact,ArguAna,NFCorpus,NQ\nutahnlp/laconic-1b,75.6,50.0,30,60\nother,1,2,3,4\n")
    found = compared(load_run(suite), scores)
    assert {row.task: row.word for row in found} == {"SciFact": "pass", "ArguAna": "near", "NFCorpus": "fail"}
    text = printed(found)
    assert "| utahnlp/laconic-1b | ArguAna | 0.5100 | 0.5000 | +0.0100 | near |" in text
    assert "1 pass, 1 near, 1 fail" in text
    scores.write_text("model,SciFact\nsomebody/else,75.6\n")
    with pytest.raises(UserError, match="no row is a system of this run"):
        compared(load_run(suite), scores)


@pytest.fixture
def twelve(suite):
    """The same with the twelve parts of CQADupstack; returns the folder and their scores."""
    from harness.collections._suites import CQADUPSTACK

    facts = json.loads((suite / "run.json").read_text())
    rows, values = [], {}
    for number, task in enumerate(CQADUPSTACK):
        name, values[task] = f"all[task={task}]", 0.3 + number / 100
        about = {"task": f"{task} of mteb 2.26.24, split test", "split": "test", "subset": "default",
                 "languages": "eng-Latn", "data": f"mteb/{task.lower()} at revision {'e' * 40}"}  # fmt: skip
        facts["collections"][name] = {**facts["collections"]["alpha"], "description": about}
        model = {**facts["systems"][0], "name": "utahnlp/laconic-1b", "collection": name, "revision": "abc"}
        facts["systems"].append(model)
        rows.append(record("r", name, "utahnlp/laconic-1b", "ndcg@10", values[task], method="m"))
    (suite / "run.json").write_text(json.dumps(facts))
    write_records(suite / "more.jsonl", rows)
    with (suite / "records.jsonl").open("a") as file:
        file.write((suite / "more.jsonl").read_text())
    return suite, values


def test_cqadupstack_is_the_mean_of_its_parts(twelve, tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text("model,CQADupstackRetrieval\nutahnlp/laconic-1b,35.5\n")
    assert [(row.task, row.word) for row in compared(load_run(twelve[0]), scores)] == [("CQADupstackRetrieval", "pass")]


def test_the_twelve_have_the_file_that_mteb_makes_of_them(twelve, tmp_path):
    mteb = pytest.importorskip("mteb")
    folder, values = twelve
    paths = {path.stem: path for path in write_mteb(load_run(folder), tmp_path / "out")}
    ours = mteb.TaskResult.from_disk(paths["CQADupstackRetrieval"])
    parts = [mteb.TaskResult.from_disk(paths[task]) for task in values]
    theirs = mteb.get_task("CQADupstackRetrieval").combine_task_results(parts)
    assert ours.get_score() == pytest.approx(theirs.get_score())
    assert ours.dataset_revision == theirs.dataset_revision
    assert ours.scores["test"][0]["hf_subset"] == theirs.scores["test"][0]["hf_subset"]
    assert ours.scores["test"][0]["languages"] == theirs.scores["test"][0]["languages"]


def test_eleven_parts_have_none(twelve, tmp_path):
    folder, _ = twelve
    lines = (folder / "records.jsonl").read_text().splitlines(keepends=True)
    (folder / "records.jsonl").write_text("".join(lines[:-1]))
    assert "CQADupstackRetrieval" not in [path.stem for path in write_mteb(load_run(folder), tmp_path / "out")]
