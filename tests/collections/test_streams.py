"""What every collection promises: streams that are read again, samples that nest, seeds that decide, sizes counted."""

import inspect
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.collections import Document, registry
from harness.errors import UserError
from harness.training.examples import Pair


def opened(kind, **params):
    source = registry.get(kind)
    return source(source.Params.model_validate(params))


def write_beir(folder, documents=40, relevant=(1, 4, 30)):
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": f"d{n}", "title": f"t{n}", "text": f"body {n}"} for n in range(documents)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = [{"_id": f"q{n}", "text": f"ask {n}"} for n in relevant]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    judged = [f"q{n}\td{n}\t1" for n in relevant] + [f"q{relevant[0]}\td{n}\t0" for n in range(5, 15)]
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(judged) + "\n")
    return str(folder)


def write_pairs(path, count=30, **more):
    rows = [{"query": f"q{n}", "positive": f"p{n}", **more} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def made(tmp_path):
    """One of each kind that needs nothing from outside."""
    beir = {"type": "beir", "path": write_beir(tmp_path / "b")}
    return {
        "beir": opened("beir", path=beir["path"]),
        "sample": opened("sample", collection=beir, documents=10),
        "synthetic": opened("synthetic", documents=20, queries=7),
        "mixture": opened("mixture", sources=[{"file": write_pairs(tmp_path / "p.jsonl")}]),
    }


STREAMS = ("documents", "queries", "judgements", "pairs")


@pytest.mark.parametrize("kind", ["beir", "sample", "synthetic", "mixture"])
@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_is_lazy_and_the_same_each_time(made, kind, stream):
    read = getattr(made[kind], stream)
    first = read()
    assert iter(first) is first
    assert list(first) == list(read())
    assert list(first) == []  # it was used up: it is no list


@pytest.mark.parametrize("kind", ["beir", "sample", "synthetic"])
def test_two_readers_do_not_disturb_each_other(made, kind):
    one, other = made[kind].documents(), made[kind].queries()
    next(one)
    next(other)
    judged = list(made[kind].judgements())
    assert [*one] == list(made[kind].documents())[1:]
    assert [*other] == list(made[kind].queries())[1:]
    assert judged == list(made[kind].judgements())


@pytest.mark.parametrize("kind", ["beir", "sample", "synthetic"])
def test_judgements_name_what_is_there(made, kind):
    documents = [document.id for document in made[kind].documents()]
    queries = [query.id for query in made[kind].queries()]
    assert len(set(documents)) == len(documents) > 0
    assert len(set(queries)) == len(queries) > 0
    for judgement in made[kind].judgements():
        assert judgement.document_id in documents
        assert judgement.query_id in queries


@pytest.mark.parametrize("kind", ["beir", "sample", "synthetic"])
def test_sizes_are_those_of_the_text(made, kind):
    found = made[kind].sizes()
    documents = [len(document.full_text) for document in made[kind].documents()]
    queries = [len(query.text) for query in made[kind].queries()]
    assert (found.documents, found.queries) == (len(documents), len(queries))
    assert found.document_characters == pytest.approx(sum(documents) / len(documents))
    assert found.query_characters == pytest.approx(sum(queries) / len(queries))


@pytest.mark.parametrize("kind", ["beir", "sample", "synthetic", "mixture"])
def test_a_fingerprint_is_the_same_for_the_same_content(made, kind):
    assert made[kind].fingerprint() == type(made[kind])(made[kind].params).fingerprint()
    assert all(isinstance(value, str) for value in made[kind].description().values())


@pytest.mark.parametrize(
    ("title", "text", "full"),
    [("a", "b", "a b"), ("", "b", "b"), ("a", "", "a"), ("", "", ""), (" a ", " b ", "a   b"), ("", " b ", "b")],
)
def test_title_and_text_are_joined_as_beir_joins_them(title, text, full):
    assert Document("d", title, text).full_text == full


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.lists(st.integers(3, 40), min_size=2, max_size=5, unique=True))
def test_a_smaller_sample_lies_in_every_larger_one(tmp_path_factory, seed, sizes):
    folder = tmp_path_factory.getbasetemp() / "nest"
    if not folder.exists():
        write_beir(folder)
    whole = {"type": "beir", "path": str(folder)}
    before, order = set(), [d.id for d in opened("beir", path=str(folder)).documents()]
    for size in sorted(sizes):
        sample = opened("sample", collection=whole, documents=size, seed=seed)
        ids = [document.id for document in sample.documents()]
        assert len(ids) == size
        assert before <= set(ids)
        assert {"d1", "d4", "d30"} <= set(ids)
        assert ids == [name for name in order if name in set(ids)]
        assert {j.document_id for j in sample.judgements()} <= set(ids)
        assert sum(j.relevance > 0 for j in sample.judgements()) == 3
        before = set(ids)


def test_a_sample_is_decided_by_its_seed_and_nothing_else(tmp_path):
    whole = {"type": "beir", "path": write_beir(tmp_path / "b", documents=200)}

    def ids(seed):
        return {d.id for d in opened("sample", collection=whole, documents=50, seed=seed).documents()}

    assert ids(1) == ids(1)
    drawn = [ids(seed) for seed in range(6)]
    assert len({frozenset(each) for each in drawn}) == 6


def test_every_document_is_drawn_as_often_as_every_other(tmp_path):
    """37 of 40 may be drawn or not; 17 of them are, with 300 seeds."""
    whole = {"type": "beir", "path": write_beir(tmp_path / "b")}
    counts = dict.fromkeys((f"d{n}" for n in range(40)), 0)
    for seed in range(300):
        for document in opened("sample", collection=whole, documents=20, seed=seed).documents():
            counts[document.id] += 1
    assert {counts.pop(f"d{n}") for n in (1, 4, 30)} == {300}
    # Binomial(300, 17/37): mean 137.8, standard deviation 8.6; five of them to either side.
    assert all(94 < count < 182 for count in counts.values())


@pytest.mark.parametrize("documents", [1, 2, 41, 1000])
def test_a_sample_of_too_few_or_too_many_says_what_there_is(tmp_path, documents):
    sample = opened("sample", collection={"type": "beir", "path": write_beir(tmp_path / "b")}, documents=documents)
    with pytest.raises(UserError, match="of 40 documents, of which 3 are relevant") as caught:
        list(sample.documents())
    assert (caught.value.key, caught.value.remedy) == ("documents", "ask for 3 to 40")


def test_a_sample_of_the_relevant_alone_and_of_all(tmp_path):
    whole = {"type": "beir", "path": write_beir(tmp_path / "b")}
    least = opened("sample", collection=whole, documents=3)
    assert [d.id for d in least.documents()] == ["d1", "d4", "d30"]
    assert all(j.relevance for j in least.judgements())
    everything = opened("sample", collection=whole, documents=40)
    assert list(everything.documents()) == list(opened("beir", path=whole["path"]).documents())
    assert len(list(everything.judgements())) == 13


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "a collection of type None cannot"),
        ({"type": "nothing"}, "a collection of type 'nothing' cannot"),
        ({"type": "synthetic", "documents": 5}, "a collection of type 'synthetic' cannot"),
        ({"type": "mixture", "sources": []}, "a collection of type 'mixture' cannot"),
        ({"type": "beir"}, "path"),
        ({"type": "beir", "path": "x", "splt": "y"}, "splt"),
    ],
)
def test_what_cannot_be_sampled_is_refused(table, words):
    with pytest.raises((ValidationError, UserError), match=words):
        opened("sample", collection=table, documents=5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 2000), st.integers(1, 300))
def test_synthetic_queries_ask_for_the_first_documents(documents, queries):
    made = opened("synthetic", documents=documents, queries=queries)
    ids = [document.id for document in made.documents()]
    assert len(ids) == documents
    judged = list(made.judgements())
    assert [j.query_id for j in judged] == [q.id for q in made.queries()] == [f"q{n}" for n in range(queries)]
    assert [j.document_id for j in judged] == [f"d{n % min(1024, documents)}" for n in range(queries)]
    assert {j.relevance for j in judged} == {1}


def test_a_smaller_synthetic_collection_begins_a_larger_one():
    small, large = opened("synthetic", documents=1500), opened("synthetic", documents=5000)
    assert list(small.documents()) == list(large.documents())[:1500]
    assert list(small.queries()) == list(large.queries())


def test_a_billion_documents_take_no_room():
    stream = opened("synthetic", documents=1_000_000_000).documents()
    assert inspect.isgenerator(stream)
    assert [next(stream).id for _ in range(3)] == ["d0", "d1", "d2"]


def test_a_mixture_takes_each_source_in_turn_shuffled_by_seed(tmp_path):
    one, other = write_pairs(tmp_path / "a.jsonl", 30), tmp_path / "b.jsonl"
    other.write_text('{"query": "x", "positive": "y", "negatives": ["z"]}\n')

    def read(seed):
        return list(opened("mixture", sources=[{"file": one}, {"file": str(other)}], seed=seed).pairs())

    found = read(1)
    assert found == read(1)
    assert found[-1] == Pair("x", "y", ("z",))
    assert sorted(pair.query for pair in found[:-1]) == sorted(f"q{n}" for n in range(30))
    assert [pair.query for pair in found[:-1]] != [f"q{n}" for n in range(30)]
    assert read(2) != found
    assert sorted(read(2)) == sorted(found)


@pytest.mark.parametrize(("skip", "limit"), [(0, 5), (5, 10), (25, None), (25, 100), (30, None), (99, 3)])
def test_skip_and_limit_cut_the_shuffled_source(tmp_path, skip, limit):
    file = write_pairs(tmp_path / "a.jsonl", 30)
    every = list(opened("mixture", sources=[{"file": file}]).pairs())
    source = {"file": file, "skip": skip} | ({} if limit is None else {"limit": limit})
    assert list(opened("mixture", sources=[source]).pairs()) == every[skip:][:limit]


@pytest.mark.parametrize(
    "line",
    ["", "{}", "[]", "null", "5", '{"query": "a"}', '{"positive": "a"}', '{"query": 1, "positive": "a"}',
     '{"query": "a", "positive": null}', '{"query": "a", "positive": "b", "negatives": [1]}', '{"query": "a"'],
)  # fmt: skip
def test_a_line_that_is_no_pair_is_named(tmp_path, line):
    file = tmp_path / "a.jsonl"
    file.write_text(f'{{"query": "a", "positive": "b"}}\n{line}\n')
    with pytest.raises(UserError, match="not a pair") as caught:
        list(opened("mixture", sources=[{"file": str(file)}]).pairs())
    assert (caught.value.file, caught.value.line) == (file, 2)


@pytest.mark.parametrize(
    "source", [{}, {"file": "a", "collection": {"type": "synthetic", "documents": 1}}], ids=["neither", "both"]
)
def test_a_source_is_a_file_or_a_collection(source):
    with pytest.raises(UserError, match="a file or a collection") as caught:
        opened("mixture", sources=[{"file": "x"}, source])
    assert caught.value.key == "sources.1"


def test_a_missing_file_of_pairs_is_named(tmp_path):
    for read in ("pairs", "fingerprint"):
        with pytest.raises(UserError, match="no such file of pairs") as caught:
            found = getattr(opened("mixture", sources=[{"file": str(tmp_path / "absent")}]), read)()
            list(found)
        assert caught.value.file == tmp_path / "absent"


def test_a_fingerprint_follows_each_file_of_pairs(tmp_path):
    one, other = write_pairs(tmp_path / "a.jsonl", 3), write_pairs(tmp_path / "b.jsonl", 4)

    def fingerprint():
        return opened("mixture", sources=[{"file": one}, {"file": other}]).fingerprint()

    first = fingerprint()
    assert fingerprint() == first
    write_pairs(tmp_path / "b.jsonl", 5)
    second = fingerprint()
    write_pairs(tmp_path / "a.jsonl", 2)
    assert len({first, second, fingerprint()}) == 3


LONG = [f"This is the sentence with number {n} of a passage that has some words." for n in range(5)]


def test_a_sentence_of_the_passage_asks_for_the_rest(tmp_path):
    file = tmp_path / "a.jsonl"
    rows = [{"query": "Title", "positive": " ".join(LONG)}, {"query": "Short", "positive": "Two. Sentences."}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (pair,) = opened("mixture", sources=[{"file": str(file), "sentence": True}]).pairs()
    assert pair.query in LONG
    left = [sentence for sentence in LONG if sentence != pair.query]
    assert pair.positive == " ".join(["Title", *left])


@pytest.mark.parametrize("kind", ["beir", "sample", "synthetic", "mixture"])
def test_each_declares_what_decides_its_content(made, kind):
    cls = type(made[kind])
    assert isinstance(cls.libraries, tuple)
    assert cls.__module__ in cls.modules(made[kind].params)
    assert set(cls.libraries) <= set(cls.libraries_with(made[kind].params))
    if kind == "sample":
        assert "harness.collections.beir" in cls.modules(made[kind].params)
