"""BEIR folders: what is read, and what is said of what cannot be."""

import gzip
import json

import pytest

from harness.collections.beir import Beir, BeirParams
from harness.errors import UserError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "qrels").mkdir()
    rows = [{"_id": f"d{i}", "title": f"T{i}", "text": f"text {i}"} for i in range(4)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "one"}\n{"_id": "q2", "text": "two"}\n')
    (tmp_path / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td0\t1\nq1\td3\t0\n")
    return tmp_path


def read(folder, **params):
    collection = Beir(BeirParams(path=str(folder), **params))
    return collection, list(collection.documents()), list(collection.queries()), list(collection.judgements())


def test_reads_everything(folder):
    _, documents, queries, judgements = read(folder)
    assert documents[0].full_text == "T0 text 0"
    assert [query.id for query in queries] == ["q1", "q2"]
    assert judgements == [("q1", "d0", 1), ("q1", "d3", 0)]


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_gzip_bom_blank_lines_and_carriage_returns_change_nothing(folder, name):
    expected = read(folder)[1:]
    path = folder / name
    text = "\ufeff" + path.read_text().replace("\n", "\r\n\r\n")
    path.unlink()
    (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    assert read(folder)[1:] == expected


def test_fingerprint_follows_the_content(folder):
    before = Beir(BeirParams(path=str(folder))).fingerprint()
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "other"}\n')
    assert Beir(BeirParams(path=str(folder))).fingerprint() != before


def test_trec_judgements_without_a_header(folder):
    (folder / "qrels/test.tsv").write_text("q1 0 d0 2\n")
    assert read(folder)[3] == [("q1", "d0", 2)]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("corpus.jsonl", '{"_id": "d0", "text": "a"}\n{broken\n', "corpus.jsonl:2: not JSON"),
        ("corpus.jsonl", '{"_id": "d0"}\n', "corpus.jsonl:1: the key 'text' is missing"),
        ("corpus.jsonl", '{"_id": "d0", "text": 5}\n', "no text"),
        ("corpus.jsonl", "[1]\n", "corpus.jsonl:1"),
        (
            "corpus.jsonl",
            '{"_id": "d0", "text": "a"}\n{"_id": "d0", "text": "b"}\n',
            "corpus.jsonl:2: the identifier 'd0' appears twice",
        ),
        ("corpus.jsonl", "\n", "no documents"),
        (
            "queries.jsonl",
            '{"_id": "q1", "text": "a"}\n{"_id": "q1", "text": "b"}\n',
            "queries.jsonl:2: the identifier 'q1' appears twice",
        ),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td0\n", "test.tsv:2: not a judgement"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td0\tmuch\n", "test.tsv:2: not a judgement"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n", "no judgements"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\tunknown\t1\n", "no judgements"),
    ],
)
def test_mistakes_name_file_and_line(folder, name, text, words):
    (folder / name).write_text(text)
    with pytest.raises(UserError) as caught:
        read(folder)
    assert words in str(caught.value)
    assert "remedy" in str(caught.value)


def test_other_mistakes(folder, monkeypatch):
    (folder / "corpus.jsonl").write_bytes(b'{"_id": "d0", "text": "\xff"}\n')
    with pytest.raises(UserError, match="not UTF-8"):
        read(folder)
    (folder / "corpus.jsonl").unlink()
    with pytest.raises(UserError, match="the file is missing"):
        read(folder)
    (folder / "corpus.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError, match="cannot be read"):
        read(folder)
    with pytest.raises(UserError, match="no such folder"):
        read(folder / "nowhere")
    with pytest.raises(UserError, match="NOT_SET_HERE is not set"):
        read("${NOT_SET_HERE}/x")


def test_folder_from_the_environment(folder, monkeypatch):
    monkeypatch.setenv("MY_DATA", str(folder))
    assert len(read("${MY_DATA}")[1]) == 4


def test_broken_lines_are_skipped_when_asked_and_counted(folder):
    (folder / "corpus.jsonl").write_text('{"_id": "d0", "text": "a"}\n{broken\n{}\n')
    collection, documents, *_ = read(folder, tolerate=2)
    assert len(documents) == 1
    assert "2 broken lines skipped, the first is line 2" in collection.warnings()[0]
    with pytest.raises(UserError, match=r"corpus.jsonl:3"):
        read(folder, tolerate=1)


def test_judgements_for_the_unknown_are_counted(folder):
    (folder / "qrels/test.tsv").write_text("q1\td0\t1\nq1\tgone\t1\nq9\td0\t1\n")
    collection, _, _, judgements = read(folder)
    assert judgements == [("q1", "d0", 1)]
    assert any("1 judgements name an unknown document, the first is line 2" in text for text in collection.warnings())
    assert any("1 judgements name an unknown query, the first is line 3" in text for text in collection.warnings())


def test_what_is_broken_is_tolerated_whatever_it_is(tmp_path):
    """Nested without end, or not UTF-8: a broken line like any other."""
    (tmp_path / "qrels").mkdir()
    good, deep, binary = b'{"_id": "a", "text": "x"}', b"[" * 100_000, b'{"_id": "b", "text": "\xc3\xa4\xff"}'
    (tmp_path / "corpus.jsonl").write_bytes(b"\n".join([good, deep, binary]))
    for tolerate, words in ((0, "2: not JSON: nested too deeply"), (1, r"3: not UTF-8 \(byte 24 of the line\)")):
        with pytest.raises(UserError, match=words):
            list(Beir(BeirParams(path=str(tmp_path), tolerate=tolerate)).documents())
    collection = Beir(BeirParams(path=str(tmp_path), tolerate=2))
    assert [document.id for document in collection.documents()] == ["a"]
    assert "2 broken lines skipped, the first is line 2" in collection.warnings()[0]
