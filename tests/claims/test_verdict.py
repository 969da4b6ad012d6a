"""Verdicts on evidence whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from claim_evidence import claim, evidence
from paired_tests import tost

from harness.claims import Evidence, exit_code, judge
from harness.records import record


@pytest.mark.parametrize(
    ("ours", "relation", "word"),
    [
        (29, {"reduction_at_least": 0.71}, "supported"),
        (30, {"reduction_at_least": 0.71}, "contradicted"),
        (29, {"ratio_at_most": 0.29}, "supported"),
        (31, {"ratio_at_least": 0.3}, "supported"),
        (31, {"ratio_at_least": 0.5}, "contradicted"),
        (90, {"difference_at_most": -10}, "supported"),
        (95, {"difference_at_most": -10}, "contradicted"),
        (101, {"equivalent_within": 2}, "supported"),
        (110, {"equivalent_within": 2}, "contradicted"),
    ],
)
def test_counts_have_no_interval(ours, relation, word):
    (verdict,) = judge(claim(**relation), evidence(ours, 100))
    assert verdict.word == word
    assert verdict.low == verdict.high == verdict.value
    assert exit_code([verdict]) == (0 if word == "supported" else 1)


def test_sentence_can_be_quoted():
    codecs = {("c", "a"): "u8", ("c", "b"): "float32"}
    (verdict,) = judge(claim(reduction_at_least=0.71), evidence(29, 100, codecs=codecs))
    assert verdict.sentence == (
        "On c: Index size (engine) of a (u8) is 71.0% below that of b (float32); claimed: at least 71.0% below. "
        "The claim is supported."
    )
    (verdict,) = judge(claim(reduction_at_least=0.71), evidence(150, 100))
    assert "of a is 50.0% above that of b; " in verdict.sentence
    (verdict,) = judge(claim(difference_at_most=-10), evidence(80, 100))
    assert verdict.sentence.startswith(
        "On c: Index size (engine) of a is 20 bytes below that of b; claimed: a difference of at most -10 bytes."
    )
    (verdict,) = judge(claim(equivalent_within=5), evidence(101, 100))
    assert "is 1 bytes above that of b; claimed: within ±5 bytes." in verdict.sentence


@pytest.mark.parametrize(
    ("codecs", "word"), [(("u8", "float32"), "supported"), (("float32", "float32"), "not comparable")]
)
def test_the_claim_is_about_a_pair_of_codecs(codecs, word):
    found = evidence(29, 100, codecs={("c", "a"): "u8", ("c", "b"): "float32"})
    (verdict,) = judge(claim(reduction_at_least=0.71, codecs=codecs), found)
    assert verdict.word == word
    if word == "not comparable":
        assert "about float32, and the index of a stores u8" in verdict.sentence
        assert verdict.value is None


@pytest.mark.parametrize(
    ("metric", "setting", "matters"),
    [
        ("index_bytes", "data", True),
        ("index_bytes", "k", False),
        ("index_bytes", "machine", False),
        ("flops_search", "k", True),
        ("flops_query", "k", True),
        ("flops_search", "machine", False),
        ("latency_total/p50", "k", True),
        ("latency_total/p50", "machine", True),
        ("latency_total/p50", "timed queries", True),
        ("ndcg@10", "depth", True),
        ("ndcg@10", "k", True),
        ("resident_bytes", "machine", True),
        ("search_cpu", "machine", True),
        ("encode_cpu", "threads", True),
    ],
)
def test_what_was_measured_otherwise_is_not_comparable(metric, setting, matters):
    same = {"data": "r", "k": "10", "depth": "100", "machine": "m", "threads": "1", "timed queries": "50"}
    ours, theirs = (
        evidence(1.0, 2.0, metric, (0.9, 2.1), settings={("c", "a"): settings, ("c", "b"): settings})
        for settings in (same, {**same, setting: "other"})
    )
    (verdict,) = judge(claim(metric, difference_at_most=3), ours, theirs)
    assert verdict.word == ("not comparable" if matters else "supported")
    if matters:
        assert f"{setting} differs: {same[setting]} for a, other for b" in verdict.sentence


def test_other_queries_are_not_comparable():
    quality = {("c", "a", "ndcg@10"): {"1": 0.5, "2": 0.6}, ("c", "b", "ndcg@10"): {"2": 0.5, "3": 0.1, "4": 0.2}}
    (verdict,) = judge(claim("ndcg@10", difference_at_least=0), evidence(0.55, 0.3, "ndcg@10", quality=quality))
    assert verdict.word == "not comparable"
    assert "different queries (2 and 3, of which 1 are the same)" in verdict.sentence


@pytest.mark.parametrize(
    ("metric", "unit"), [("flops_search", 1000), ("postings_touched", 100), ("recall_vs_exact@10", 1)]
)
def test_a_mean_over_sampled_queries_is_judged_by_pairs(metric, unit):
    """Both systems grow with the query alike, so pairs settle what two intervals of their own could not."""
    rng = np.random.default_rng(8)
    base = rng.uniform(0.3, 0.9, 40) * unit
    ours = base * rng.uniform(0.7, 0.8, 40)
    quality = {("c", n, metric): {str(i): float(v) for i, v in enumerate(x)} for n, x in (("a", ours), ("b", base))}
    found = evidence(ours.mean(), base.mean(), metric, quality=quality)
    (verdict,) = judge(claim(metric, ratio_at_most=0.8), found)
    assert verdict.word == "supported"
    assert verdict.value == pytest.approx(ours.mean() / base.mean())
    assert verdict.low < verdict.value < verdict.high
    assert "(95% interval " in verdict.sentence
    (near,) = judge(claim(metric, ratio_at_most=verdict.value), found)
    assert near.word == "inconclusive"


def test_a_mean_over_queries_without_values_by_query_needs_its_intervals():
    found = evidence(90.0, 100.0, "postings_touched")
    (verdict,) = judge(claim("postings_touched", ratio_at_most=0.95), found)
    assert verdict.word == "inconclusive"
    assert "a mean over queries, and the run states no interval of it" in verdict.sentence
    rows = {
        ("c", n, "postings_touched"): record("r", "c", n, "postings_touched", v, method="m", interval=(v - 1, v + 1))
        for n, v in (("a", 90.0), ("b", 100.0))
    }
    (verdict,) = judge(claim("postings_touched", ratio_at_most=0.95), replace(found, records=rows))
    assert (verdict.word, verdict.low) == ("supported", pytest.approx(89 / 101))


def test_equal_work_of_two_samples_is_seldom_a_difference():
    """Two systems whose postings a query have the same mean over all queries: 2.5 % on each side is asked for."""
    rng = np.random.default_rng(21)
    wrong = 0
    for _ in range(400):
        base, ours = rng.gamma(2.0, 500.0, 50), rng.gamma(2.0, 500.0, 50)
        own = (("a", ours), ("b", base))
        quality = {
            ("c", n, "postings_touched"): dict(zip(map(str, range(50)), x.tolist(), strict=True)) for n, x in own
        }
        found = evidence(ours.mean(), base.mean(), "postings_touched", quality=quality)
        wrong += judge(claim("postings_touched", ratio_at_most=1.0), found)[0].word == "supported"
    assert wrong <= 20  # of 400, of which 10 are expected: more than 20 come once in a thousand times


def test_equivalence_is_decided_as_by_two_one_sided_tests():
    rng = np.random.default_rng(3)
    base = rng.random(150)
    ours = base + rng.normal(0, 0.1, 150)
    quality = {("c", n, "ndcg@10"): {str(i): float(v) for i, v in enumerate(x)} for n, x in (("a", ours), ("b", base))}
    found = evidence(ours.mean(), base.mean(), "ndcg@10", quality=quality)
    for margin in (0.005, 0.01, 0.015, 0.018, 0.022, 0.03):
        (verdict,) = judge(claim("ndcg@10", equivalent_within=margin), found)
        assert (verdict.word == "supported") == tost(ours, base, margin).equivalent
    assert "(90% interval " in verdict.sentence


def test_what_varies_and_was_measured_once_settles_nothing():
    (verdict,) = judge(claim("build_seconds", ratio_at_most=0.5), evidence(1, 10, "build_seconds"))
    assert verdict.word == "inconclusive"
    assert exit_code([verdict]) == 2


@pytest.mark.parametrize(("shift", "word"), [(0.2, "supported"), (-0.2, "contradicted"), (0.001, "inconclusive")])
def test_quality_is_paired_over_queries(shift, word):
    rng = np.random.default_rng(1)
    base = rng.random(200) * 0.5 + 0.25
    ours = base + shift + rng.normal(0, 0.05, 200)
    quality = {("c", n, "ndcg@10"): {str(i): float(v) for i, v in enumerate(x)} for n, x in (("a", ours), ("b", base))}
    found = evidence(ours.mean(), base.mean(), "ndcg@10", quality=quality)
    (verdict,) = judge(claim("ndcg@10", difference_at_least=0.0), found)
    assert verdict.word == word
    assert verdict.low < shift < verdict.high


@pytest.mark.parametrize(("factor", "word"), [(0.5, "supported"), (2.0, "contradicted"), (0.8, "inconclusive")])
def test_latency_ratio_rests_on_samples(factor, word):
    rng = np.random.default_rng(2)
    base = rng.lognormal(-7, 0.4, (3, 200, 3))
    other = base * factor * rng.lognormal(0, 0.05, base.shape)
    latency = {("c", "a"): {"total": other}, ("c", "b"): {"total": base}}
    found = evidence(1, 1, "latency_total/p50", latency=latency)
    (verdict,) = judge(claim("latency_total/p50", ratio_at_most=0.8), found)
    assert verdict.word == word


@pytest.mark.parametrize(("factor", "word"), [(0.5, "supported"), (1.2, "contradicted"), (0.8, "inconclusive")])
@pytest.mark.parametrize("passes", [2, 5])
def test_processor_time_is_judged_by_its_processes(factor, word, passes):
    rng = np.random.default_rng(4)
    base = 1e-3 * rng.lognormal(0, 0.01, (5, 1, passes))
    other = factor * base * rng.lognormal(0, 0.01, base.shape)
    latency = {("c", "a"): {"search_cpu": other}, ("c", "b"): {"search_cpu": base}}
    found = evidence(factor * 1e-3, 1e-3, "search_cpu", latency=latency)
    (verdict,) = judge(claim("search_cpu", ratio_at_most=0.8), found)
    assert verdict.word == word
    assert verdict.low < factor < verdict.high
    assert verdict.sentence.endswith("The interval is over processes, for the queries that were timed.")
    (verdict,) = judge(claim("search_cpu", reduction_at_least=0.2), found)
    assert verdict.word == word


def test_processor_time_of_one_process_or_of_a_disturbed_one_settles_nothing():
    one = np.full((1, 1, 3), 1e-3)
    latency = {("c", "a"): {"search_cpu": one}, ("c", "b"): {"search_cpu": 2 * one}}
    (verdict,) = judge(claim("search_cpu", ratio_at_most=0.8), evidence(1e-3, 2e-3, "search_cpu", latency=latency))
    assert verdict.word == "inconclusive"
    assert "in one process, and processes differ (raise measure.processes), so nothing" in verdict.sentence
    disturbed = {("c", "a", "latency"): "2 of 2 processes, it waited"}
    found = evidence(1e-3, 2e-3, "search_cpu", (9e-4, 2.1e-3), disturbed=disturbed)
    (verdict,) = judge(claim("search_cpu", ratio_at_most=0.8), found)
    assert verdict.word == "not comparable"
    assert "disturbed (a: 2 of 2 processes, it waited)" in verdict.sentence


@pytest.mark.parametrize(
    ("bound", "word"), [(0.8, "supported"), (0.4, "contradicted"), (0.6, "inconclusive")]
)  # both limits at their worst: 0.9 / 2.2 to 1.1 / 1.8
def test_ratios_without_samples_rest_on_both_intervals_at_their_worst(bound, word):
    found = evidence(1.0, 2.0, "load_seconds")
    for system, value in (("a", 1.0), ("b", 2.0)):
        bounds = (value * 0.9, value * 1.1)
        found.records["c", system, "load_seconds"] = record(
            "r", "c", system, "load_seconds", value, method="m", interval=bounds
        )
    (verdict,) = judge(claim("load_seconds", ratio_at_most=bound), found)
    assert (verdict.value, verdict.low, verdict.high) == pytest.approx((0.5, 0.9 / 2.2, 1.1 / 1.8))
    assert verdict.word == word
    (verdict,) = judge(claim("load_seconds", ratio_at_most=bound, confidence=0.99), found)
    assert verdict.word == "inconclusive"
    assert (
        "have a confidence of 0.95 (measure.confidence), less than the claim's, so nothing is settled"
        in verdict.sentence
    )


@pytest.mark.parametrize(
    ("metric", "kind", "holds"),
    [
        ("throughput_search/all", "throughput/all", True),
        ("throughput_search/all", "throughput", True),  # of runs in which one kind served all components
        ("throughput_search/all", "throughput/1", False),
        ("throughput_search/all", "latency", False),
        ("throughput_encode/1", "throughput/1", True),
        ("cold_load_seconds", "cold", True),
        ("cold_first_query_seconds", "cold", True),
        ("cold_first_query_seconds", "latency", False),
        ("highest_load", "load", True),
        ("load_seconds", "latency", True),
        ("load_seconds", "load", False),
        ("build_seconds", "build", False),  # no sentinel watches a build
        ("search_engine/p50", "latency", True),
    ],
)
def test_a_claim_is_held_up_by_what_disturbed_the_processes_of_its_metric(metric, kind, holds):
    disturbed = {("c", "b", kind): "1 of 3 processes, it waited"}
    found = evidence(1.0, 2.0, metric, (0.9, 2.1), disturbed=disturbed)
    (verdict,) = judge(claim(metric, difference_at_most=3), found)
    assert verdict.word == ("not comparable" if holds else "supported")
    assert ("disturbed (b: 1 of 3 processes, it waited)" in verdict.sentence) == holds


@pytest.mark.parametrize(("count", "word"), [({}, "supported"), (1, "inconclusive"), (2, "supported")])
def test_an_interval_over_passes_of_one_process_settles_nothing(count, word):
    """Runs of before had such an interval of throughput; how many processes there were is in their conditions."""
    processes = {("c", name, "throughput"): count for name in "ab"} if count else {}
    found = evidence(1.0, 2.0, "throughput_search/1", (0.9, 2.1), processes=processes)
    (verdict,) = judge(claim("throughput_search/1", difference_at_most=3), found)
    assert verdict.word == word
    assert ("in one process" in verdict.sentence) == (word == "inconclusive")


def test_failed_missing_and_zero_are_not_comparable():
    found = evidence(1, 0)
    assert judge(claim(ratio_at_most=1), found)[0].word == "not comparable"
    failed = Evidence(found.records, {("c", "a"): ("oom", "too large"), ("c", "b"): ("ok", "")})
    (verdict,) = judge(claim(ratio_at_most=1), failed)
    assert verdict.word == "not comparable"
    assert "a is oom (too large)" in verdict.sentence
    (verdict,) = judge(claim("ndcg@10", difference_at_most=0), found)
    assert "has no ndcg@10" in verdict.sentence
    assert exit_code([]) == 2


def test_ratio_of_quality_bears_queries_that_score_nothing():
    ours, theirs = [0.0, 1.0, 0.9] * 30, [0.0, 1.0, 1.0] * 30
    quality = {("c", n, "ndcg@10"): {str(i): v for i, v in enumerate(x)} for n, x in (("a", ours), ("b", theirs))}
    (verdict,) = judge(claim("ndcg@10", ratio_at_least=0.5), evidence(1.9 / 3, 2 / 3, "ndcg@10", quality=quality))
    assert verdict.value == pytest.approx(0.95)
    assert verdict.word == "supported"


def test_disturbed_timing_is_not_comparable_and_what_was_found_is_said():
    disturbed = {("c", "b", "latency"): "1 of 2 processes, it waited"}
    found = evidence(1.0, 2.0, "latency_total/p50", (0.9, 2.1), disturbed=disturbed)
    (verdict,) = judge(claim("latency_total/p50", difference_at_most=3), found)
    assert verdict.word == "not comparable"
    assert verdict.sentence.startswith("On c: Query latency p50 of a is 1 s below that of b")
    assert verdict.sentence.endswith("Not comparable: the timing was disturbed (b: 1 of 2 processes, it waited).")
    assert verdict.value == -1
    assert exit_code([verdict]) == 2
    (verdict,) = judge(claim(ratio_at_most=0.9), evidence(1, 2, disturbed=disturbed))
    assert verdict.word == "supported"


def test_the_smallest_effect_stands_beside_a_verdict_on_times():
    found = evidence(1.0, 2.0, "latency_search/p50", (0.9, 2.1))
    for system, value in (("a", 0.02), ("b", 0.034)):
        name = "smallest_effect/search p50"
        found.records["c", system, name] = record("r", "c", system, name, value, method="m")
    (verdict,) = judge(claim("latency_search/p50", difference_at_most=3), found)
    assert verdict.sentence.endswith("Differences below 3.4% cannot be shown here (null control).")
    (verdict,) = judge(claim("latency_search/mean", difference_at_most=3), found)
    assert "null control" not in verdict.sentence
