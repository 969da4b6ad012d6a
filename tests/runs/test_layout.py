"""The layout of a run folder: older ones open, later ones are refused, nothing is found by label."""

import json

import pytest
from runs import write_run

from harness.errors import UserError
from harness.runs import layout
from harness.runs.read import load_run

STAGES = [
    {"key": "k1", "label": "prepare alpha"},
    {"key": "k2", "label": "make e"},
    {"key": "k3", "label": "encode e / alpha"},
    {"key": "k4", "label": "build i over e / alpha"},
]


def test_a_folder_of_the_first_layout_gets_the_keys_of_its_stages(tmp_path):
    folder = write_run(tmp_path / "old", stages=STAGES)
    assert json.loads((folder / "run.json").read_text())["schema"] == 1
    (system,) = load_run(folder).systems
    assert system["stages"] == {"prepare": "k1", "fit": "k2", "encode": "k3", "build": "k4"}
    assert layout.read_facts(folder)["schema"] == layout.SCHEMA


def test_a_model_made_from_its_corpus_comes_before_one_that_is_not(tmp_path):
    both = [*STAGES, {"key": "k5", "label": "make e over alpha"}, {"key": "k6", "label": "join e / alpha"}]
    (system,) = load_run(write_run(tmp_path / "old", stages=both)).systems
    assert (system["stages"]["fit"], system["stages"]["encode"]) == ("k5", "k6")


def test_another_label_gives_no_key_and_no_error(tmp_path):
    (system,) = load_run(write_run(tmp_path / "old", stages=[{"key": "k", "label": "bring alpha"}])).systems
    assert system["stages"] == {}


@pytest.mark.parametrize("schema", [layout.SCHEMA + 1, 99])
def test_a_later_layout_is_refused_with_a_remedy(tmp_path, schema):
    with pytest.raises(UserError, match=f"schema {schema}, which a later version") as refused:
        load_run(write_run(tmp_path / "new", schema=schema))
    assert "use the version" in str(refused.value.remedy)


@pytest.mark.parametrize("schema", [0, -1, None, "1", True, 1.0])
def test_what_is_no_schema_is_no_run(tmp_path, schema):
    with pytest.raises(UserError, match="not a run"):
        load_run(write_run(tmp_path / "none", schema=schema))


@pytest.mark.parametrize("text", ["[]", "null", "3", '"run"'])
def test_json_of_another_kind_is_no_run(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match="not a run"):
        layout.read_facts(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_broken_json_names_the_file(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run\.json: no finished run"):
        layout.read_facts(tmp_path)


@pytest.mark.parametrize("missing", ["stages", "systems"])
def test_an_old_folder_that_lacks_a_part_is_refused(tmp_path, missing):
    folder = write_run(tmp_path / "old")
    facts = json.loads((folder / "run.json").read_text())
    del facts[missing]
    (folder / "run.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="not a whole run"):
        load_run(folder)


def test_a_folder_without_run_json_is_not_finished(tmp_path):
    assert not layout.is_finished(tmp_path)
    assert layout.is_finished(write_run(tmp_path / "run"))
