"""What settles no claim: one process, two runs, a few queries, or a bound that the null control hides."""

from dataclasses import replace

import numpy as np
import pytest
from claim_evidence import claim, evidence

from harness.claims import judge
from harness.records import record
from harness.spec.claim import ClaimSpec


def timed(processes, factor=0.5, spread=0.01, **more):
    rng = np.random.default_rng(5)
    base = rng.lognormal(-7, spread, (processes, 100, 3))
    latency = {("c", "a"): {"search": base * factor}, ("c", "b"): {"search": base}}
    return evidence(factor, 1.0, "latency_search/p50", (0.9 * factor, 1.1), latency=latency, **more)


@pytest.mark.parametrize("relation", [{"ratio_at_most": 0.8}, {"difference_at_most": 3.0}, {"equivalent_within": 3.0}])
def test_times_of_one_process_settle_nothing(relation):
    (verdict,) = judge(claim("latency_search/p50", **relation), timed(1))
    assert verdict.word == "inconclusive"
    assert "measured in one process, and processes differ (raise measure.processes)" in verdict.sentence
    (verdict,) = judge(claim("latency_search/p50", **relation), timed(2))
    assert verdict.word == "supported"


def test_equal_systems_whose_processes_differ_are_seldom_told_apart():
    # Processes differ by 1.3 %. One process a side would find a difference in four of five runs.
    rng = np.random.default_rng(8)
    wrong = 0
    for _ in range(60):
        queries = rng.lognormal(-7, 0.3, (1, 50, 1))
        sides = [queries * rng.lognormal(0, 0.013, (3, 1, 1)) * rng.lognormal(0, 0.02, (3, 50, 5)) for _ in range(2)]
        latency = {("c", name): {"search": side} for name, side in zip("ab", sides, strict=True)}
        found = evidence(1.0, 1.0, "latency_search/mean", latency=latency)
        (verdict,) = judge(claim("latency_search/mean", ratio_at_most=1.0), found)
        wrong += verdict.word != "inconclusive"
    assert wrong <= 9  # 5 % are expected; more than 9 of 60 come once in a thousand times


def test_a_bound_within_what_the_null_control_hides_settles_nothing():
    def against(effect, bound):
        found = timed(3, factor=0.944)
        name = "smallest_effect/search p50"
        found.records["c", "b", name] = record("r", "c", "b", name, effect, method="m")
        (verdict,) = judge(claim("latency_search/p50", ratio_at_most=bound), found)
        return verdict

    assert against(0.04, 1.0).word == "supported"
    hidden = against(0.08, 1.0)
    assert hidden.word == "inconclusive"
    assert (
        "within 8.0% of the claim's bound, and the null control cannot show such a difference, so nothing"
        in hidden.sentence
    )
    assert "Differences below 8.0% cannot" in against(0.08, 1.1).sentence
    assert against(0.08, 1.1).word == "supported"
    assert against(0.08, 0.8).word == "contradicted"


@pytest.mark.parametrize(
    ("relation", "effect", "word"),
    [
        ({"reduction_at_least": 0.45}, 0.08, "supported"),
        ({"reduction_at_least": 0.45}, 0.1, "inconclusive"),
        ({"difference_at_most": -0.45}, 0.04, "supported"),
        ({"difference_at_most": -0.45}, 0.06, "inconclusive"),
        ({"equivalent_within": 0.55}, 0.04, "supported"),
        ({"equivalent_within": 0.55}, 0.06, "inconclusive"),
    ],
)
def test_the_null_control_is_held_against_the_bound_of_every_relation(relation, effect, word):
    found = timed(3)
    for name, value in (("a", 0.5), ("b", 1.0)):
        interval = (0.99 * value, 1.01 * value)
        row = record("r", "c", name, "latency_search/p50", value, method="m", interval=interval)
        found.records["c", name, "latency_search/p50"] = row
    name = "smallest_effect/search p50"
    found.records["c", "a", name] = record("r", "c", "a", name, effect, method="m")
    (verdict,) = judge(claim("latency_search/p50", **relation), found)
    assert verdict.word == word


def test_times_of_two_runs_are_not_compared():
    settings = {
        ("c", name): {"data": "r", "machine": "m", "threads": "1", "k": "10", "timed queries": "all"} for name in "ab"
    }
    one, other = (timed(3, settings=settings) for _ in range(2))
    (verdict,) = judge(claim("latency_search/p50", ratio_at_most=0.8), one, other)
    assert verdict.word == "not comparable"
    assert "the times are of two runs" in verdict.sentence
    assert judge(claim("latency_search/p50", ratio_at_most=0.8), one)[0].word == "supported"


def test_what_is_not_known_of_two_runs_is_not_equal():
    (verdict,) = judge(claim(reduction_at_least=0.7), evidence(29, 100), evidence(29, 100))
    assert verdict.word == "not comparable"
    assert "data is unknown for both runs" in verdict.sentence
    assert judge(claim(reduction_at_least=0.7), evidence(29, 100))[0].word == "supported"


def test_an_interval_of_two_at_their_worst_is_named_so():
    found = evidence(101, 100, "load_seconds", (99.5, 101.5))
    (verdict,) = judge(claim("load_seconds", equivalent_within=5), found)
    assert "(both 95% intervals at their worst -2 to +2 s)" in verdict.sentence


@pytest.mark.parametrize("queries", [1, 3])
def test_a_few_queries_settle_no_quality(queries):
    quality = {("c", n, "ndcg@10"): {str(i): 0.5 for i in range(queries)} for n in "ab"}
    found = evidence(0.5, 0.5, "ndcg@10", quality=quality)
    for relation in ({"equivalent_within": 0.05}, {"difference_at_least": -0.05}, {"ratio_at_least": 0.9}):
        (verdict,) = judge(claim("ndcg@10", **relation), found)
        assert verdict.word == "inconclusive"


@pytest.mark.parametrize("side", ["a", "b"])
def test_an_estimate_settles_nothing(side):
    known = evidence(1.0, 2.0, "latency_total/p50", (0.9, 1.1))
    rows = {cell: replace(row, source="estimated") if cell[1] == side else row for cell, row in known.records.items()}
    (verdict,) = judge(claim("latency_total/p50", ratio_at_most=0.9), replace(known, records=rows))
    assert verdict.word == "not comparable"
    assert f"latency_total/p50 of {side} is estimated (engine)" in verdict.sentence


def test_the_value_of_one_system_that_is_an_estimate_is_not_measured():
    known = evidence(1.0, 2.0, "latency_total/p50", (0.9, 1.1))
    rows = {cell: replace(row, source="estimated") for cell, row in known.records.items()}
    alone = ClaimSpec(name="claim", metric="latency_total/p50", system="a", at_most=3.0)
    (verdict,) = judge(alone, replace(known, records=rows))
    assert verdict.word == "not measured"
