"""Data sets by their identifiers in ir_datasets: a made-up SciFact in the library's own layout, without a network."""

import json
import socket
import sys
import zipfile

import pytest
from small_specs import load_small

from harness.collections import Document, EvaluationRules, Passages, Query
from harness.collections.ir_datasets import IrDatasets, IrDatasetsParams
from harness.errors import UnavailableError, UserError

library = pytest.importorskip("ir_datasets")
ID = "beir/scifact/test"
DOCUMENTS = [
    {"_id": "4983", "title": "Fruit", "text": "apples\u2028and pears", "metadata": {}},
    {"_id": "5836", "title": "", "text": "plums", "metadata": {}},
]
QUERIES = [{"_id": "1", "text": "which fruit", "metadata": {}}, {"_id": "3", "text": "none", "metadata": {}}]
QRELS = "query-id\tcorpus-id\tscore\n1\t4983\t1\n3\t77\t1\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The library's folder, as it is after a download; any use of a network fails."""
    folder = tmp_path / "home"
    (folder / "beir" / "scifact").mkdir(parents=True)
    with zipfile.ZipFile(folder / "beir" / "scifact" / "source.zip", "w") as packed:
        for name, rows in (("corpus", DOCUMENTS), ("queries", QUERIES)):
            packed.writestr(f"scifact/{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        packed.writestr("scifact/qrels/test.tsv", QRELS)
        packed.writestr("scifact/qrels/train.tsv", QRELS)

    def refuse(*_):
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("IR_DATASETS_HOME", raising=False)
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "ir_datasets"}
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "ir_datasets"]:
        del sys.modules[name]
    sys.modules.update(before)


def opened(folder, id=ID, **more):
    return IrDatasets(IrDatasetsParams(id=id, folder=str(folder), **more))


def test_rows_are_those_of_the_files(home):
    made = opened(home)
    assert list(made.documents()) == [Document("4983", "Fruit", "apples\u2028and pears"), Document("5836", "", "plums")]
    assert [document.full_text for document in made.documents()] == ["Fruit apples\u2028and pears", "plums"]
    assert list(made.queries()) == [Query("1", "which fruit"), Query("3", "none")]
    # As trec_eval counts: a judgement stays though the corpus lacks the document.
    assert [tuple(judgement) for judgement in made.judgements()] == [("1", "4983", 1), ("3", "77", 1)]
    assert made.sizes() is None and ID in made.description()["source"]
    assert opened(home, ties="identifier", passages={"words": 2, "stride": 1}).rules() == EvaluationRules(
        ties="identifier", passages=Passages(2, 1)
    )


def test_another_folder_is_read_anew(home, tmp_path):
    assert len(list(opened(home).documents())) == 2
    other = tmp_path / "other"
    (other / "beir" / "scifact").mkdir(parents=True)
    with zipfile.ZipFile(other / "beir" / "scifact" / "source.zip", "w") as packed:
        packed.writestr("scifact/corpus.jsonl", json.dumps(DOCUMENTS[1]) + "\n")
    assert [document.id for document in opened(other).documents()] == ["5836"]
    assert opened(home).fingerprint() != opened(other).fingerprint()


def test_after_another_folder_the_users_own_cache_is_read_again(home, tmp_path, monkeypatch):
    own = tmp_path / "own"
    (own / "beir" / "scifact").mkdir(parents=True)
    with zipfile.ZipFile(own / "beir" / "scifact" / "source.zip", "w") as packed:
        packed.writestr("scifact/corpus.jsonl", json.dumps(DOCUMENTS[1]) + "\n")

    def names():
        return [document.id for document in IrDatasets(IrDatasetsParams(id=ID)).documents()]

    monkeypatch.setenv("IR_DATASETS_HOME", str(own))
    assert len(list(opened(home).documents())) == 2
    assert names() == ["5836"]
    assert len(list(opened(home).documents())) == 2
    monkeypatch.setenv("IR_DATASETS_HOME", str(own))  # as a reused process is set back
    assert names() == ["5836"]


@pytest.mark.parametrize(
    ("id", "what", "remedy"),
    [
        ("beir/scifcat/test", "has no such data set", "did you mean beir/scifact/test"),
        ("beir/scifact", "has no judgements", "beir/scifact/test"),
        ("beir/nfcorpus/test", "does not give beir/nfcorpus/test", "fetch it where there is network"),
    ],
)
def test_what_cannot_be_had_is_one_message(home, id, what, remedy):
    with pytest.raises(UserError, match=what) as error:
        list(opened(home, id).documents())
    assert remedy in error.value.remedy and error.value.key == "id"
    assert isinstance(error.value, UnavailableError) == ("nfcorpus" in id)


def test_a_damaged_file_is_one_message(home):
    (home / "beir" / "scifact" / "source.zip").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(UserError, match="does not give"):
        list(opened(home).queries())


@pytest.mark.parametrize("id", ["../x", "a/../b", "/etc", "a//b", "a b", ""])
def test_identifiers_are_no_paths(id):
    with pytest.raises(ValueError, match="pattern"):
        IrDatasetsParams(id=id)


def test_a_spec_names_one(home, tmp_path, monkeypatch):
    monkeypatch.setenv("DATA", str(home))
    table = {"type": "ir-datasets", "id": ID, "folder": "${DATA}"}
    spec = load_small(tmp_path, collections={"sci": table})
    part = spec.collections["sci"]
    assert IrDatasets(part.params).fingerprint().endswith(str(home))
    with pytest.raises(UserError, match="no such folder"):
        opened(tmp_path / "nowhere").fingerprint()
