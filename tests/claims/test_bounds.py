"""The word of a verdict at, just inside and just outside of each bound, and what bars any word at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.claims import Evidence, exit_code, judge
from harness.records import record
from harness.spec.claim import ABSOLUTE, RELATIONS, ClaimSpec

EXACT, VARIES = "index_bytes", "build_seconds"
TINY = 1e-9


def evidence(values, metric=EXACT, intervals=None, **more):
    """Values of a and b on collections c1, c2, ...; an interval for each side, where there are any."""
    rows, statuses = {}, {}
    for number, pair in enumerate(values, 1):
        for place, (name, value) in enumerate(zip("ab", pair, strict=True)):
            interval = intervals[place] if intervals else None
            rows[f"c{number}", name, metric] = record(
                "r", f"c{number}", name, metric, value, method="m", interval=interval
            )
            statuses[f"c{number}", name] = ("ok", "")
    return Evidence(rows, statuses, **more)


def claim(metric=EXACT, **more):
    baseline = {} if {*more} & {*ABSOLUTE} else {"baseline": "b"}
    return ClaimSpec(name="n", metric=metric, system="a", **baseline, **more)


def word(found, asked):
    (verdict,) = judge(asked, found)
    return verdict.word


@pytest.mark.parametrize(
    ("relation", "bound", "ours", "supported"),
    [
        ("reduction_at_least", 0.75, 25, True),
        ("reduction_at_least", 0.75, 25 + TINY, False),
        ("reduction_at_least", 0.75, 25 - TINY, True),
        ("ratio_at_most", 0.25, 25, True),
        ("ratio_at_most", 0.25, 25 + TINY, False),
        ("ratio_at_least", 0.25, 25, True),
        ("ratio_at_least", 0.25, 25 - TINY, False),
        ("difference_at_most", -75, 25, True),
        ("difference_at_most", -75, 25 + TINY, False),
        ("difference_at_least", -75, 25, True),
        ("difference_at_least", -75, 25 - TINY, False),
        ("equivalent_within", 5, 105 - TINY, True),
        ("equivalent_within", 5, 105, False),
        ("equivalent_within", 5, 95 + TINY, True),
        ("equivalent_within", 5, 95, False),
        ("equivalent_within", 5, 100, True),
        ("at_least", 25, 25, True),
        ("at_least", 25, 25 - TINY, False),
        ("at_most", 25, 25, True),
        ("at_most", 25, 25 + TINY, False),
    ],
)
def test_a_count_at_the_bound(relation, bound, ours, supported):
    """ "At least" and "at most" hold at the bound itself, "within" does not."""
    found = word(evidence([(ours, 100)]), claim(**{relation: bound}))
    assert found == ("supported" if supported else "contradicted")


@pytest.mark.parametrize(
    ("relation", "bound", "interval", "wanted"),
    [
        # Theirs is exactly 100, so that the interval of the difference is ours less 100.
        ("difference_at_most", 0, (90, 100), "supported"),
        ("difference_at_most", 0, (90, 101), "inconclusive"),
        ("difference_at_most", 0, (100, 110), "inconclusive"),
        ("difference_at_most", 0, (101, 110), "contradicted"),
        ("difference_at_least", 0, (100, 110), "supported"),
        ("difference_at_least", 0, (99, 110), "inconclusive"),
        ("difference_at_least", 0, (90, 100), "inconclusive"),
        ("difference_at_least", 0, (90, 99), "contradicted"),
        ("equivalent_within", 10, (91, 109), "supported"),
        ("equivalent_within", 10, (90, 109), "inconclusive"),
        ("equivalent_within", 10, (91, 110), "inconclusive"),
        ("equivalent_within", 10, (80, 120), "inconclusive"),
        ("equivalent_within", 10, (110, 120), "contradicted"),
        ("equivalent_within", 10, (80, 90), "contradicted"),
        ("equivalent_within", 10, (109, 120), "inconclusive"),
        ("ratio_at_most", 1, (90, 100), "supported"),
        ("ratio_at_most", 1, (90, 101), "inconclusive"),
        ("ratio_at_most", 1, (101, 110), "contradicted"),
        ("ratio_at_least", 1, (100, 110), "supported"),
        ("ratio_at_least", 1, (99, 110), "inconclusive"),
        ("ratio_at_least", 1, (90, 99), "contradicted"),
        ("reduction_at_least", 0.5, (40, 50), "supported"),
        ("reduction_at_least", 0.5, (40, 51), "inconclusive"),
        ("reduction_at_least", 0.5, (51, 60), "contradicted"),
    ],
)
def test_an_interval_at_the_bound(relation, bound, interval, wanted):
    found = evidence([(sum(interval) / 2, 100)], VARIES, [interval, (100, 100)])
    assert word(found, claim(VARIES, **{relation: bound})) == wanted


@pytest.mark.parametrize("relation", RELATIONS)
@given(
    st.tuples(st.floats(10, 90), st.floats(0, 20)), st.tuples(st.floats(10, 90), st.floats(0, 20)), st.floats(0.1, 0.9)
)
def test_a_wider_interval_is_never_surer(relation, ours, theirs, bound):
    """What is inconclusive stays so, and no verdict turns into its opposite, when both intervals grow."""

    def judged(widen):
        intervals = [(value - spread * widen / 10, value + spread * widen / 10) for value, spread in (ours, theirs)]
        found = evidence([(ours[0], theirs[0])], VARIES, intervals)
        return word(found, claim(VARIES, **{relation: bound}))

    narrow, wide = judged(1), judged(3)
    assert wide in (narrow, "inconclusive")


@given(st.floats(1, 100), st.floats(1, 100), st.floats(0.01, 0.99))
def test_a_reduction_is_one_less_the_ratio(ours, theirs, bound):
    found = evidence([(ours, theirs)])
    (reduction,) = judge(claim(reduction_at_least=bound), found)
    (ratio,) = judge(claim(ratio_at_most=1 - bound), found)
    assert reduction.value == pytest.approx(1 - ratio.value)
    if abs(ratio.value - (1 - bound)) > 1e-9:
        assert reduction.word == ratio.word


def test_both_intervals_count_at_their_worst():
    found = evidence([(50, 100)], VARIES, [(45, 55), (90, 110)])
    (verdict,) = judge(claim(VARIES, ratio_at_most=1), found)
    assert (verdict.value, verdict.low, verdict.high) == pytest.approx((0.5, 45 / 110, 55 / 90))
    (verdict,) = judge(claim(VARIES, difference_at_most=0), found)
    assert (verdict.value, verdict.low, verdict.high) == pytest.approx((-50, -65, -35))
    (verdict,) = judge(claim(VARIES, reduction_at_least=0.1), found)
    assert (verdict.value, verdict.low, verdict.high) == pytest.approx((0.5, 1 - 55 / 90, 1 - 45 / 110))


@pytest.mark.parametrize("relation", ["reduction_at_least", "ratio_at_most", "ratio_at_least"])
@pytest.mark.parametrize("theirs", [0, -1])
def test_nothing_is_divided_by_nothing(relation, theirs):
    (verdict,) = judge(claim(**{relation: 0.5}), evidence([(1, theirs)]))
    assert verdict.word == "not comparable"
    assert "nothing can be divided by it" in verdict.sentence
    assert verdict.value is None


@pytest.mark.parametrize("relation", ["difference_at_most", "difference_at_least", "equivalent_within"])
def test_a_difference_from_nothing_is_one(relation):
    (verdict,) = judge(claim(**{relation: 5}), evidence([(3, 0)]))
    assert verdict.value == 3
    assert verdict.word in ("supported", "contradicted")


def test_a_value_measured_once_settles_nothing():
    (verdict,) = judge(claim(VARIES, ratio_at_most=1000), evidence([(1, 100)], VARIES))
    assert verdict.word == "inconclusive"
    assert (verdict.value, verdict.low, verdict.high) == (0.01, None, None)
    assert "measured once and varies from run to run" in verdict.sentence


def test_a_surer_claim_than_the_run_settles_nothing():
    found = evidence([(1, 100)], VARIES, [(0.9, 1.1), (99, 101)], confidence=0.9)
    assert word(found, claim(VARIES, ratio_at_most=1, confidence=0.9)) == "supported"
    (verdict,) = judge(claim(VARIES, ratio_at_most=1, confidence=0.95), found)
    assert verdict.word == "inconclusive"
    assert "a confidence of 0.9 " in verdict.sentence


@pytest.mark.parametrize("relation", ["ratio_at_most", "ratio_at_least", "reduction_at_least"])
def test_an_interval_that_reaches_0_bears_no_ratio(relation):
    found = evidence([(1, 1)], VARIES, [(0.9, 1.1), (0, 2)])
    (verdict,) = judge(claim(VARIES, **{relation: 0.9}), found)
    assert verdict.word == "inconclusive"
    assert "reaches down to 0" in verdict.sentence


@pytest.mark.parametrize("status", ["failed", "unavailable", "timeout", "oom", "killed", "skipped", "incompatible"])
@pytest.mark.parametrize("side", ["a", "b"])
def test_a_side_that_did_not_end_well_is_not_comparable(status, side):
    found = evidence([(1, 2)])
    found.statuses["c1", side] = (status, "why it was")
    (verdict,) = judge(claim(ratio_at_most=1), found)
    assert verdict.word == "not comparable"
    assert verdict.sentence == f"On c1: not comparable, {side} is {status} (why it was)."


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_side_without_the_metric_or_never_run_is_not_comparable(side):
    found = evidence([(1, 2)])
    del found.records["c1", side, EXACT]
    assert f"{side} has no {EXACT}" in judge(claim(ratio_at_most=1), found)[0].sentence
    del found.statuses["c1", side]
    (verdict,) = judge(claim(ratio_at_most=1, collection="c1"), found)
    assert verdict.word == "not comparable"
    assert f"{side} is not run" in verdict.sentence


def test_each_collection_has_a_verdict_and_one_can_be_chosen():
    found = evidence([(1, 2), (3, 2), (2, 2)])
    asked = claim(ratio_at_most=1)
    assert [(v.collection, v.word) for v in judge(asked, found)] == [
        ("c1", "supported"), ("c2", "contradicted"), ("c3", "supported"),
    ]  # fmt: skip
    assert [v.collection for v in judge(claim(ratio_at_most=1, collection="c2"), found)] == ["c2"]


def test_the_baseline_may_be_of_another_run():
    settings = {("c1", name): {"data": "r"} for name in "ab"}
    ours, theirs = evidence([(1, 2)], settings=settings), evidence([(9, 4)], settings=settings)
    (verdict,) = judge(claim(ratio_at_most=1), ours, theirs)
    assert verdict.value == 0.25


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["supported"], 0),
        (["supported", "supported"], 0),
        (["supported", "contradicted"], 1),
        (["inconclusive", "contradicted"], 1),
        (["not comparable", "contradicted"], 1),
        (["supported", "inconclusive"], 2),
        (["supported", "not comparable"], 2),
        (["inconclusive"], 2),
        ([], 2),
    ],
)
def test_the_worst_word_makes_the_exit_code(words, code):
    (verdict,) = judge(claim(ratio_at_most=1), evidence([(1, 2)]))
    made = [type(verdict)(**{**vars(verdict), "word": each}) for each in words]
    assert exit_code(made) == code


def of_queries(ours, theirs):
    """Evidence of ndcg@10 query by query, whose means are the records."""
    names = [f"q{number}" for number in range(len(ours))]
    by_query = {
        ("c1", side, "ndcg@10"): dict(zip(names, map(float, values), strict=True))
        for side, values in (("a", ours), ("b", theirs))
    }
    return evidence([(np.mean(ours), np.mean(theirs))], "ndcg@10", quality=by_query)


@pytest.mark.parametrize(
    ("shift", "relation", "bound", "wanted"),
    [
        (0.2, "difference_at_least", 0.1, "supported"),
        (0.2, "difference_at_least", 0.2, "inconclusive"),
        (0.2, "difference_at_least", 0.3, "contradicted"),
        (0.2, "difference_at_most", 0.3, "supported"),
        (0.2, "difference_at_most", 0.1, "contradicted"),
        (0.0, "equivalent_within", 0.05, "supported"),
        (0.2, "equivalent_within", 0.05, "contradicted"),
        (0.2, "equivalent_within", 0.2, "inconclusive"),
    ],
)
def test_quality_is_judged_by_pairs_of_queries(shift, relation, bound, wanted):
    """Queries differ far more than the systems do: unpaired, nothing here would be settled."""
    rng = np.random.default_rng(1)
    hard = rng.uniform(0.1, 0.7, 100)
    noise = rng.normal(0, 0.02, 100)
    found = of_queries(hard + shift + noise - noise.mean(), hard)
    assert word(found, claim("ndcg@10", **{relation: bound})) == wanted


def test_queries_are_paired_by_name_not_by_place():
    rng = np.random.default_rng(2)
    values = rng.uniform(0, 1, 60)
    found = of_queries(values, values)
    mirrored = dict(reversed(found.quality["c1", "b", "ndcg@10"].items()))
    found.quality["c1", "b", "ndcg@10"] = mirrored
    (verdict,) = judge(claim("ndcg@10", equivalent_within=0.001), found)
    assert verdict.value == 0
    assert -0.06 < verdict.low == -verdict.high
    (verdict,) = judge(claim("ndcg@10", equivalent_within=0.06), found)
    assert verdict.word == "supported"


def test_other_queries_are_not_comparable():
    found = of_queries([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    found.quality["c1", "b", "ndcg@10"] = {"q0": 0.1, "q1": 0.2, "other": 0.3, "more": 0.1}
    (verdict,) = judge(claim("ndcg@10", equivalent_within=0.5), found)
    assert verdict.word == "not comparable"
    assert "different queries (3 and 4, of which 2 are the same)" in verdict.sentence


@pytest.mark.parametrize("part", ["p50", "p95", "mean"])
def test_times_are_judged_by_their_samples(part):
    rng = np.random.default_rng(3)
    base = np.exp(rng.normal(0, 0.3, (1, 80, 1)))
    sides = {name: {"total": factor * base * np.exp(rng.normal(0, 0.01, (4, 80, 3)))} for name, factor in
             (("a", 0.5), ("b", 1.0))}  # fmt: skip
    latency = {("c1", name): times for name, times in sides.items()}
    found = evidence([(0.5, 1.0)], f"latency_total/{part}", latency=latency)
    for bound, wanted in ((0.6, "supported"), (0.4, "contradicted"), (0.5, "inconclusive")):
        (verdict,) = judge(claim(f"latency_total/{part}", ratio_at_most=bound), found)
        assert verdict.value == pytest.approx(0.5, abs=0.02)
        assert verdict.low < verdict.value < verdict.high
        if wanted != "inconclusive":
            assert verdict.word == wanted


@pytest.mark.parametrize("side", ["a", "b"])
def test_disturbed_times_settle_nothing_and_bytes_do_not_mind(side):
    latency = {("c1", name): {"total": np.full((3, 10, 2), value)} for name, value in (("a", 1.0), ("b", 2.0))}
    disturbed = {("c1", side, "latency"): "load 7"}
    timed = evidence([(1.0, 2.0)], "latency_total/p50", latency=latency, disturbed=disturbed)
    (verdict,) = judge(claim("latency_total/p50", ratio_at_most=1), timed)
    assert (verdict.word, verdict.value) == ("not comparable", 0.5)
    assert f"the timing was disturbed ({side}: load 7)" in verdict.sentence
    assert word(evidence([(1, 2)], disturbed=disturbed), claim(ratio_at_most=1)) == "supported"
