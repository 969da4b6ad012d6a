"""Docstrings as a collection: what is taken, what is left out, and that nothing leaks."""

import sys

import pytest

from harness.collections.pydoc import PassagesParams, Pydoc, PydocParams
from harness.errors import UserError

BODY = "This is the body of the documentation, which goes on for more than twenty words, to be taken as a document {n}."


def install(folder, name, modules):
    """A distribution with these modules, as pip leaves it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    record = []
    for path, text in modules.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        record.append(f"{path},sha256=x,{len(text)}")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("\n".join(record) + "\n")


def function(name, summary, body):
    return f'def {name}():\n    """{summary}\n\n    {body}\n    """\n'


@pytest.fixture
def packages(tmp_path, monkeypatch):
    tested = function("first", "The first of all the functions here.", BODY.format(n="alpha"))
    tested += function(
        "second", "The second of all the functions here.", BODY.format(n="beta").replace("body", "corpus")
    )
    tested += function("short", "Too short.", BODY.format(n="gamma"))
    tested += function("copy", "The FIRST of all the functions, here!", "Entirely other words " * 12)
    tested += "import sys\nsys.pydoc_was_imported = True\n"
    trained = function("leak", "The first of all the functions here.", "Some other long text " * 10)
    trained += function("leak2", "Quite another summary of this function.", BODY.format(n="alpha"))
    trained += function("good", "What a training pair should look like.", "Own words of this training document " * 6)
    install(
        tmp_path,
        "testedpkg",
        {"testedpkg/__init__.py": tested, "testedpkg/tests/test_x.py": tested, "testedpkg/bad.py": '"""x\n\n(('},
    )
    install(tmp_path, "trainedpkg", {"trainedpkg/sub.py": trained})
    monkeypatch.syspath_prepend(str(tmp_path))
    return PydocParams(test_packages=("testedpkg",), train_packages=("trainedpkg",), min_words=20)


def test_documents_queries_and_judgements(packages):
    collection = Pydoc(packages)
    documents = list(collection.documents())
    assert [document.id for document in documents] == ["testedpkg.first", "testedpkg.second"]
    assert documents[0].title == ""
    assert "first of all" not in documents[0].text
    assert [query.text for query in collection.queries()] == [
        "The first of all the functions here.",
        "The second of all the functions here.",
    ]
    assert list(collection.judgements()) == [(d.id, d.id, 1) for d in documents]
    assert not hasattr(sys, "pydoc_was_imported")
    assert "testedpkg" not in sys.modules


def test_training_pairs_do_not_leak(packages):
    assert [pair.query for pair in Pydoc(packages).pairs()] == ["What a training pair should look like."]


def test_samples_are_seeded_and_said(packages):
    one = Pydoc(packages.model_copy(update={"documents": 1, "queries": 1}))
    assert [d.id for d in one.documents()] == [d.id for d in Pydoc(one.params).documents()]
    assert [q.id for q in one.queries()] == [d.id for d in one.documents()]
    assert "1 of 2 documents" in one.description()["sampling"]
    assert "known-item" in one.description()["task"]


def test_missing_package_and_overlap(packages):
    with pytest.raises(UserError, match="pip install not-there-at-all"):
        Pydoc(PydocParams(test_packages=("not-there-at-all",))).fingerprint()
    with pytest.raises(UserError, match="used both for testing and for training"):
        Pydoc(PydocParams(test_packages=("numpy",), train_packages=("numpy",)))


def test_fingerprint_follows_the_files(packages, tmp_path):
    before = Pydoc(packages).fingerprint()
    record = tmp_path / "testedpkg-1.0.dist-info/RECORD"
    record.write_text(record.read_text().replace("sha256=x", "sha256=y"))
    assert Pydoc(packages).fingerprint() != before


def test_passages_cover_every_word_and_are_what_a_query_must_find(packages):
    whole = {document.id: document.text.split() for document in Pydoc(packages).documents()}
    cut = Pydoc(packages.model_copy(update={"passages": PassagesParams(words=8, stride=5)}))
    parts = {document.id: document.text.split() for document in cut.documents()}
    assert list(parts) == [f"testedpkg.{name}#{n}" for name in ("first", "second") for n in range(4)]
    for name, words in whole.items():
        own = [text for part, text in parts.items() if part.startswith(f"{name}#")]
        assert own == [words[begin : begin + 8] for begin in (0, 5, 10, len(words) - 8)]
    assert [query.id for query in cut.queries()] == list(whole)
    assert list(cut.judgements()) == [(part.split("#")[0], part, 1) for part in parts]
    assert "passages of 8 words, one every 5" in cut.description()["task"]


def test_a_body_shorter_than_a_passage_stays_whole_and_a_sample_is_of_passages(packages):
    long = Pydoc(packages.model_copy(update={"passages": PassagesParams(words=100, stride=1)}))
    assert [part.text for part in long.documents()] == [" ".join(d.text.split()) for d in Pydoc(packages).documents()]
    few = Pydoc(packages.model_copy(update={"documents": 1, "passages": PassagesParams(words=8, stride=8)}))
    assert [judgement.document_id for judgement in few.judgements()] == [part.id for part in few.documents()]
