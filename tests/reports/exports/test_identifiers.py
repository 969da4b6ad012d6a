"""Identifiers that trip readers: the same in the TREC run, CSV, JSON and Parquet, and never a formula that runs."""

import csv
import gzip
import io
import json
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.measure.quality import read_trec, write_trec
from harness.runs import layout
from harness.runs.read import load_run
from reports.exports.export import export
from reports.exports.paper_tables import table
from reports.exports.quoted import read_quoted
from reports.exports.spreadsheet import harmless

QUERIES = ["#1", "q,2", 'q"3', "=4", "q5", "q\f1", "q\x851", "q\u20281", "-6", "@7", "+8", "'9", "007", "  ", "a;b"]
DOCUMENTS = ["#4_12", "IPCC_report,_1992", 'say "x"', "=1+1", "msmarco#3_1", "doc\fone", "doc\x85one", "doc\u2028one"]
HOSTILE = ['=HYPERLINK("http://x")', "=cmd|' /C calc'!A0", "@SUM(1)", "-2+3+cmd|'x'!A0", "\t=A(1)", "＝SUM(1)", "+A(1)"]


@pytest.fixture
def run(run_folder):
    """A run whose queries have these identifiers."""
    run = load_run(run_folder)
    key = next(key for key in run.quality if key[2] == "ndcg@10")
    return replace(run, quality={key: dict.fromkeys([*QUERIES, *HOSTILE], 1.0)})


def test_the_table_of_queries_holds_each_identifier_as_it_is(run, tmp_path):
    rows = list(csv.DictReader(io.StringIO(export(run, "csv", "per-query"), newline="")))
    harm = [f"'{name}" for name in HOSTILE]
    assert [row["query"] for row in rows] == [*QUERIES, *harm]
    assert [row["query"] for row in json.loads(export(run, "json", "per-query"))] == [*QUERIES, *HOSTILE]
    export(run, "parquet", "per-query", tmp_path / "t.parquet")
    assert pq.read_table(tmp_path / "t.parquet")["query"].to_pylist() == [*QUERIES, *HOSTILE]


@given(st.text(alphabet="=+-@ab1 \t(|!'", max_size=8))
@settings(max_examples=200, deadline=None)
def test_only_what_could_run_is_changed(text):
    """A formula needs a sign in front, and a call, a program or another file to do more than arithmetic."""
    runs = text.lstrip().startswith(("=", "+", "-", "@")) and any(sign in text for sign in "(|!")
    assert harmless(text) == (f"'{text}" if runs else text)


def written(folder, number=0):
    path = folder / layout.trec_run(number)
    path.parent.mkdir(exist_ok=True)
    numbers = np.arange(len(DOCUMENTS))
    ids = np.stack([np.roll(numbers, -place) for place in range(len(QUERIES))])
    write_trec(path, QUERIES, DOCUMENTS, ids, np.tile(-numbers, (len(QUERIES), 1)).astype(np.float32), "a tag")
    return path, {query: DOCUMENTS[place % len(DOCUMENTS)] for place, query in enumerate(QUERIES)}


def test_a_trec_run_is_read_by_us_and_by_others(run_folder, tmp_path):
    """By a reader that skips comments, also where a query begins like one."""
    ir_measures = pytest.importorskip("ir_measures")
    path, first = written(run_folder)
    assert {query: next(iter(documents)) for query, documents in read_trec(path).items()} == first
    export(load_run(run_folder), "trec", out=tmp_path / "out")
    lines = (tmp_path / "out/000.trec").read_bytes().decode().split("\n")
    body = "\n".join(line for line in lines if not line.startswith("#"))
    read = [
        row._replace(query_id=unquote(row.query_id), doc_id=unquote(row.doc_id))
        for row in ir_measures.read_trec_run(body)
    ]
    qrels = [ir_measures.Qrel(query, document, 1) for query, document in first.items()]
    measure = ir_measures.nDCG @ 10
    assert {row.query_id: row.value for row in ir_measures.iter_calc([measure], qrels, read)} == dict.fromkeys(
        QUERIES, 1.0
    )


def test_a_run_of_an_earlier_version_loses_no_query_under_the_header(run_folder, tmp_path):
    path = run_folder / layout.trec_run(0)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(b"#1 Q0 #d 1 2.5 #t\nq Q0 d 1 2.5 t\n"))
    export(load_run(run_folder), "trec", out=tmp_path / "out")
    lines = (tmp_path / "out/000.trec").read_text().split("\n")
    assert [line for line in lines if not line.startswith("#")] == ["%231 Q0 #d 1 2.5 #t", "q Q0 d 1 2.5 t", ""]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe q", gzip.compress(b"q Q0 d 1 1.0 t\n" * 99, mtime=0)[:30], b"\x1f\x8b\x08 garbage"]
)
def test_a_damaged_trec_run_is_one_message(tmp_path, content):
    for name in ("run.trec", "run.trec.gz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError) as caught:
            read_trec(tmp_path / name)
        assert caught.value.file == tmp_path / name


def test_heads_of_a_paper_table_are_no_formulas(run_folder):
    for name in ("records.jsonl", "run.json"):
        path = run_folder / name
        path.write_text(path.read_text().replace('"alpha"', '"=A(1)"'))
    heads = next(csv.reader(io.StringIO(table(load_run(run_folder), form="csv"))))
    assert not [head for head in heads if head.startswith("=")]


def quoted(path, text, collections=("alpha",)):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_quoted(path, list(collections))


@pytest.mark.parametrize("name", ["a\u2028b", "a\x85b", "a\fb", 'say "x", or', "=1+1"])
def test_a_quoted_system_keeps_its_name(tmp_path, name):
    cell = '"' + name.replace('"', '""') + '"'
    for end in ("\n", "\r\n"):
        assert quoted(tmp_path / "q.csv", f"model,alpha{end}{cell},0.5{end}") == [(name, {"alpha": 0.5})]


@pytest.mark.parametrize("text", ["1_0", "١", "²", "0x1", "nan", "inf", "-1", "1e9", "--1", "."])
def test_what_is_no_score_is_named_with_its_line(tmp_path, text):
    with pytest.raises(UserError, match=r"q.csv:3: .* is not a score"):
        quoted(tmp_path / "q.csv", f"model,alpha\na,0.1\nb,{text}\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model,Al-pha,ALPHA\na,1,2\n", "'Al-pha' and 'ALPHA' are both of the collection 'alpha'"),
        ("model,alpha\na,0.1\na,0.2\n", r":3: 'a' has two rows"),
        (b"model,alpha\na,\xff\n", "cannot read"),
        ("model,alpha\n" + "x" * 200_000 + ",0.5\n", "cannot read the quoted numbers: field larger"),
    ],
)  # fmt: skip
def test_what_is_there_twice_or_cannot_be_read(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        quoted(tmp_path / "q.csv", text)


def test_a_column_of_the_very_name_goes_before_one_that_is_alike(tmp_path):
    assert quoted(tmp_path / "q.csv", "model,Al-pha,alpha\na,0.1,0.2\n") == [("a", {"alpha": 0.2})]
