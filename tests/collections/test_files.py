"""A corpus as it comes: packed, in several files, as Parquet; and what is refused of it."""

import bz2
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.collections.beir import Beir, BeirParams
from harness.errors import UserError

ROWS = [{"_id": f"d{number}", "title": "T" if number % 2 else "", "text": f"text {number}"} for number in range(6)]
WANTED = [(row["_id"], row["title"], row["text"]) for row in ROWS]


def packed(path, text):
    """Write a text as the ending of the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zst":
        with pa.output_stream(str(path), compression="zstd") as file:
            file.write(text.encode())
    else:
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def put(path, rows):
    """Write rows as the ending of the name says."""
    if path.suffix != ".parquet":
        return packed(path, "".join(json.dumps(row) + "\n" for row in rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    return pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)


@pytest.fixture
def folder(tmp_path):
    put(tmp_path / "queries.jsonl", [{"_id": "q", "text": "ask"}])
    packed(tmp_path / "qrels/test.tsv", "q\td0\t1\nq\td5\t2\n")
    return tmp_path


def beir(folder, **params):
    return Beir(BeirParams(path=str(folder), **params))


def documents(folder, **params):
    return [tuple(document) for document in beir(folder, **params).documents()]


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"])
@pytest.mark.parametrize(
    "names",
    [
        ["corpus"],
        ["corpus-00000-of-00002", "corpus-00001-of-00002"],
        ["corpus-1-of-2", "corpus-2-of-2"],
        ["corpus/train-00000-of-00003", "corpus/train-00001-of-00003", "corpus/train-00002-of-00003"],
        ["corpus/part-2", "corpus/part-10", "corpus/part-11"],
    ],
    ids=lambda names: names[0],
)
def test_one_file_or_several_are_read_in_order(folder, names, ending):
    size = len(ROWS) // len(names)
    for place, name in enumerate(names):
        put(folder / f"{name}{ending}", ROWS[place * size :][:size])
    assert documents(folder) == WANTED
    assert [tuple(judgement) for judgement in beir(folder).judgements()] == [("q", "d0", 1), ("q", "d5", 2)]
    before = beir(folder).fingerprint()
    put(folder / f"{names[-1]}{ending}", [{"_id": "other", "title": "", "text": "x"}])
    assert beir(folder).fingerprint() != before


@pytest.mark.parametrize("ending", [".jsonl.zst", ".parquet", ".jsonl.gz"])
def test_queries_and_judgements_may_be_packed_too(folder, ending):
    put(folder / "corpus.jsonl", ROWS)
    (folder / "queries.jsonl").unlink()
    put(folder / f"queries{ending}", [{"_id": 7, "text": "ask"}])
    (folder / "qrels/test.tsv").unlink()
    packed(folder / f"qrels/test.tsv{ending.removeprefix('.jsonl') if ending != '.parquet' else '.zst'}", "7\td0\t1\n")
    assert [tuple(query)[:2] for query in beir(folder).queries()] == [("7", "ask")]
    assert [tuple(judgement) for judgement in beir(folder).judgements()] == [("7", "d0", 1)]


@pytest.mark.parametrize(
    "names",
    [
        ["corpus.jsonl", "corpus.jsonl.gz"],
        ["corpus.jsonl", "corpus.jsonl.zst"],
        ["corpus.jsonl", "corpus.parquet"],
        ["corpus.jsonl", "corpus-00000-of-00001.jsonl"],
        ["corpus.jsonl", "corpus/a.jsonl"],
        ["corpus/a.jsonl", "corpus/a.jsonl.gz"],
        ["corpus/a-0-of-1.jsonl", "corpus/b.jsonl"],
        ["corpus-0-of-1.jsonl", "corpus-0-of-1.parquet"],
        ["corpus-0-of-1.jsonl", "corpus-00-of-1.jsonl"],
    ],
    ids=" ".join,
)
def test_of_two_versions_none_is_chosen(folder, names):
    for name in names:
        put(folder / name, ROWS)
    for read in (documents, lambda folder: beir(folder).fingerprint()):
        with pytest.raises(UserError, match="several versions") as caught:
            read(folder)
        assert all(name.rpartition("/")[2] in caught.value.what for name in names)


@pytest.mark.parametrize("name", ["queries.jsonl.gz", "qrels/test.tsv.gz", "qrels/test.tsv.xz"])
def test_two_versions_of_queries_or_judgements(folder, name):
    put(folder / "corpus.jsonl", ROWS)
    packed(folder / name, "")
    with pytest.raises(UserError, match="several versions"):
        list(beir(folder).judgements())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["corpus-00000-of-00002.jsonl"], "1 of 2 parts are there; part 1 is missing"),
        (["corpus-00001-of-00002.jsonl"], "1 of 2 parts are there; part 2 is missing"),
        (["corpus/x-0-of-3.parquet", "corpus/x-2-of-3.parquet"], "2 of 3 parts are there; part 1 is missing"),
        (["corpus-0-of-2.jsonl", "corpus-1-of-2.jsonl", "corpus-2-of-2.jsonl"], "there are 3 parts where"),
        (["corpus/a.jsonl", "corpus/b.jsonl.bz2"], "b.jsonl.bz2: this is not read as a part"),
        (["corpus/a.jsonl", "corpus/b.tsv"], "b.tsv: this is not read as a part"),
        (["corpus/a.jsonl", "corpus/more/b.jsonl"], "more: this is not read as a part"),
        (["corpus.tsv", "notes.txt"], "its folder has corpus.tsv, notes.txt, qrels, queries.jsonl"),
    ],
    ids=str,
)
def test_what_is_missing_or_strange_is_named(folder, names, words):
    for name in names:
        put(folder / name, ROWS[:1])
    with pytest.raises(UserError) as caught:
        documents(folder)
    assert words in str(caught.value)


def test_a_packed_form_that_is_not_read_is_named(folder):
    (folder / "corpus.jsonl.bz2").write_bytes(bz2.compress(b"{}"))
    with pytest.raises(UserError, match=r"corpus.jsonl.bz2: .bz2 is not read\n.*unpack it"):
        documents(folder)


@pytest.mark.parametrize("ending", [".jsonl.gz", ".jsonl.zst", ".parquet"])
@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped"])
def test_a_damaged_file_is_one_message(folder, ending, damage):
    path = folder / f"corpus{ending}"
    put(path, [{"_id": f"d{number}", "title": "", "text": str(number * 7919)} for number in range(3000)])
    whole = bytearray(path.read_bytes())
    if damage == "flipped":
        for place in range(len(whole) // 3, len(whole) // 2):
            whole[place] ^= 0x5A
    path.write_bytes({"cut": whole[: len(whole) // 2], "garbage": b"garbage" * 100, "flipped": whole}[damage])
    with pytest.raises(UserError) as caught:
        documents(folder)
    assert caught.value.file == path


def test_broken_rows_are_counted_over_all_files(folder):
    put(folder / "corpus/a.parquet", [{"_id": "d0", "title": None, "text": "x"}, {"_id": None, "text": "y"}])
    put(
        folder / "corpus/b.parquet", [{"_id": "d1", "title": 7, "text": "z"}, {"_id": "d2", "title": None, "text": "w"}]
    )
    with pytest.raises(UserError, match=r"a.parquet:2: '_id' holds None"):
        documents(folder)
    with pytest.raises(UserError, match=r"b.parquet:1: 'title' holds 7"):
        documents(folder, tolerate=1)
    collection = beir(folder, tolerate=2)
    assert [document.id for document in collection.documents()] == ["d0", "d2"]
    assert collection.warnings() == [f"{folder}/corpus/a.parquet: 2 broken lines skipped, the first is line 2"]


def test_an_identifier_twice_in_two_files_is_named(folder):
    put(folder / "corpus/a.jsonl", ROWS[:3])
    put(folder / "corpus/b.jsonl", ROWS[2:])
    with pytest.raises(UserError, match=r"b.jsonl:1: the identifier 'd2' appears twice"):
        documents(folder)
