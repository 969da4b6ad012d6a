"""Collections and training pairs in their common form on disk."""

import hashlib
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.collections import EvaluationRules, Pair, Query
from harness.errors import UserError
from harness.pipeline.steps import prepare as step
from harness.pipeline.steps.prepare import Prepared, PreparedPairs, open_pairs, read_blocks, read_qrels, read_texts

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
identifiers = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=""), min_size=1, max_size=8)


class Given:
    """A collection of what a test gives it."""

    def __init__(self, documents=(), queries=(), judgements=(), pairs=(), warnings=(), description=(), **rules):
        self.rows, self.asked, self.judged, self.pairs_given = documents, queries, judgements, pairs
        self.warned, self.described, self.ruled = warnings, dict(description), EvaluationRules(**rules)

    def documents(self):
        return (SimpleNamespace(id=name, full_text=words) for name, words in self.rows)

    def queries(self):
        return (Query(*row) for row in self.asked)

    def judgements(self):
        return (SimpleNamespace(query_id=q, document_id=d, relevance=r) for q, d, r in self.judged)

    def pairs(self):
        return iter(self.pairs_given)

    def rules(self):
        return self.ruled

    def warnings(self):
        return self.warned

    def description(self):
        return self.described


def run(folder, collection, function=step.prepare, report=lambda *_: None):
    """Prepare a collection into a folder."""
    before, step._open = step._open, lambda type, params: collection
    try:
        return function(out=str(folder), type="given", params={}, report=report)
    finally:
        step._open = before


DOCUMENTS = [("d1", "one"), ("dé2", "two\nlines"), ("d3", "")]


def test_counts_bytes_and_revision_are_those_of_the_files(tmp_path):
    judgements = [("q1", "d1", 1), ("q2", "d3", 0), ("q1", "dé2", 0), ("q4", "d1", 2)]
    queries = [("q1", "first"), ("q2", "only irrelevant"), ("q3", "not judged")]
    collection = Given(DOCUMENTS, queries, judgements, warnings=["a line was broken"], description={"licence": "CC0"})
    prepared = run(tmp_path, collection)
    files = [(tmp_path / name).read_bytes() for name in ("documents.jsonl", "qrels.tsv", "queries.jsonl")]
    assert prepared == Prepared(
        documents=3,
        queries=1,
        queries_left_out=2,
        judgements=4,
        identifier_bytes=len(b"d1") + len("dé2".encode()) + len(b"d3"),
        revision=hashlib.sha256(b"".join(files)).hexdigest(),
        description={"licence": "CC0"},
        warnings=("a line was broken",),
        rules=EvaluationRules(),
        same_identifiers=0,
        reranked=False,
        copies=0,
    )
    assert list(read_texts(tmp_path / "documents.jsonl")) == DOCUMENTS
    assert list(read_texts(tmp_path / "queries.jsonl")) == [("q1", "first")]
    assert read_qrels(tmp_path / "qrels.tsv") == {"q1": {"d1": 1, "dé2": 0}, "q2": {"d3": 0}, "q4": {"d1": 2}}


@pytest.mark.parametrize(
    ("collection", "message"),
    [
        (Given([], [("q", "a")], [("q", "d", 1)]), "has no documents"),
        (Given(DOCUMENTS, [], [("q", "d1", 1)]), r"no query with a relevant document \(1 judgements\)"),
        (Given(DOCUMENTS, [("q", "a")], []), r"no query with a relevant document \(0 judgements\)"),
        (Given(DOCUMENTS, [("q", "a")], [("q", "d1", 0)]), "no query with a relevant document"),
        (Given(DOCUMENTS, [("q", "a")], [("Q", "d1", 1)]), "no query with a relevant document"),
    ],
)
def test_a_collection_that_cannot_be_evaluated_is_refused(tmp_path, collection, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, collection)


def test_progress_is_reported_every_thousand_documents(tmp_path):
    reported = []
    collection = Given([(str(n), "a") for n in range(2500)], [("q", "a")], [("q", "1", 1)])
    run(tmp_path, collection, report=lambda *now: reported.append(now))
    assert reported == [(1000, None, "documents"), (2000, None, "documents")]


@given(st.lists(st.tuples(identifiers, text), min_size=1, max_size=6), st.integers(1, 4))
def test_texts_are_read_as_they_were_written(tmp_path_factory, documents, size):
    folder = tmp_path_factory.mktemp("texts")
    run(folder, Given(documents, [("q", "a")], [("q", documents[0][0], 1)]))
    assert list(read_texts(folder / "documents.jsonl")) == documents
    blocks = list(read_blocks(folder / "documents.jsonl", size))
    assert [words for block in blocks for words in block] == [words for _, words in documents]
    assert {len(block) for block in blocks[:-1]} <= {size}


@given(st.dictionaries(st.tuples(identifiers, identifiers), st.integers(-2, 3), min_size=1, max_size=8))
def test_judgements_are_read_as_they_were_written(tmp_path_factory, judgements):
    folder = tmp_path_factory.mktemp("qrels")
    rows = [(query, document, relevance) for (query, document), relevance in judgements.items()]
    run(folder, Given(DOCUMENTS, [("always there", "a")], [*rows, ("always there", "d1", 1)]))
    read = read_qrels(folder / "qrels.tsv")
    written = {**judgements, ("always there", "d1"): 1}
    assert {(q, d): relevance for q, by_document in read.items() for d, relevance in by_document.items()} == written


several = st.lists(text, max_size=3).map(tuple)
scores = st.lists(st.lists(st.floats(-9, 9), max_size=3).map(tuple), max_size=2).map(tuple)


@given(st.lists(st.builds(Pair, text, text, several, several, scores, st.booleans()), min_size=1, max_size=5))
def test_pairs_are_read_as_they_were_written(tmp_path_factory, pairs):
    folder = tmp_path_factory.mktemp("pairs")
    assert run(folder, Given(pairs=pairs), step.prepare_pairs) == PreparedPairs(len(pairs))
    assert list(open_pairs(folder)) == pairs


def test_a_collection_without_pairs_is_no_training_data(tmp_path):
    with pytest.raises(UserError, match="has no training pairs"):
        run(tmp_path, Given(), step.prepare_pairs)


def test_half_a_surrogate_pair_survives(tmp_path):
    """Texts of the web hold such; JSON can write them."""
    run(tmp_path, Given([("d1", "a\ud800b")], [("q", "a")], [("q", "d1", 1)]))
    line = (tmp_path / "documents.jsonl").read_bytes()
    assert json.loads(line.decode("utf-8", "surrogatepass"))["text"] == "a\ud800b"
    assert list(read_texts(tmp_path / "documents.jsonl")) == [("d1", "a\ud800b")]


def test_candidates_and_rules_come_back_and_are_part_of_the_revision(tmp_path):
    queries = [("q", "a", ("d3", "dé2")), ("none", "b", ()), ("zero", "c", ("d1",))]
    judgements = [("q", "d1", 1), ("none", "d1", 1), ("zero", "d1", 0)]
    given = {"usual": {}, "zero": {"without_relevant": "zero"}, "own": {"ignore_identical_ids": True}}
    made = {}
    for name, rules in given.items():
        (tmp_path / name).mkdir()
        made[name] = run(tmp_path / name, Given(DOCUMENTS, queries, judgements, **rules))
        assert step.read_rules(tmp_path / name) == made[name].rules == EvaluationRules(**rules)
    assert step.read_candidates(tmp_path / "usual") == [("d3", "dé2"), ()]
    assert step.read_candidates(tmp_path / "zero") == [("d3", "dé2"), (), ("d1",)]
    assert [(one.queries, one.queries_left_out, one.reranked) for one in made.values()] == [
        (2, 1, True), (3, 0, True), (2, 1, True)
    ]  # fmt: skip
    (tmp_path / "searched").mkdir()
    searched = run(tmp_path / "searched", Given(DOCUMENTS, [query[:2] for query in queries], judgements))
    assert (searched.reranked, step.read_candidates(tmp_path / "searched")) == (False, None)
    assert len({one.revision for one in (*made.values(), searched)}) == 4


def test_candidates_of_some_queries_alone_are_refused(tmp_path):
    with pytest.raises(UserError, match="1 of 2 queries have candidates"):
        run(tmp_path, Given(DOCUMENTS, [("q", "a", ("d1",)), ("p", "b")], [("q", "d1", 1), ("p", "d1", 1)]))


def test_queries_with_a_document_of_their_name_are_counted_where_they_are_searched(tmp_path):
    queries = [("d1", "a"), ("d3", "b"), ("dé2", "left out"), ("q", "c")]
    assert run(tmp_path, Given(DOCUMENTS, queries, [(q, "d1", 1) for q in ("d1", "d3", "q")])).same_identifiers == 2


@pytest.mark.parametrize(
    ("texts", "copies"), [(["a", "b", "a", "a"], 2), (["", "", " "], 0), (["a", "A", "a "], 0), (["é", "e\u0301"], 0)]
)
def test_documents_with_the_text_of_an_earlier_one_are_counted(tmp_path, texts, copies):
    documents = [(str(number), text) for number, text in enumerate(texts)]
    assert run(tmp_path, Given(documents, [("q", "x")], [("q", "0", 1)])).copies == copies
