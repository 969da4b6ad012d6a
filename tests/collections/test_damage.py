"""Damaged, odd and empty texts: each broken line is named, or skipped and counted where a spec tolerates it."""

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.collections import CollectionBase, Document, Judgement, Query, registry
from harness.collections._nested import named
from harness.collections.beir import Beir, BeirParams
from harness.collections.mixture import Mixture, MixtureParams
from harness.collections.sample import Sample, SampleParams
from harness.errors import UserError
from harness.spec.params import Params
from harness.training.examples import Pair

GOOD = '{"_id": "good", "title": "T", "text": "some text"}'
BROKEN = [
    ('{"_id": null, "text": "x"}', "'_id' holds None, which is no text"),
    ('{"_id": true, "text": "x"}', "'_id' holds True, which is no text"),
    ('{"_id": 1.5, "text": "x"}', "'_id' holds 1.5, which is no text"),
    ('{"_id": ["a"], "text": "x"}', "'_id' holds"),
    ('{"_id": "", "text": "x"}', "'_id' is empty"),
    ('{"_id": "a"}', "the key 'text' is missing"),
    ('{"text": "x"}', "the key '_id' is missing"),
    ('{"id": "a", "text": "x"}', "the key '_id' is missing"),
    ('{"_id": "a", "text": null}', "'text' holds None, which is no text"),
    ('{"_id": "a", "text": 5}', "'text' holds 5, which is no text"),
    ('{"_id": "a", "text": ["x"]}', "'text' holds"),
    ('{"_id": "a", "title": ["x"], "text": "x"}', "'title' holds"),
    ('{"_id": "a", "title": 5, "text": "x"}', "'title' holds 5, which is no text"),
    ('{"_id": "a", "title": false, "text": "x"}', "'title' holds False, which is no text"),
    (r'{"_id": "a", "text": "half \ud83d"}', "'text' holds half a pair of surrogates"),
    (r'{"_id": "a\udc00", "text": "x"}', "'_id' holds half a pair of surrogates"),
    (r'{"_id": "a", "title": "\udfff", "text": "x"}', "'title' holds half a pair of surrogates"),
    ("[]", "not a JSON object"),
    ("5", "not a JSON object"),
    ("null", "not a JSON object"),
    ('"text"', "not a JSON object"),
    ("{", "not JSON"),
    ('{"_id": "a", "text": "x"} {}', "not JSON"),
    ("{'_id': 'a', 'text': 'x'}", "not JSON"),
]


def write(folder, corpus=GOOD, queries='{"_id": "q", "text": "ask"}', qrels="q\tgood\t1\n"):
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    (folder / "corpus.jsonl").write_text(corpus + "\n")
    (folder / "queries.jsonl").write_text(queries + "\n")
    (folder / "qrels/test.tsv").write_text(qrels)
    return folder


def beir(folder, **params):
    return Beir(BeirParams(path=str(folder), **params))


@pytest.mark.parametrize(("line", "words"), BROKEN, ids=[str(number) for number in range(len(BROKEN))])
def test_a_broken_line_of_the_corpus_is_named_or_skipped_and_counted(tmp_path, line, words):
    write(tmp_path, corpus=f"{GOOD}\n{line}")
    with pytest.raises(UserError) as caught:
        list(beir(tmp_path).documents())
    assert words in caught.value.what
    assert (caught.value.file, caught.value.line) == (tmp_path / "corpus.jsonl", 2)
    tolerant = beir(tmp_path, tolerate=1)
    assert list(tolerant.documents()) == list(tolerant.documents()) == [Document("good", "T", "some text")]
    (warning,) = tolerant.warnings()
    assert "1 broken lines skipped, the first is line 2" in warning


def test_texts_are_optional_only_where_the_collection_says_so(tmp_path):
    write(
        tmp_path, corpus='{"_id": "good"}\n{"_id": 7, "text": null}\n{"_id": "b", "text": "x"}', queries='{"_id": "q"}'
    )
    with pytest.raises(UserError, match="the key 'text' is missing") as caught:
        list(beir(tmp_path).documents())
    assert "texts = false" in caught.value.remedy
    named = beir(tmp_path, texts=False)
    assert list(named.documents()) == [Document("good", "", ""), Document("7", "", ""), Document("b", "", "x")]
    assert list(named.queries()) == [Query("q", "")]
    assert not named.has_texts(named.params) and beir(tmp_path).has_texts(beir(tmp_path).params)
    write(tmp_path, corpus='{"text": "x"}')
    with pytest.raises(UserError, match="the key '_id' is missing"):
        list(beir(tmp_path, texts=False).documents())
    write(tmp_path, corpus='{"_id": "a", "text": 5}')
    with pytest.raises(UserError, match="'text' holds 5"):
        list(beir(tmp_path, texts=False).documents())


@pytest.mark.parametrize(("line", "words"), BROKEN, ids=[str(number) for number in range(len(BROKEN))])
def test_a_broken_line_of_the_queries_is_named_and_never_skipped(tmp_path, line, words):
    write(tmp_path, queries='{"_id": "q", "text": "ask"}\n' + line)
    with pytest.raises(UserError) as caught:
        list(beir(tmp_path, tolerate=5).queries())
    assert words in caught.value.what
    assert (caught.value.file, caught.value.line) == (tmp_path / "queries.jsonl", 2)


@pytest.mark.parametrize(
    ("line", "document"),
    [
        ('{"_id": 7, "text": "x"}', ("7", "", "x")),
        ('{"_id": -7, "text": "x"}', ("-7", "", "x")),
        ('{"_id": "7", "title": null, "text": "x"}', ("7", "", "x")),
        ('{"_id": " ", "title": "", "text": ""}', (" ", "", "")),
        (r'{"_id": "\ud83d\ude00", "text": "\u0000\u2028"}', ("\U0001f600", "", "\u0000\u2028")),
        ('{"_id": "a", "text": "x", "metadata": {"url": [1]}}', ("a", "", "x")),
        ('{"_id": "first", "_id": "last", "text": "x"}', ("last", "", "x")),
    ],
)
def test_odd_lines_are_read(tmp_path, line, document):
    assert list(beir(write(tmp_path, corpus=line)).documents()) == [Document(*document)]


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
ROWS = st.lists(st.tuples(TEXT.filter(bool), TEXT, TEXT), min_size=1, max_size=8, unique_by=lambda row: row[0])


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, ascii=st.booleans(), packed=st.booleans())
def test_any_text_comes_back(tmp_path_factory, rows, ascii, packed):
    folder = write(tmp_path_factory.mktemp("any"))
    keys = ("_id", "title", "text")
    text = "\n".join(json.dumps(dict(zip(keys, row, strict=True)), ensure_ascii=ascii) for row in rows)
    path = folder / "corpus.jsonl"
    path.unlink()
    if packed:
        (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    else:
        path.write_bytes(text.encode())
    assert list(beir(folder).documents()) == [Document(*row) for row in rows]


@settings(max_examples=80, deadline=None)
@given(junk=st.binary(max_size=60))
def test_any_bytes_are_documents_or_one_error_that_names_the_file(tmp_path_factory, junk):
    folder = write(tmp_path_factory.mktemp("junk"))
    (folder / "corpus.jsonl").write_bytes(GOOD.encode() + b"\n" + junk)
    try:
        documents = list(beir(folder).documents())
    except UserError as error:
        assert error.file == folder / "corpus.jsonl"
        assert error.line is not None
        assert error.line >= 2
    else:
        assert [document.id for document in documents] == ["good"], junk
    assert [document.id for document in beir(folder, tolerate=60).documents()] == ["good"]


@settings(max_examples=80, deadline=None)
@given(junk=st.binary(max_size=60))
def test_any_bytes_are_judgements_or_one_error_that_names_the_file(tmp_path_factory, junk):
    folder = write(tmp_path_factory.mktemp("junk"))
    (folder / "qrels/test.tsv").write_bytes(b"q\tgood\t1\n" + junk)
    try:
        judgements = list(beir(folder).judgements())
    except UserError as error:
        assert error.file == folder / "qrels/test.tsv"
    else:
        assert judgements == [("q", "good", 1)]


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
@pytest.mark.parametrize("keep", [5, 20, -8, -1])
def test_a_packed_file_that_was_cut_short_is_an_error_and_not_a_shorter_collection(tmp_path, name, keep):
    write(tmp_path)
    path = tmp_path / name
    whole = gzip.compress(path.read_bytes())
    path.unlink()
    (tmp_path / f"{name}.gz").write_bytes(whole[:keep])
    with pytest.raises(UserError, match="cannot be read") as caught:
        collection = beir(tmp_path)
        (list(collection.documents()), list(collection.queries()), list(collection.judgements()))
    assert caught.value.file == tmp_path / f"{name}.gz"


@pytest.mark.parametrize("line", [b"\xff", b'{"query": "a", "positive": "\xe4"}', b'{"query": "a", "positive": "b",'])
def test_pairs_that_are_not_utf8_or_not_json_are_named(tmp_path, line):
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(b'{"query": "a", "positive": "b"}\n' + line + b"\n")
    with pytest.raises(UserError, match="not a pair") as caught:
        list(Mixture(MixtureParams(sources=[{"file": str(file)}])).pairs())
    assert (caught.value.file, caught.value.line) == (file, 2)


@pytest.mark.parametrize(
    "row",
    [
        {"query": "a", "positive": "b", "negatives": "text"},
        {"query": "a", "positive": "b", "negatives": {"c": 1}},
        {"query": "a", "positive": "b", "negatives": ["c", None]},
        {"query": "a", "positive": "\ud83d"},
        {"query": "a", "positive": "b", "negatives": ["\udc00"]},
    ],
)
def test_a_pair_of_anything_else_than_text_is_named(tmp_path, row):
    """One text for a list of negatives would be taken apart into its letters."""
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match=r"pairs\.jsonl:1: not a pair"):
        list(Mixture(MixtureParams(sources=[{"file": str(file)}])).pairs())


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(TEXT, TEXT, st.lists(TEXT, max_size=3)), min_size=1, max_size=6), ascii=st.booleans())
def test_any_pair_comes_back(tmp_path_factory, rows, ascii):
    file = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    lines = [json.dumps({"query": q, "positive": p, "negatives": n}, ensure_ascii=ascii) for q, p, n in rows]
    file.write_bytes(("\ufeff" + "\n".join(lines)).encode())
    pairs = list(Mixture(MixtureParams(sources=[{"file": str(file)}])).pairs())
    assert sorted(pairs) == sorted(Pair(query, positive, tuple(negatives)) for query, positive, negatives in rows)


class OwnParams(Params):
    """Parameters of a collection of another package."""

    size: int = 3


class Foreign(CollectionBase):
    """A collection of another package, which keeps its parameters under a name of its own."""

    Params = OwnParams
    libraries = ("foreign-library",)

    def __init__(self, params):
        self._own = params

    def fingerprint(self):
        return f"foreign {self._own.size}"

    def documents(self):
        return (Document(f"d{number}", "", "text") for number in range(self._own.size))

    def queries(self):
        yield Query("q", "ask")

    def judgements(self):
        yield Judgement("q", "d0", 1)


@pytest.fixture
def foreign(monkeypatch):
    registry.names()
    monkeypatch.setitem(registry._items, "foreign", Foreign)
    return {"type": "foreign"}


def test_a_collection_of_another_package_is_sampled_by_its_hooks_alone(foreign):
    params = SampleParams(collection={**foreign, "size": 5}, documents=2)
    sample = Sample(params)
    assert len(list(sample.documents())) == 2
    assert sample.fingerprint() == "foreign 5"
    assert Sample.modules(params) == ("harness.collections.sample", Foreign.__module__)
    assert Sample.libraries_with(params) == ("foreign-library",)


def test_what_a_table_leaves_out_is_filled_in_so_that_a_new_default_is_another_key(foreign):
    assert SampleParams(collection=foreign, documents=1).collection == {"type": "foreign", "size": 3}
    kind, params = named(foreign)
    assert (kind, params) == (Foreign, OwnParams(size=3))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"type": "foreign", "size": "many"}, r"collection\.size: found 'many'"),
        ({"type": "foreign", "sizes": 1}, r"collection\.sizes: found 1"),
        ({"type": ["foreign"]}, r"collection\.type"),
        ({"type": None}, r"collection\.type"),
    ],
)
def test_a_table_that_is_wrong_names_its_key(foreign, table, words):
    with pytest.raises(ValidationError, match=words):
        SampleParams(collection=table, documents=1)


def test_a_mixture_has_the_libraries_and_modules_of_its_sources(foreign, tmp_path):
    (tmp_path / "pairs.jsonl").write_text('{"query": "a", "positive": "b"}\n')
    params = MixtureParams(sources=[{"file": str(tmp_path / "pairs.jsonl")}, {"collection": foreign}])
    assert Mixture.libraries_with(params) == ("foreign-library",)
    assert Mixture.modules(params) == ("harness.collections.mixture", Foreign.__module__)
    assert list(Mixture(params).pairs()) == [Pair("a", "b")], "it has no pairs of its own"
