"""Claims on a suite: one verdict on the mean over its tasks, or on all its bytes."""

import numpy as np
import pytest
from small_specs import CLAIM, HEAD, TABLES, refused

from harness.claims import Evidence, judge
from harness.records import record
from harness.spec.claim import ClaimSpec
from harness.spec.suite import Suite
from harness.stats.means import DIFFERENCE, FRACTION
from harness.stats.strata import suite_mean, suite_ratio

SUITE = Suite("S", {"first": ("c1",), "forum": ("c2", "c3")})
WEIGHTS = [0.5, 0.25, 0.25]
SIZES = {"c1": 50, "c2": 120, "c3": 30}


def drawn(seed):
    rng = np.random.default_rng(seed)
    return {name: rng.beta(2, 2, size) for name, size in SIZES.items()}


OURS, THEIRS = drawn(1), drawn(2)


def evidence(metric="ndcg@10", *, values=None, systems=("a", "b"), statuses=None, by_query=True, **more):
    """Values of each system on each collection: of every query, or one number each."""
    values = values or dict(zip("ab", (OURS, THEIRS), strict=True))
    records, quality = {}, {}
    for system in systems:
        for name, own in values[system].items():
            records[name, system, metric] = record("r", name, system, metric, float(np.mean(own)), method="m")
            if by_query:
                quality[name, system, metric] = {f"q{i}": float(x) for i, x in enumerate(own)}
    known = {(name, system): ("ok", "") for name, system, _ in records} | (statuses or {})
    for cell, (status, _) in known.items():
        if status != "ok":
            records.pop((*cell, metric), None)
            quality.pop((*cell, metric), None)
    return Evidence(records, known, quality, suites={"S": SUITE}, **more)


def claim(metric="ndcg@10", **more):
    return ClaimSpec(name="n", metric=metric, system="a", suite="S", **more)


def one(asked, found):
    (verdict,) = judge(asked, found)
    assert verdict.collection == "S"
    return verdict


def test_quality_is_the_mean_over_the_tasks():
    wanted = suite_mean(list(OURS.values()), WEIGHTS, limits=FRACTION)
    verdict = one(claim(at_least=0.1), evidence())
    assert (verdict.value, verdict.low, verdict.high) == pytest.approx(wanted)
    assert verdict.value == pytest.approx((OURS["c1"].mean() + (OURS["c2"].mean() + OURS["c3"].mean()) / 2) / 2)
    assert verdict.word == "supported"
    assert verdict.sentence == (
        f"On S: nDCG@10 of a is {wanted[0]:.4g} (95% interval over queries within tasks {wanted[1]:.4g} to "
        f"{wanted[2]:.4g}); claimed: at least 0.1 (mean over 2 tasks). The claim is supported."
    )
    assert one(claim(at_least=wanted[0]), evidence()).word == "inconclusive"
    assert one(claim(at_least=0.9), evidence()).word == "contradicted"


def test_two_systems_are_paired_by_query_within_tasks():
    gaps = [OURS[name] - THEIRS[name] for name in SIZES]
    verdict = one(claim(baseline="b", difference_at_least=-0.5), evidence())
    assert (verdict.value, verdict.low, verdict.high) == pytest.approx(suite_mean(gaps, WEIGHTS, limits=DIFFERENCE))
    verdict = one(claim(baseline="b", equivalent_within=0.5), evidence())
    wanted = suite_mean(gaps, WEIGHTS, limits=DIFFERENCE, confidence=0.9)
    assert verdict.word == "supported"
    assert (verdict.low, verdict.high) == pytest.approx(wanted[1:])
    verdict = one(claim(baseline="b", ratio_at_least=0.5), evidence())
    wanted = suite_ratio(list(OURS.values()), list(THEIRS.values()), WEIGHTS)
    assert (verdict.value, verdict.low, verdict.high) == pytest.approx(wanted)
    verdict = one(claim(baseline="b", reduction_at_least=0.5), evidence())
    assert (verdict.value, verdict.low, verdict.high) == pytest.approx((1 - wanted[0], 1 - wanted[2], 1 - wanted[1]))
    assert verdict.word == "contradicted"


def test_all_bytes_are_compared():
    values = {"a": {"c1": 10.0, "c2": 1.0, "c3": 1.0}, "b": {"c1": 20.0, "c2": 80.0, "c3": 20.0}}
    found = evidence("index_bytes", values=values, by_query=False)
    verdict = one(claim("index_bytes", baseline="b", reduction_at_least=0.9), found)
    assert (verdict.value, verdict.word) == (pytest.approx(1 - 12 / 120), "supported")
    assert "(sum over 3 collections)" in verdict.sentence
    verdict = one(claim("index_bytes", at_most=12), found)
    assert (verdict.value, verdict.word) == (12, "supported")


def test_bytes_a_document_are_weighed_by_documents():
    values = {"a": {"c1": 10.0, "c2": 1.0, "c3": 1.0}, "b": {"c1": 20.0, "c2": 20.0, "c3": 20.0}}
    documents = {"c1": 100, "c2": 800, "c3": 100}
    found = evidence("index_bytes_per_document", values=values, by_query=False, documents=documents)
    verdict = one(claim("index_bytes_per_document", baseline="b", reduction_at_least=0.71), found)
    assert verdict.value == pytest.approx(1 - (1000 + 800 + 100) / 20_000)
    assert "(all bytes over all documents of 3 collections)" in verdict.sentence
    unknown = evidence("index_bytes_per_document", values=values, by_query=False)
    assert one(claim("index_bytes_per_document", at_most=1), unknown).word == "not comparable"


def test_counts_of_a_query_are_means_too():
    verdict = one(claim("postings_touched", at_most=100), evidence("postings_touched"))
    assert (verdict.value, verdict.low, verdict.high) == pytest.approx(suite_mean(list(OURS.values()), WEIGHTS))


@pytest.mark.parametrize(("baseline", "word"), [(None, "not measured"), ("b", "not comparable")])
def test_an_incomplete_suite_has_no_mean(baseline, word):
    gone = {("c2", "a"): ("failed", "no memory"), ("c3", "a"): ("not run", "")}
    relation = {"at_least": 0.1} if baseline is None else {"baseline": "b", "ratio_at_least": 0.1}
    verdict = one(claim(**relation), evidence(statuses=gone))
    assert (verdict.word, verdict.value) == (word, None)
    assert "the suite is incomplete. c2: a is failed (no memory); c3: a is not run." in verdict.sentence
    assert f"Partial mean of the 1 of 2 tasks that are there: {OURS['c1'].mean():.4g} (a)" in verdict.sentence


def test_a_part_that_is_missing_makes_its_task_missing():
    verdict = one(claim(at_least=0.1), evidence(statuses={("c3", "a"): ("failed", "x")}))
    assert f"1 of 2 tasks that are there: {OURS['c1'].mean():.4g} (a)" in verdict.sentence


def test_bytes_of_a_part_of_a_suite_are_no_partial_mean():
    values = {"a": dict.fromkeys(SIZES, 1.0)}
    found = evidence("index_bytes", values=values, systems="a", by_query=False, statuses={("c3", "a"): ("failed", "x")})
    verdict = one(claim("index_bytes", at_most=5), found)
    assert verdict.sentence == "On S: not measured, the suite is incomplete. c3: a is failed (x)."


def test_means_without_values_by_query_settle_nothing():
    verdict = one(claim(at_least=0.1), evidence(by_query=False))
    assert verdict.word == "inconclusive"
    assert verdict.value == pytest.approx(one(claim(at_least=0.1), evidence()).value)
    values = {"a": dict.fromkeys(SIZES, 1.0)}
    resident = evidence("resident_bytes", values=values, systems="a", by_query=False)
    assert one(claim("resident_bytes", at_most=5), resident).word == "inconclusive"


def test_other_queries_are_not_comparable():
    others = {**THEIRS, "c3": THEIRS["c3"][:20]}
    verdict = one(claim(baseline="b", ratio_at_least=0.1), evidence(values={"a": OURS, "b": others}))
    assert verdict.word == "not comparable"
    assert "c3: they were asked different queries" in verdict.sentence


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Evidence({}, {}), "this run has no such suite"),
        (evidence("recall@10", only=("memory",)), "the run measures only memory"),
    ],
)
def test_what_is_not_measured(found, words):
    verdict = one(claim(at_least=0.1), found)
    assert verdict.word == "not measured"
    assert words in verdict.sentence


SUITES = "[suites.S]\ntasks = { first = 'c' }\n"


@pytest.mark.parametrize(
    ("keys", "suites", "what", "key"),
    [
        ({"suite": "T"}, SUITES, "there is no suite 'T'", "claims[0].suite"),
        ({"suite": "T"}, "", "there is no suite 'T'", "claims[0].suite"),
        ({"suite": "S", "metric": "latency_total/p50"}, SUITES, "has no value over a suite", "claims[0].metric"),
        ({"suite": "S", "metric": "service_bytes"}, SUITES, "has no value over a suite", "claims[0].metric"),
    ],
)
def test_claims_on_what_a_spec_does_not_have(tmp_path, keys, suites, what, key):
    lines = "".join(f"{name} = {value!r}\n" for name, value in {**CLAIM, **keys}.items())
    error = refused(tmp_path, f"{HEAD}{TABLES}{suites}[[claims]]\n{lines}")
    assert what in error.what
    assert error.key == key
