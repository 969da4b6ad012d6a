"""A first spec out of what lies in a folder."""

import json
import os
import tomllib

import pytest
from commands import call, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support import write_collection

from harness.pipeline.plan.registries import REGISTRIES
from harness.spec.load import load_spec
from harness.spec.starter import DEEPEST, Entry, entries, starter


def model(folder, *, classes=(), modules=False, about=None):
    """A folder with the configurations of a model, without weights."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architectures": list(classes)}))
    if modules:
        (folder / "modules.json").write_text("[]")
    if about:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(about))
    return folder


@pytest.fixture
def shelf(tmp_path):
    """A folder with a collection and a model of each form."""
    write_collection(tmp_path / "data").rename(tmp_path / "data" / "my docs")
    model(tmp_path / "models" / "dense", modules=True)
    model(tmp_path / "models" / "bare", classes=["BertModel"])
    model(tmp_path / "models" / "sparse", modules=True, about={"model_type": "SparseEncoder"})
    model(tmp_path / "models" / "splade", classes=["BertForMaskedLM"])
    model(tmp_path / "models" / "laconic", classes=["LlamaForCausalLM"])
    model(tmp_path / "models" / "vision", classes=["ViTForImageClassification"])
    return tmp_path


def test_each_form_is_recognised(shelf):
    assert {entry.path.name: (entry.kind, entry.table["type"]) for entry in entries(shelf)} == {
        "my docs": ("collection", "beir"),
        "dense": ("dense", "sentence-transformer"),
        "bare": ("dense", "sentence-transformer"),
        "sparse": ("sparse", "sparse-encoder"),
        "splade": ("sparse", "sparse-encoder"),
        "laconic": ("sparse", "laconic"),
    }


def test_the_spec_loads_and_has_a_system_for_each_model(shelf):
    file = shelf / "x.toml"
    file.write_text(starter("x", entries(shelf)))
    spec = load_spec(file, REGISTRIES)
    assert [system.name for system in spec.systems] == ["BM25", "laconic", "sparse", "splade", "bare", "dense"]
    assert list(spec.collections) == ["my-docs"]
    assert spec.head.claims[0].reduction_at_least == 0.71
    assert "# splade: BertForMaskedLM, pooled as SPLADE does." in file.read_text()


def test_judgements_of_another_split_are_named(tmp_path):
    folder = write_collection(tmp_path / "c")
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "dev.tsv")
    (folder / "qrels" / "train.tsv").write_text("")
    (entry,) = entries(tmp_path)
    assert entry.table["split"] == "dev"
    assert "there are also train" in entry.words


def test_links_are_followed_once_and_circles_end(shelf):
    (shelf / "again").symlink_to(shelf / "data")
    (shelf / "data" / "up").symlink_to(shelf)
    assert [entry.path.name for entry in entries(shelf)].count("my docs") == 1


def test_hidden_and_deep_folders_are_left_out(tmp_path):
    model(tmp_path / ".cache" / "a", modules=True)
    model(tmp_path.joinpath(*"abcde"[:DEEPEST]), modules=True)
    model(tmp_path.joinpath(*"vwxyz"[: DEEPEST + 1]), modules=True)
    assert [entry.path.name for entry in entries(tmp_path)] == ["d"]


def test_a_name_that_is_no_text_is_left_out(tmp_path):
    model(tmp_path / os.fsdecode(b"\xff"), modules=True)
    assert entries(tmp_path) == []


def test_broken_configurations_are_no_models(tmp_path):
    for name, content in (("a", "{"), ("b", "[1]"), ("c", '{"architectures": 1}'), ("d", "[" * 100_000)):
        model(tmp_path / name)
        (tmp_path / name / "config.json").write_text(content)
    assert entries(tmp_path) == []


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1), max_size=4))
def test_any_name_of_a_folder_makes_a_spec(tmp_path_factory, names):
    base = tmp_path_factory.getbasetemp()
    found = [
        Entry("dense", base / name, {"type": "sentence-transformer", "model": base / name}, f"{name}: a model.")
        for name in names
        if name not in (".", "..")
    ]
    content = tomllib.loads(starter("x", found))
    assert len(content["systems"]) == len(found) + 1
    assert {table["model"] for table in content["encoders"].values() if "model" in table} == {
        str(entry.path) for entry in found
    }


def test_the_command_writes_a_spec_that_runs(tmp_path, monkeypatch):
    write_collection(tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    answer = call("init")
    assert (answer.code, answer.err) == (0, "")
    assert "experiment.toml: 1 collection, 1 system, 0 claims." in answer.out
    assert call("run", "experiment.toml", "--set", 'measure.only=["quality"]').code == 0
    assert "this file is there already" in refused("init")
    assert "there is no such folder" in refused("init", "absent")


def test_without_data_docstrings_stand_in(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    assert call("init", tmp_path / "empty", "--out", tmp_path / "y.toml").code == 0
    text = (tmp_path / "y.toml").read_text()
    assert "# docstrings of installed packages stand in." in text
    assert load_spec(tmp_path / "y.toml", REGISTRIES).collections["docstrings"].type == "pydoc"
