"""The four answers to a claim, on runs whose truth is known."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from suite_runs import MEANS, write_suite_run

from harness.claims import Verdict
from harness.claims.judge_run import verdicts
from harness.claims.memory import DENSE
from harness.records import record
from harness.runs.read import load_run
from harness.spec.claim import ClaimSpec
from reports.answers import answers as module
from reports.answers.answers import ANSWERS, ASSUMED, CHANGE, COST, TRUE, answers
from reports.answers.changes import would_change
from reports.answers.costs import costs
from reports.answers.scope import Scope
from reports.pages.run_page import page
from reports.sections.takeaways import SIGNS, WORST

MEMORY = {"name": "small", "metric": "index_bytes_per_document", "system": "sparse & co", "collection": "alpha"}


def of(run, **claim):
    """The answers to one claim of a run, by question."""
    run.facts["claims"] = [claim]
    (one,) = answers(run)
    return dict(one.answers), one


def verdict(claim, word, collection="c", **numbers):
    return Verdict(claim, collection, word, f"On {collection}: {word}.", 0.5, **numbers)


def test_a_claim_on_memory_is_answered_with_its_assumptions_its_costs_and_its_limits(run_folder):
    run = load_run(run_folder)
    run.facts["systems"] = [
        {**system, "codec": {"sparse & co": "u8", "dense_1": "float32"}.get(system["name"], "")}
        for system in run.systems
    ]
    run.__dict__.pop("_cells", None)
    found, one = of(run, **MEMORY, baseline="dense_1", reduction_at_least=0.71)
    assert list(found) == [TRUE, ASSUMED, COST, CHANGE]
    assert (one.word, one.title, one.share, one.others) == ("supported", "✓ Supported", "", [])
    assert found[TRUE].startswith("Yes. On alpha: Index bytes per document")
    assert "71.0% below" in found[TRUE] and "The claim is" not in found[TRUE]
    assert found[ASSUMED] == (
        "10 documents and 60 queries of alpha; sparse & co has 90 terms a document in u8; "
        "dense_1 has 128 dimensions in float32; bytes counted: m."
    )
    # sparse & co is better by 0.2 on every query, and its query takes half as long; dense_1 was disturbed
    assert found[COST].startswith("Against dense_1: nDCG@10 0.598 instead of 0.398 (+0.200 [+0.200, +0.200]);")
    assert re.search(r"the median query takes .* instead of .* \(0\.\d+ times\), timing disturbed\.$", found[COST])
    assert "90 terms a document instead of 90" in found[CHANGE]  # 290 bytes are 71 % less than 1000, to the byte


@pytest.mark.parametrize(("ours", "word"), [(100.0, "supported"), (300.0, "contradicted")])
def test_every_codec_and_count_of_terms_that_is_named_would_change_the_verdict(run_folder, ours, word):
    run = load_run(run_folder)
    run.facts["collections"]["alpha"]["documents"] = 100_000  # shared tables hardly count
    sizes = {("sparse & co", "index_bytes_per_document"): ours, ("dense_1", "index_bytes_per_document"): 512.0}
    run.records[:] = [
        replace(row, value=sizes.get((row.system, row.metric), row.value)) if row.collection == "alpha" else row
        for row in run.records
    ]
    found, one = of(run, **MEMORY, baseline="dense_1", reduction_at_least=0.71)
    assert one.word == word
    named = {codec.label: codec for codec in DENSE.values() if f"{codec.label} (" in found[CHANGE]}
    for codec in named.values():
        size = codec.size(100_000, 128) / 100_000
        assert (1 - ours / size >= 0.71) is (word == "contradicted")
    assert bool(named) is (word == "supported")  # float32 is the largest of the codecs
    terms = int(re.search(r"about (\d+) terms a document instead of 90", found[CHANGE])[1])
    for count, holds in ((terms - 1, True), (terms + 1, False)):
        assert (1 - ours * count / 90 / 512 >= 0.71) is holds


def test_the_worst_collection_answers_and_the_others_are_named(run_folder):
    run = load_run(run_folder)
    claim = {**MEMORY, "collection": None, "metric": "ndcg@10", "baseline": "dense_1", "difference_at_least": 0.1}
    found, one = of(run, **claim)
    assert (one.word, one.share) == ("contradicted", " on 1 of 2 collections")
    assert found[TRUE].startswith("No. On beta:")
    assert [text.startswith("On alpha: ") for text in one.others] == [True]
    assert found[CHANGE].endswith("The verdict differs on other collections: supported on alpha.")
    assert "nDCG" not in found[COST]  # the claim itself is about it
    assert found[COST].startswith("Against dense_1: the median query takes")
    assert "the index takes 290 B a document instead of 1000 B (0.29 times)" in found[COST]


def test_a_system_that_failed_leaves_the_verdict_open(run_folder):
    found, one = of(load_run(run_folder), **{**MEMORY, "system": "broken"}, baseline="dense_1", reduction_at_least=0.7)
    assert one.word == "not comparable"
    assert found[TRUE].startswith("Not comparable. On alpha: not comparable, broken is oom")
    assert found[CHANGE] == "A run that measures both sides alike."
    assert found[COST] == "This run measured nothing else of broken and dense_1."


def test_a_claim_without_a_baseline_says_where_the_system_stands(run_folder):
    run = load_run(run_folder)
    found, one = of(run, **{**MEMORY, "system": "dense_1"}, at_most=2000.0)
    assert one.word == "supported"
    assert found[COST].startswith("nDCG@10 0.398 [0.378, 0.418], place 2 of 3 (best: sparse & co, 0.598)")
    assert found[CHANGE] == "A bound down to 1000 B is supported as well."
    found, _ = of(run, **{**MEMORY, "system": "dense_1"}, at_most=900.0)
    assert found[CHANGE] == "Every bound below 1000 B is contradicted."


@given(
    st.sampled_from(["ratio_at_most", "ratio_at_least", "difference_at_least", "difference_at_most"]),
    st.floats(0.1, 9), st.floats(0.01, 2), st.floats(0.1, 9),
)  # fmt: skip
def test_the_bound_that_is_named_parts_the_words(relation, value, half, bound):
    """Up to the bound named a claim keeps its word; three digits are shown."""
    from harness.claims.verdict import word_of
    from harness.runs.read import RunData

    low, high = value - half, value + half
    word = word_of(relation, bound, low, high)
    claim = ClaimSpec(name="x", metric="flops_search", system="a", baseline="b", **{relation: bound})
    found = verdict("x", word, value=value, low=low, high=high)
    run = RunData.of_records(None, [], revision="")
    text = would_change(Scope(run, claim, found), [found])
    if word == "inconclusive":
        assert "bound" in text or "settle" in text
        return
    shown = re.search(r"(?:to|above|below) ([+-]?[\d.,e+-]+)", text)[1]
    limit = low if relation.endswith("at_least") == (word == "supported") else high
    assert float(shown.rstrip(".").replace(",", "")) == pytest.approx(limit, rel=0.01, abs=0.06)
    assert word_of(relation, limit, low, high) in (word, "inconclusive")


def test_more_queries_are_asked_for_where_the_interval_holds_the_bound(run_folder):
    run = load_run(run_folder)
    noise = np.random.default_rng(5).normal(0, 0.2, 60)
    key = ("alpha", "dense_1", "ndcg@10")
    moved = zip(run.quality[key].items(), noise - noise.mean(), strict=True)
    run.quality[key] = {query: value + more for (query, value), more in moved}
    found, one = of(run, **{**MEMORY, "metric": "ndcg@10"}, baseline="dense_1", difference_at_least=0.18)
    assert one.word == "inconclusive"
    assert found[TRUE].startswith("Not settled. ")
    assert re.match(r"With (about|more than) [\d,]+ queries instead of 60 it would be settled", found[CHANGE])


def test_a_suite_is_answered_by_its_means(tmp_path):
    claim = {
        "name": "better", "metric": "index_bytes_per_document", "system": "good", "baseline": "other", "suite": "S",
        "ratio_at_most": 0.6,
    }  # fmt: skip
    run = load_run(write_suite_run(tmp_path, claims=[claim]))
    (one,) = answers(run)
    found = dict(one.answers)
    assert one.word == "supported"
    assert "1,200 documents and 160 queries of S, 3 tasks" in found[ASSUMED]
    good, other = MEANS["good"], MEANS["other"]
    assert f"nDCG@10 {good:.3f} instead of {other:.3f} ({good - other:+.3f} [" in found[COST]


def test_a_cost_that_was_not_measured_is_left_out(run_folder):
    run = load_run(run_folder)
    run.records[:] = [row for row in run.records if row.metric != "ndcg@10"]
    found, _ = of(run, **MEMORY, baseline="dense_1", reduction_at_least=0.71)
    assert found[COST].startswith("Against dense_1: the median query takes")
    run.records[:] = [row for row in run.records if not row.metric.startswith("latency")]
    run.__dict__.pop("_cells", None)
    scope = Scope(run, ClaimSpec(**MEMORY, baseline="dense_1", reduction_at_least=0.71), verdict("x", "supported"))
    assert costs(scope) == f"This run measured nothing else of {scope.claim.system} and dense_1."


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(WORST)), max_size=12))
def test_every_verdict_is_in_one_answer_and_claims_keep_their_order(pairs):
    from harness.runs.read import RunData

    made = [verdict(claim, word, f"c{place}") for place, (claim, word) in enumerate(pairs)]
    run = RunData.of_records(None, [record("r", "c0", "s", "index_bytes", 1.0, method="m")], revision="")
    run.facts["claims"] = [
        {"name": name, "metric": "index_bytes", "system": "s", "at_most": 2.0} for name in dict.fromkeys("xyz")
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "verdicts", lambda _: made)
        rows = answers(run)
    assert [row.claim for row in rows] == list(dict.fromkeys(claim for claim, _ in pairs))
    for row in rows:
        own = [word for claim, word in pairs if claim == row.claim]
        assert WORST.index(row.word) == min(map(WORST.index, own))
        assert row.title.startswith(SIGNS[row.word])
        assert row.answers[0][1].startswith(ANSWERS[row.word])
        assert row.share in ("", f" on {own.count(row.word)} of {len(own)} collections")
        assert len(row.others) == len(own) - 1


def test_the_page_opens_with_the_answers_and_names_stay_text(run_folder):
    run = load_run(run_folder)
    assert [one.word for one in answers(run)] == list(dict.fromkeys(one.word for one in verdicts(run)))
    html = page(run)
    first, figure = html.index("What would change the answer?"), html.index("<figure")
    assert html.index("<h1>") < html.index("✓ Supported") < first < figure
    assert "<script>alert" not in html
    run.facts["claims"] = [{**run.facts["claims"][0], "name": f"claim {place}"} for place in range(5)]
    assert page(run).count('<details class="claim">') == 3
