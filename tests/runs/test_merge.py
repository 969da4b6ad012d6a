"""Several runs side by side: one page holds only what is comparable."""

import json

import pytest
from suite_runs import TASKS, write_suite_run

from harness.errors import UserError
from harness.runs.merge import load_runs
from reports.pages.run_page import write_several


@pytest.fixture
def other(run_folder, tmp_path):
    import shutil

    return shutil.copytree(run_folder, tmp_path / "other")


def change(folder, edit):
    facts = json.loads((folder / "run.json").read_text())
    edit(facts)
    (folder / "run.json").write_text(json.dumps(facts))


def test_systems_of_both_stand_in_one_table(run_folder, other, tmp_path):
    change(other, lambda facts: facts.update(name="second"))
    run = load_runs([run_folder, other])
    assert "dense_1 (synthetic)" in run.names("alpha")
    assert "dense_1 (second)" in run.names("alpha")
    assert run.names("alpha")[:3] == ["sparse & co (synthetic)", "sparse & co (second)", "dense_1 (synthetic)"]
    assert len(run.records) == len({(r.collection, r.system, r.metric) for r in run.records})
    assert run.cells()["alpha", "dense_1 (second)", "latency_total/p50"].value > 0
    assert run.explain("alpha", "sparse & co (second)", "q9")["first_relevant"] == 3
    text = write_several([run_folder, other], tmp_path / "c.html").read_text()
    assert "2 runs side by side" in text
    assert "dense_1 (second)" in text
    assert "records.jsonl" not in text  # it lies beside neither


def test_a_fusion_still_names_the_systems_of_its_own_run(run_folder, other):
    change(other, lambda facts: facts["systems"][2].update(fused=["sparse & co", "dense_1"]))
    (fusion,) = (system for system in load_runs([run_folder, other]).systems if "fused" in system)
    assert fusion["fused"] == ["sparse & co (synthetic 2)", "dense_1 (synthetic 2)"]


def test_runs_of_one_name_are_numbered(run_folder, other):
    assert {"dense_1 (synthetic 1)", "dense_1 (synthetic 2)"} <= set(load_runs([run_folder, other]).names("beta"))


def test_another_revision_is_left_out(run_folder, other):
    change(other, lambda facts: facts["collections"]["alpha"].update(revision="e" * 64))
    run = load_runs([run_folder, other])
    assert len(run.names("alpha")) == 4
    assert len(run.names("beta")) == 8
    assert "alpha of synthetic 2 is left out: its revision is another." in run.facts["notes"]


@pytest.mark.parametrize("what", [{"machine": "another"}, {"measure": {"k": 10}}])
def test_times_of_another_machine_or_setting_are_left_out(run_folder, other, what):
    change(other, lambda facts: facts.update(what))
    run = load_runs([run_folder, other])
    cells = run.cells()
    assert ("alpha", "dense_1 (synthetic 1)", "latency_total/p50") in cells
    assert ("alpha", "dense_1 (synthetic 2)", "latency_total/p50") not in cells
    assert ("alpha", "dense_1 (synthetic 2)", "ndcg@10") in cells
    assert not any("synthetic 2" in system for _, system in run.latency)
    assert any(note.startswith("Times and resident sizes") for note in run.facts["notes"])


def test_nothing_in_common_is_an_error(run_folder, other):
    change(other, lambda facts: [c.update(revision="x") for c in facts["collections"].values()])
    with pytest.raises(UserError, match="no collection is in two"):
        load_runs([run_folder, other])


def test_suites_of_all_are_there_and_what_one_measured_is_not_left_out(tmp_path):
    some = write_suite_run(tmp_path / "some", name="some", measure={"only": ["quality"]})
    others = write_suite_run(tmp_path / "others", name="others", suites={"S": {"x": ["c1"]}, "T": {"y": ["c2"]}})
    merged = load_runs([some, others])
    assert {suite.name: dict(suite.tasks) for suite in merged.suites} == {"S": TASKS, "T": {"y": ["c2"]}}
    assert merged.facts["measure"]["only"] is None
    again = write_suite_run(tmp_path / "again", name="again", measure={"only": ["quality"]})
    assert load_runs([some, again]).facts["measure"]["only"] == ["quality"]
    assert write_several([some, again], tmp_path / "c.html").read_text().count("<h3>S</h3>") == 1
