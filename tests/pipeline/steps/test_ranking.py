"""The rules of a collection on the results of every engine, against sorting all documents."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mteb_tasks import through_steps
from pretended_engine import engine_of

from harness.collections import EvaluationRules
from harness.errors import UserError
from harness.pipeline.steps import ranking
from harness.pipeline.steps.evaluate import changes_grades, tied_queries
from harness.pipeline.steps.ranking import Ranking, by_identifier, searched_depth


def prepared(folder, documents, queries, **rules):
    """A folder as `prepare` leaves it, with what ranking reads."""
    folder.mkdir(exist_ok=True)
    for name, ids in (("documents", documents), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"id": id, "text": ""}) + "\n" for id in ids))
    (folder / "rules.json").write_text(json.dumps(asdict(EvaluationRules(**rules))))
    return folder


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 12), st.booleans(),
    st.sampled_from(["number", "identifier"]), st.integers(1, 4),
)  # fmt: skip
def test_an_exact_engine_gives_the_first_of_all_documents_in_order(tmp_path, seed, count, depth, dropped, ties, levels):
    rng = np.random.default_rng(seed)
    names = [chr(number) for number in rng.permutation(np.r_[97:123, 0x20AC:0x20BA])[:count]]
    queries = [names[0], "not a document", *names[-1:]][: 2 + (count > 1)]
    scores = rng.integers(0, levels, (len(queries), count)).astype(np.float32)
    folder = prepared(tmp_path / "c", names, queries, ignore_identical_ids=dropped, ties=ties)
    ids, values = Ranking(folder, depth).of_search(engine_of(scores, []), len(queries), exact=True)
    for row, query in enumerate(queries):
        there = [n for n in range(count) if not (dropped and names[n] == query)]
        there.sort(key=(lambda n: n) if ties == "number" else (lambda n: names[n].encode()), reverse=ties != "number")
        wanted = sorted(there, key=lambda n: -scores[row, n])[:depth]
        assert ids[row].tolist() == wanted + [-1] * (depth - len(wanted))
        assert values[row, : len(wanted)].tolist() == scores[row, wanted].tolist()
    assert searched_depth(str(folder), depth) == depth + dropped


def test_only_queries_whose_last_rank_is_tied_are_searched_deeper_and_only_by_exact_engines(tmp_path, monkeypatch):
    scores = np.asarray([np.arange(40, 0, -1), np.ones(40), np.r_[9, 8, np.ones(38)]], np.float32)
    folder = prepared(tmp_path, [f"{n:02}" for n in range(40)], ["a", "b", "c"], ties="identifier")
    asked = []
    ids, _ = Ranking(folder, 2).of_search(engine_of(scores, asked), 3, exact=True)
    assert asked == [(3, 3), (1, 6), (1, 12), (1, 24), (1, 40)]
    assert ids.tolist() == [[0, 1], [39, 38], [0, 1]]
    asked.clear()
    monkeypatch.setattr(ranking, "HELD", 40)
    again, _ = Ranking(folder, 2).of_search(engine_of(np.ones((3, 40), np.float32), asked), 3, exact=True)
    assert again.tolist() == [[39, 38]] * 3
    assert asked == [(3, 3), (3, 6), (3, 12), *[(1, 24)] * 3, *[(1, 40)] * 3]
    asked.clear()
    ids, _ = Ranking(folder, 2).of_search(engine_of(scores, asked), 3, exact=False)
    assert asked == [(3, 2)]
    assert ids.tolist() == [[0, 1], [1, 0], [0, 1]]


def test_without_rules_an_engine_is_asked_for_what_is_wanted(tmp_path):
    asked = []
    scores = np.ones((2, 9), np.float32)
    ids, _ = Ranking(prepared(tmp_path, "abcdefghi", "xy"), 4).of_search(engine_of(scores, asked), 2, exact=True)
    assert (asked, ids.tolist()) == ([(2, 4)], [[0, 1, 2, 3]] * 2)


def test_past_the_last_hit_nothing_is_ordered():
    ids, scores = np.asarray([[2, 0, -1, -1]]), np.asarray([[1, 1, -np.inf, -np.inf]], np.float32)
    assert by_identifier(ids, scores, ["b", "z", "a"])[0].tolist() == [[0, 2, -1, -1]]


def test_ties_are_counted_where_they_touch_the_first_ten():
    ids = np.tile(np.arange(14), (4, 1))
    scores = np.tile(np.arange(14, 0, -1), (4, 1)).astype(np.float32)
    scores[1, 9:11] = 5  # at the cut
    scores[2, 10:13] = 4  # below it
    ids[3, 3:], scores[3, 3:] = -1, -np.inf
    assert tied_queries(ids, scores) == [1]
    assert not changes_grades(scores[1], [0] * 9 + [2, 2, 0, 0, 0])
    assert changes_grades(scores[1], [0] * 9 + [2, 0, 0, 0, 0])
    assert not changes_grades(scores[2], [0] * 10 + [2, 0, 1, 0])
    assert not changes_grades(scores[1], [0] * 9 + [0, -1, 0, 0, 0]), "what is not relevant gains nothing"


def folder_of(folder, rows):
    """A BEIR folder of three documents, of which one is also a query."""
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": id, "text": "list of"} for id in ("a", "b", "c")]
    queries = [{"_id": id, "text": "list"} for id in ("b", "q")]
    for name, lines in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "qrels" / "test.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    return str(folder)


ROWS = [("b", "c", "1"), ("q", "a", "0")]


@pytest.mark.parametrize(("type", "parameters"), [("faiss-flat", {}), ("faiss", {"factory": "HNSW8,Flat"})])
def test_a_folder_has_keys_for_its_rules_with_every_engine(tmp_path, type, parameters):
    path = folder_of(tmp_path / "beir", ROWS)

    def scored(number, **params):
        values, made, _ = through_steps(
            tmp_path / str(number), "beir", {"path": path, **params}, index=type, index_params=parameters, k=10
        )
        return values["mrr@10"], made

    usual, made = scored(0)
    assert (usual, made.queries_left_out, made.same_identifiers) == ({"b": pytest.approx(1 / 3)}, 1, 1)
    assert scored(1, ignore_identical_ids=True)[0] == {"b": 1 / 2}
    assert scored(2, ties="identifier")[0] == {"b": 1.0}
    zero, made = scored(3, without_relevant="zero")
    assert (zero, made.queries_left_out) == ({"b": pytest.approx(1 / 3), "q": 0.0}, 0)
    revisions = {scored(4 + n, **params)[1].revision for n, params in enumerate(({}, {"ties": "identifier"}))}
    assert len(revisions) == 2


def test_a_candidate_that_is_not_in_the_corpus_is_named(tmp_path):
    folder = prepared(tmp_path, "ab", "q")
    (folder / "candidates.jsonl").write_text('{"id": "q", "documents": ["a", "z"]}\n')
    with pytest.raises(UserError, match="the candidate 'z' of the query 'q'"):
        Ranking(folder, 2).of_candidates(np.ones((1, 2), np.float32), np.ones((2, 2), np.float32))
