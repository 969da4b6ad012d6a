"""Seeded parts of a collection."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from small_specs import beir, load_small
from tests_support import write_collection

from harness.collections import EvaluationRules, Query
from harness.collections.sample import Sample, SampleParams
from harness.errors import UserError
from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.systems import system_stages
from harness.pipeline.steps.prepare import prepare

WHOLE = 400
RELEVANT = 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """400 documents, of which every fiftieth but the first is relevant; one judgement in two says "irrelevant"."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "qrels").mkdir()
    rows = [json.dumps({"_id": f"d{n}", "text": f"text {n}"}) for n in range(WHOLE)]
    (folder / "corpus.jsonl").write_text("\n".join(["broken", *rows]))
    (folder / "queries.jsonl").write_text("\n".join(json.dumps({"_id": f"q{n}", "text": "x"}) for n in range(8)))
    lines = [f"q{n}\td{50 * n}\t{int(n > 0)}\nq{n}\td{50 * n + 1}\t0\n" for n in range(8)]
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return folder


def sample(folder, documents, seed=1):
    whole = {"type": "beir", "path": str(folder), "tolerate": 1}
    return Sample(SampleParams(collection=whole, documents=documents, seed=seed))


def names(made):
    return [document.id for document in made.documents()]


@given(sizes=st.lists(st.integers(RELEVANT, WHOLE), min_size=2, max_size=2), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_as_many_as_asked_in_order_and_inside_of_each_other(folder, sizes, seed):
    small, large = (names(sample(folder, size, seed)) for size in sorted(sizes))
    assert (len(small), len(large)) == tuple(sorted(sizes))
    assert set(small) <= set(large)
    assert small == sorted(small, key=lambda name: int(name[1:]))
    assert {f"d{50 * n}" for n in range(1, 8)} <= set(small)


def test_every_document_is_as_likely(folder):
    """Of 300 seeds each irrelevant document is drawn by about a third: within five standard deviations."""
    counts = dict.fromkeys((f"d{n}" for n in range(WHOLE)), 0)
    size = RELEVANT + (WHOLE - RELEVANT) // 3
    for seed in range(300):
        for name in names(sample(folder, size, seed)):
            counts[name] += 1
    drawn = [counts[name] for name in counts if name == "d0" or int(name[1:]) % 50]
    assert len(drawn) == WHOLE - RELEVANT
    assert all(abs(count - 100) < 5 * (300 * 2 / 9) ** 0.5 for count in drawn)


def test_the_same_queries_and_no_judgement_of_what_is_not_there(folder, tmp_path):
    results = {}
    for size in (50, 200, WHOLE):
        (tmp_path / str(size)).mkdir()
        params = sample(folder, size).params.model_dump(mode="json")
        results[size] = prepare(out=str(tmp_path / str(size)), type="sample", params=params, report=lambda *_: None)
        kept = {json.loads(line)["id"] for line in (tmp_path / str(size) / "documents.jsonl").open()}
        judged = {line.split("\t")[1] for line in (tmp_path / str(size) / "qrels.tsv").open()}
        assert judged <= kept
        assert len(results[size].warnings) == 1, "the broken line, once"
    assert [one.documents for one in results.values()] == [50, 200, WHOLE]
    assert {one.queries for one in results.values()} == {7}
    assert results[WHOLE].judgements == 16
    assert len({one.revision for one in results.values()}) == 3


@pytest.mark.parametrize("documents", [RELEVANT - 1, WHOLE + 1])
def test_a_size_that_cannot_be(folder, documents):
    with pytest.raises(UserError, match=f"of {WHOLE} documents, of which {RELEVANT} are relevant"):
        names(sample(folder, documents))


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        ({"type": "beri", "path": "x"}, "collection.type"),
        ({"type": "mixture", "sources": []}, "collection.type"),
        ({"type": "beir", "path": ""}, "collection.path"),
        ({"type": ["beir"]}, "collection.type"),
        ({"type": "mteb", "suite": "NanoBEIR"}, "several collections"),
    ],
)
def test_a_whole_that_is_none(whole, words):
    with pytest.raises(ValidationError, match=words):
        SampleParams(collection=whole, documents=5)


def test_in_a_spec_each_size_is_a_collection_of_its_own(tmp_path):
    matrix = {"documents": [3, 5], "seed": [1, 2]}
    sample = {"type": "sample", "collection": beir(write_collection(tmp_path)), "matrix": matrix}
    spec = load_small(tmp_path, collections={"mine": sample})
    stages = [stage for stage in in_order(system_stages(spec, "m"), 1) if stage.kind == "prepare"]
    assert len({stage.key for stage in stages}) == 4
    assert stages[0].label == "prepare mine[documents=3, seed=1]"
    assert "harness.collections.beir" in stages[0].modules


def test_it_is_judged_as_the_whole_and_ranks_the_candidates_that_it_has(folder):
    rules = {"ignore_identical_ids": True, "ties": "identifier", "without_relevant": "zero"}
    made = Sample(SampleParams(collection={"type": "beir", "path": str(folder), "tolerate": 1, **rules}, documents=20))
    assert made.rules() == EvaluationRules(**rules)
    assert {query.candidates for query in made.queries()} == {None}
    inside = names(made)
    outside = next(f"d{n}" for n in range(WHOLE) if f"d{n}" not in inside)
    made.whole.queries = lambda: iter([Query("q", "x", (outside, *inside[:2]))])
    assert [query.candidates for query in made.queries()] == [tuple(inside[:2])]
