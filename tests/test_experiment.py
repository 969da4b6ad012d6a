"""Experiments from Python: specs from files and tables, events, tables of results, and docs/python.md itself."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from runs import write_run
from small_specs import beir, system, write_spec
from tests_support import Recorder, write_collection
from typer.testing import CliRunner

import harness
from harness import Run, open_run, run_experiment
from harness.cli.app import app
from harness.errors import UserError
from harness.experiment import RETRIES, checked_spec, plan_experiment
from harness.metrics import metric
from harness.pipeline.executors.events import Callback, Event
from harness.pipeline.stage import Stage
from harness.runs import frames
from harness.spec.write_toml import to_toml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/python.md").read_text(encoding="utf-8")


def table(folder="data", **measure):
    return {
        "name": "small",
        "collections": {"mine": {"type": "beir", "path": str(folder)}},
        "encoders": {"bm25": {"type": "bm25"}},
        "indexes": {"inverted": {"type": "inverted"}},
        "systems": [{"name": "<b>lexical</b>", "encoder": "bm25", "index": "inverted"}],
        "measure": {"processes": 1, "repeats": 1, **measure},
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One run of the small spec, its events, and the folder that it was made in."""
    folder, events = tmp_path_factory.mktemp("experiment"), []
    spec = table(write_collection(folder))
    run = run_experiment(spec, store=folder / "store", out=folder / "run", progress=events.append)
    return run, events, folder, spec


def test_results_and_keys_are_the_same_with_any_number_of_jobs(tmp_path):
    folder = write_collection(tmp_path)
    spec = table(folder)
    spec["encoders"]["dense"] = {"type": "synthetic-dense", "dimensions": 4}
    spec["indexes"]["flat"] = {"type": "faiss-flat"}
    spec["systems"].append({"name": "dense", "encoder": "dense", "index": "flat"})
    runs = [run_experiment(spec, store=tmp_path / f"s{n}", out=tmp_path / f"r{n}", jobs=n) for n in (1, 2)]
    one, two = ({(r.system, r.metric): r.value for r in run.data.records if metric(r.metric).repeats} for run in runs)
    assert one == two
    assert len(one) > 20
    assert [stage["key"] for stage in runs[0].data.facts["stages"]] == [
        stage["key"] for stage in runs[1].data.facts["stages"]
    ]
    trec = [{path.name: path.read_bytes() for path in (run.folder / "runs").iterdir()} for run in runs]
    assert trec[0] == trec[1]
    assert len(trec[0]) == 2


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, harness; print([n for n in ('numpy', 'pandas', 'torch', 'pydantic') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_of_the_package_are_those_of_the_experiment_module():
    from harness import experiment

    for name in harness.__all__:
        if name not in ("__version__", "Event"):
            assert getattr(harness, name) is getattr(experiment, name)
    assert harness.Event is Event
    with pytest.raises(AttributeError, match="no attribute 'run_experimant'"):
        _ = harness.run_experimant


def test_a_run_from_a_table_is_whole(made):
    run, _, folder, _ = made
    assert run.ok
    assert run.failed == []
    assert run.folder == folder / "run"
    assert run.name == "small"
    assert {done.status for done in run.outcomes.values()} == {"ok"}
    assert set(run.records["system"]) == {"<b>lexical</b>"}
    assert {"ndcg@10", "index_bytes", "latency_total/p50"} <= set(run.records["metric"])


def test_every_stage_begins_and_ends_in_events(made):
    run, events, _, _ = made
    begun = [event.text for event in events if event.kind == "begin"]
    ended = [event for event in events if event.kind == "end"]
    assert sorted(begun) == sorted(event.text for event in ended)
    assert len(ended) == len(run.outcomes)
    assert {event.total for event in ended} == {len(run.outcomes)}
    assert sorted(event.number for event in ended) == list(range(1, len(ended) + 1))


def test_a_second_run_reuses_everything_and_gives_the_same_records(made):
    run, _, folder, spec = made
    events = []
    again = run_experiment(spec, store=folder / "store", out=folder / "again", progress=events.append)
    assert all(event.reused for event in events if event.kind == "end")
    assert not [event for event in events if event.kind == "begin"]
    pd.testing.assert_frame_equal(again.records, run.records)


def test_keys_of_the_stages_stand_in_the_run_folder_and_in_the_store(made):
    run, _, folder, _ = made
    (system,) = run.data.systems
    for part in ("prepare", "fit", "encode", "build"):
        key = system["stages"][part]
        assert key in run.outcomes
        assert (folder / "store/objects" / key[:2] / key / "manifest.json").exists()


def test_what_is_said_to_be_made_again_is_made_again(made):
    _, _, folder, spec = made
    run = run_experiment(spec, store=folder / "store", out=folder / "x", again=lambda stage: stage.kind == "build")
    made_now = {done.stage.kind for done in run.outcomes.values() if not done.reused}
    assert "build" in made_now
    assert "prepare" not in made_now


def test_a_file_and_a_table_are_the_same_experiment(made, tmp_path):
    run, _, folder, _ = made
    file = write_spec(tmp_path, collections={"mine": beir(folder / "data")}, systems=[system("<b>lexical</b>")])
    stages = {stage.key for stage in plan_experiment(file)[2]}
    assert stages == set(run.outcomes)
    assert stages == {stage.key for stage in plan_experiment(str(file))[2]}


def test_the_spec_of_a_table_is_kept_as_toml_that_loads_again(made, tmp_path):
    run, _, _, spec = made
    file = tmp_path / "kept.toml"
    file.write_text(run.data.facts["spec_text"])
    assert [s.name for s in checked_spec(file).systems] == [s.name for s in checked_spec(spec).systems]


def test_overrides_change_a_table_and_are_noted(made):
    spec = checked_spec(table(), ["measure.k=7"])
    assert spec.head.measure.k == 7
    assert spec.overrides == ("measure.k=7",)
    with pytest.raises(UserError, match="not a checked spec"):
        checked_spec(spec, ["measure.k=8"])
    assert checked_spec(spec) is spec


def test_the_table_that_was_given_is_not_changed():
    spec = table()
    before = json.dumps(spec)
    checked_spec(spec, ["measure.k=7"])
    assert json.dumps(spec) == before


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"measure": {"processes": 0}}, "measure.processes"),
        ({"measure": {"prozesse": 2}}, "measure.prozesse"),
        ({"name": None}, "name is None"),
        ({"systems": [{"encoder": "nope", "index": "inverted"}]}, "'nope'"),
    ],
)
def test_mistakes_in_a_table_name_the_key(change, text):
    with pytest.raises(UserError) as caught:
        checked_spec({**table(), **change})
    assert text in str(caught.value)


def test_unknown_words_are_refused_before_any_work(tmp_path):
    with pytest.raises(UserError, match=r"--retry 'all' is unknown") as caught:
        run_experiment(table(), store=tmp_path / "store", retry="all")
    assert all(word in caught.value.remedy for word in RETRIES if word)
    with pytest.raises(UserError, match="no such system"):
        run_experiment(table(), store=tmp_path / "store", only=["other"])
    with pytest.raises(UserError, match="no executor 'cloud'"):
        run_experiment(table(), store=tmp_path / "store", executor="cloud")
    assert not list((tmp_path / "store/objects").glob("*")) if (tmp_path / "store").exists() else True


def test_null_doubles_the_systems_that_are_named(made):
    spec = made[3]
    _, systems, stages = plan_experiment(spec, null=True)
    assert [one.system.name for one in systems] == ["<b>lexical</b>", "<b>lexical</b> (again)"]
    assert len(stages) > len(plan_experiment(spec)[2])


def test_times_of_another_machine_have_other_keys(made):
    here, there = ({s.key for s in plan_experiment(made[3], machine=name)[2]} for name in ("here", "there"))
    assert here - there
    assert here & there  # the data do not belong to a machine


def test_a_stage_that_fails_is_told_and_the_run_is_written(tmp_path):
    events = []
    folder = write_collection(tmp_path)
    (folder / "corpus.jsonl").write_text("no JSON\n")
    spec = table(folder)
    run = run_experiment(spec, store=tmp_path / "store", out=tmp_path / "run", progress=events.append)
    assert not run.ok
    assert run.failed[0][0] == "prepare mine"
    assert any(event.status == "failed" and "corpus.jsonl" in event.reason for event in events)
    assert run.records.empty
    assert list(run.records.columns) == list(frames.COLUMNS["records"])
    opened = open_run(tmp_path / "run")
    assert not opened.ok
    assert opened.failed == []  # nothing was made here
    assert repr(opened) == "<Run small: 0 of 1 systems ok, 0 records>"


def test_a_watcher_is_used_as_it_is(made):
    _, _, folder, spec = made
    watcher = Recorder()
    run = run_experiment(spec, store=folder / "store", out=folder / "watched", progress=watcher)
    assert len(watcher.ended) == len(run.outcomes)


def test_progress_and_notes_reach_the_callback():
    events = []
    callback = Callback(events.append)
    stage = Stage("fit", "make it", "harness.x:f", {})
    callback.progress(3, None, "documents", stage, 4096)
    callback.note("little space is left")
    progress = Event("progress", "documents", 3, None, stage="make it", key=stage.key, memory=4096)
    assert events == [progress, Event("note", "little space is left")]


def test_the_command_prints_events_as_json_and_nothing_else(made, tmp_path, monkeypatch):
    run, _, folder, spec = made
    (tmp_path / "spec.toml").write_text(to_toml(spec))
    monkeypatch.chdir(tmp_path)
    asked = ["run", "spec.toml", "--json", "--store", str(folder / "store")]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["event"] for line in lines} == {"end"}
    assert all(line["reused"] and line["status"] == "ok" and line["peak_bytes"] for line in lines)
    assert [line["number"] for line in lines] == list(range(1, len(run.outcomes) + 1))
    counts = {"stages": len(lines), "reused": len(lines), "done_now": 0, "not_ok": 0}
    place = tmp_path / "runs" / run.name
    assert last["result"] == {**counts, "folder": str(place), "report": str(place / "report.html")}
    assert (last["event"], last["command"], last["exit_code"], done.exit_code) == ("finished", "run", 0, 0)
    with pytest.raises(UserError, match="events are not left out"):
        CliRunner().invoke(app, [*asked, "--quiet"], catch_exceptions=False)


def test_a_run_that_was_made_opens_equal(made):
    run, _, folder, _ = made
    opened = open_run(str(folder / "run"))
    for name in frames.COLUMNS:
        pd.testing.assert_frame_equal(getattr(opened, name), getattr(run, name))
    assert isinstance(opened, Run)
    assert not opened.outcomes


def test_html_of_a_run_escapes_names(made):
    run, _, _, _ = made
    html = run._repr_html_()
    assert "&lt;b&gt;lexical" in html
    assert "<b>lexical" not in html
    assert "ndcg@10" in html
    assert len(repr(run)) < 100


def test_a_report_goes_beside_the_run_or_where_it_is_told(made, tmp_path):
    run, _, folder, _ = made
    assert run.report() == folder / "run/report.html"
    assert run.report(tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_claims_are_judged_from_python(tmp_path):
    claim = {
        "name": "smaller", "metric": "index_bytes", "system": "s", "baseline": "d", "reduction_at_least": 0.5,
    }  # fmt: skip
    values = {("s", "index_bytes"): 100.0, ("d", "index_bytes"): 1000.0}
    run = open_run(write_run(tmp_path / "run", values=values, claims=[claim]))
    (verdict,) = run.verdicts()
    assert (verdict.word, verdict.collection) == ("supported", "alpha")
    assert verdict.value == pytest.approx(0.9)
    other = {("s", "index_bytes"): 100.0, ("d", "index_bytes"): 110.0}
    baseline = open_run(write_run(tmp_path / "other", values=other))
    (verdict,) = run.verdicts(baseline)
    assert verdict.word == "contradicted"


def test_only_a_run_folder_opens(tmp_path):
    with pytest.raises(UserError, match="no finished run"):
        open_run(tmp_path)


@pytest.mark.parametrize("name", frames.COLUMNS)
def test_columns_are_those_that_the_page_documents(made, name):
    run, _, _, _ = made
    section = PAGE.partition(f"### `run.{name}`")[2].partition("\n### ")[0]
    documented = re.findall(r"^\| `(\w+)` \| (.+) \|$", section, flags=re.MULTILINE)
    assert list(getattr(run, name).columns) == [column for column, _ in documented]
    assert dict(documented) == frames.COLUMNS[name]


def test_examples_of_the_page_run_in_order(tmp_path, monkeypatch, capsys):
    write_collection(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)  # noqa: S102 - the project's own page
    assert len(blocks) == 5
    assert "<Run first: 1 of 1 systems ok" in capsys.readouterr().out
    assert (tmp_path / "runs/first/report.html").exists()
    assert (tmp_path / "runs/second/run.json").exists()
