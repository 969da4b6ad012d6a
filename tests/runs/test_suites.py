"""Values of a run over a suite, and sentences on what is missing."""

import pytest
from suite_runs import DOCUMENTS, LEVELS, MEANS, WEIGHTS, write_suite_run

from harness.runs.read import load_run
from harness.runs.suites import incomplete, missing, over, systems_of
from harness.stats.means import FRACTION
from harness.stats.strata import suite_mean


def opened(folder, **more):
    run = load_run(write_suite_run(folder, **more))
    return run, next(iter(run.suites), None)


def test_the_mean_is_over_tasks_with_its_interval_over_queries(tmp_path):
    run, suite = opened(tmp_path)
    row = over(run, suite, "good", "ndcg@10")
    assert row.value == pytest.approx(MEANS["good"])
    strata = [list(run.quality[one, "good", "ndcg@10"].values()) for one in WEIGHTS]
    _, low, high = suite_mean(strata, list(WEIGHTS.values()), limits=FRACTION)
    assert (row.ci_low, row.ci_high) == pytest.approx((low, high))
    assert (row.collection, row.method, row.n) == ("S", "mean over 3 tasks", 160)


def test_confidence_is_the_runs(tmp_path):
    wide, suite = opened(tmp_path / "a", measure={"confidence": 0.99})
    usual, _ = opened(tmp_path / "b")
    assert over(wide, suite, "good", "ndcg@10").ci_low < over(usual, suite, "good", "ndcg@10").ci_low


def test_bytes_add_up_and_are_shared_among_all_documents(tmp_path):
    run, suite = opened(tmp_path)
    total = 10.0 * (2 * 100 + 1000 + 50 + 50)
    row = over(run, suite, "good", "index_bytes")
    assert (row.value, row.method) == (pytest.approx(total), "sum over 4 collections")
    row = over(run, suite, "good", "index_bytes_per_document")
    documents = sum(count for one, count in DOCUMENTS.items() if one != "beside")
    assert row.value == pytest.approx(total / documents)
    assert row.method == "all bytes over all documents of 4 collections"
    run.facts["collections"]["c1"].pop("documents")
    assert over(run, suite, "good", "index_bytes_per_document") is None


def test_what_is_missing_is_said_and_the_mean_of_the_rest_is_partial(tmp_path):
    run, suite = opened(tmp_path, failed={("c2", "good"): "no memory"}, left_out={("p1", "good")})
    assert missing(run, suite, "good", "ndcg@10") == {"c2": "failed: no memory", "p1": "not run"}
    assert over(run, suite, "good", "ndcg@10") is None
    assert incomplete(run, suite, "good", "ndcg@10") == (
        "good has no mean over S. Missing: Second (failed: no memory); Forum: p1 (not run). Partial mean of nDCG@10 "
        "over the 1 of 3 tasks that are there: 0.8000."
    )
    assert missing(run, suite, "other", "ndcg@10") == {}
    assert incomplete(run, suite, "other", "ndcg@10") == ""
    assert set(missing(run, suite, "other", "recall@10").values()) == {"no recall@10"}


def test_nothing_of_a_suite_has_no_partial_mean(tmp_path):
    run, suite = opened(tmp_path, failed={(one, "good"): "x" for one in LEVELS["good"]})
    text = "good has no mean over S. Missing: First, Second, Forum: p1, Forum: p2 (failed: x)."
    assert incomplete(run, suite, "good", "ndcg@10") == text


def test_systems_are_those_that_were_to_run_on_it(tmp_path):
    run, suite = opened(tmp_path, left_out={(one, "other") for one in WEIGHTS})
    assert systems_of(run, suite) == ["good"]


def test_a_run_of_before_has_no_suites(tmp_path):
    assert opened(tmp_path, suites={})[1] is None
