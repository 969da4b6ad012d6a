"""Our figures on tasks of mteb are those of `mteb.evaluate` on the same vectors, query by query."""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mteb_repositories import WORDS
from mteb_tasks import THEIRS, HashEncoder, task_of, through_mteb, through_steps, vectors_of

from harness.errors import UserError

mteb = pytest.importorskip("mteb")


def content(seed=0, documents=60, queries=12, grades=(0, 1, 2), name="q{}"):
    """The data of a split; identifiers and numbers have different orders, and so have ties by one or the other."""
    drawn = random.Random(seed)  # noqa: S311
    names = [f"{letter}{n}" for n in range(documents) for letter in "é"[n % 2 :] or "d"]
    drawn.shuffle(names)
    corpus = [
        {"id": id, "title": drawn.choice(["", "graph"]), "text": " ".join(drawn.choices(WORDS, k=drawn.randint(2, 7)))}
        for id in names
    ]
    asked = [{"id": name.format(n), "text": " ".join(drawn.choices(WORDS, k=3))} for n in range(queries)]
    qrels = {q["id"]: {id: drawn.choice(grades) for id in drawn.sample(names, 9)} for q in asked}
    return {"corpus": corpus, "queries": asked, "relevant_docs": qrels, "top_ranked": None}


@pytest.fixture
def known(monkeypatch):
    """Makes a made-up task known to mteb by the name MadeUp."""

    def make(kind):
        def get_task(name, eval_splits=None):
            made = kind().filter_eval_splits(eval_splits)
            get_task.made.append(made)
            return made

        get_task.made = []
        monkeypatch.setattr(mteb, "get_task", get_task)
        return get_task.made

    return make


def assert_same(folder, kind, *, params=None, at_least=0, **steps):
    """Both ways score each query alike in all metrics that both have."""
    params = params or {}
    theirs, result = through_mteb(kind, **params)
    ours, prepared, evaluated = through_steps(folder, "mteb", {"task": "MadeUp", **params}, **steps)
    for metric, name in THEIRS.items():
        assert ours[metric].keys() == theirs.keys(), metric
        for query, value in ours[metric].items():
            assert value == pytest.approx(theirs[query][name], abs=1e-6), (metric, query)
    (scores,) = next(iter(result.scores.values()))
    assert evaluated.metrics["ndcg@10"].value == pytest.approx(scores["ndcg_at_10"], abs=6e-6)
    assert evaluated.metrics["mrr@10"].value == pytest.approx(scores["mrr_at_10"], abs=1e-9)
    assert len(set(ours["ndcg@10"].values())) > at_least
    return prepared, evaluated, scores


def own_queries(seed=3):
    """Half of the queries are documents, with identifier and text, and first of their own results."""
    made = content(seed)
    for query, document in zip(made["queries"][::2], made["corpus"], strict=False):
        made["relevant_docs"][document["id"]] = made["relevant_docs"].pop(query["id"])
        query |= {"id": document["id"], "text": f"{document['title']} {document['text']}".strip()}
    return made


def test_a_plain_task(tmp_path, known):
    kind = task_of({"default": {"test": content()}})
    known(kind)
    prepared, evaluated, _ = assert_same(tmp_path, kind, at_least=5)
    assert prepared.same_identifiers == 0
    assert evaluated.tied == 12
    assert 0 < evaluated.tied_grades <= 12


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("k", [None, 10])
def test_identical_identifiers(tmp_path, known, dropped, k):
    kind = task_of({"default": {"test": own_queries()}}, ignore_identical_ids=dropped)
    known(kind)
    prepared, _, _ = assert_same(tmp_path, kind, k=k)
    assert (prepared.same_identifiers, prepared.rules.ignore_identical_ids) == (6, dropped)


def test_candidates(tmp_path, known):
    made = content(5)
    drawn = random.Random(1)  # noqa: S311
    names = [row["id"] for row in made["corpus"]]
    made["top_ranked"] = {row["id"]: drawn.sample(names, 14) for row in made["queries"]}
    kind = task_of({"default": {"test": made}}, main_score="map_at_10")
    known(kind)
    prepared, _, _ = assert_same(tmp_path / "dense", kind)
    assert prepared.reranked
    assert_same(tmp_path / "sparse", kind, index="inverted")
    made["queries"][0]["id"] = made["corpus"][0]["id"]
    made["relevant_docs"][made["corpus"][0]["id"]] = made["relevant_docs"].pop("q0")
    made["top_ranked"][made["corpus"][0]["id"]] = [made["corpus"][0]["id"], *made["top_ranked"].pop("q0")]
    own = task_of({"default": {"test": made}}, ignore_identical_ids=True)
    known(own)
    assert_same(tmp_path / "own", own)
    del made["top_ranked"]["q1"]
    known(own)
    assert_same(tmp_path / "without", own)


def test_conversations_and_instructions(tmp_path, known):
    rows = content(7)
    turns = [{**row, "text": [{"role": "user", "content": row["text"]}, {"role": "assistant", "content": "list of"}]}
             for row in rows["queries"]]  # fmt: skip
    strings = [{**row, "text": [row["text"], "sum of the"]} for row in rows["queries"]]
    asked = [{**row, "instruction": f"find the {WORDS[n]}"} for n, row in enumerate(rows["queries"])]
    both = [{**row, "instruction": f"find {WORDS[n]}"} for n, row in enumerate(turns)]
    for name, queries in (("turns", turns), ("strings", strings), ("instructions", asked), ("both", both)):
        kind = task_of({"default": {"test": {**rows, "queries": queries}}})
        known(kind)
        assert_same(tmp_path / name, kind, at_least=3)
        encoder = HashEncoder()
        through_mteb(kind, encoder)
        from harness.collections.mteb_task import MtebParams, MtebTask

        texts = [query.text for query in MtebTask(MtebParams(task="MadeUp")).queries()]
        assert texts == encoder.texts["query"], name


def test_a_conversation_of_another_form_is_refused(known):
    from harness.collections._mteb_text import query_text

    with pytest.raises(UserError, match="'q' is a conversation with the turn"):
        query_text({"id": "q", "text": [{"speaker": "a", "content": "b"}]})


def test_judgements_that_are_all_zero_count_zero(tmp_path, known):
    made = content(9, grades=(0, 0, 0, 0, 0, 0, 0, 1))
    made["relevant_docs"]["q0"] = dict.fromkeys(made["relevant_docs"]["q0"], 0)
    made["relevant_docs"]["q1"] = {}
    made["relevant_docs"]["nobody asks"] = {made["corpus"][0]["id"]: 1}
    made["relevant_docs"]["q2"] = {"not in the corpus": 2, made["corpus"][0]["id"]: 1}
    kind = task_of({"default": {"test": made}})
    known(kind)
    prepared, evaluated, _ = assert_same(tmp_path, kind)
    assert (prepared.queries, prepared.queries_left_out) == (11, 1)
    assert evaluated.metrics["ndcg@10"].n == 11


def test_a_split_and_a_subset_alone_are_loaded(tmp_path, known):
    parts = {subset: {split: content(n + m) for m, split in enumerate(("test", "dev"))} for n, subset in
             enumerate(("en", "de", "fr"))}  # fmt: skip
    kind = task_of(parts)
    made = known(kind)
    scores = {}
    for number, (split, subset) in enumerate((("dev", "de"), ("test", "de"), ("dev", "fr"))):
        _, evaluated, _ = assert_same(tmp_path / str(number), kind, params={"split": split, "subset": subset})
        assert made[-1].loaded == [(subset, split)]
        scores[split, subset] = evaluated.metrics["ndcg@10"].value
    assert len(set(scores.values())) == 3
    with pytest.raises(UserError, match="has several subsets") as error:
        through_steps(tmp_path / "none", "mteb", {"task": "MadeUp"})
    assert "en, de, fr" in str(error.value)
    with pytest.raises(UserError, match="has no subset 'it'"):
        through_steps(tmp_path / "it", "mteb", {"task": "MadeUp", "subset": "it"})


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.integers(2, 130), st.integers(1, 4), st.booleans(), st.sampled_from([11, 20, 100]))
def test_small_tasks_with_ties(tmp_path_factory, known, seed, documents, queries, dropped, depth):
    """All documents of a few texts: whole groups tie, and ties cross every cut."""
    drawn, rng = random.Random(seed), np.random.default_rng(seed)  # noqa: S311
    texts = [" ".join(drawn.choices(WORDS, k=2)) for _ in range(3)]
    names = [str(n) for n in rng.permutation(200)[:documents]]
    corpus = [{"id": id, "title": "", "text": drawn.choice(texts)} for id in names]
    asked = [{"id": names[0] + " " * n, "text": drawn.choice(texts)} for n in range(queries)]
    qrels = {q["id"]: {id: drawn.choice((0, 1, 3)) for id in drawn.sample(names, 2)} for q in asked}
    kind = task_of(
        {"default": {"test": {"corpus": corpus, "queries": asked, "relevant_docs": qrels, "top_ranked": None}}},
        ignore_identical_ids=dropped,
    )
    known(kind)
    theirs, _ = through_mteb(kind)
    ours, _, _ = through_steps(tmp_path_factory.mktemp("tied"), "mteb", {"task": "MadeUp"}, depth=depth)
    for metric, name in THEIRS.items():
        if int(metric.partition("@")[2]) <= depth:
            assert ours[metric] == {query: pytest.approx(values[name], abs=1e-6) for query, values in theirs.items()}


@pytest.mark.parametrize("ranked", [False, True])
def test_our_systems_in_mteb_read_conversations_and_candidates_alike(tmp_path, known, ranked):
    from types import SimpleNamespace

    from harness.indexes import create
    from harness.mteb_adapter import MtebSystem

    made = own_queries(11)
    for row in made["queries"][1::2]:
        made["relevant_docs"].setdefault(row["id"], {})
    made["queries"] = [{**row, "text": row["text"].split(), "instruction": "find"} for row in made["queries"]]
    if ranked:
        drawn = random.Random(2)  # noqa: S311
        names = [row["id"] for row in made["corpus"]]
        made["top_ranked"] = {row["id"]: drawn.sample(names, 14) for row in made["queries"][1:]}
    kind = task_of({"default": {"test": made}}, ignore_identical_ids=True)
    known(kind)
    encoder = SimpleNamespace(encode_documents=vectors_of, encode_queries=vectors_of)
    system, _ = through_mteb(kind, MtebSystem("made/up", encoder, create("faiss-flat")))
    theirs, _ = through_mteb(kind)
    ours, _, _ = through_steps(tmp_path, "mteb", {"task": "MadeUp"})
    for metric, name in THEIRS.items():
        for query, value in ours[metric].items():
            assert value == pytest.approx(system[query][name], abs=1e-6) == pytest.approx(theirs[query][name], abs=1e-6)
