"""Claims on a system's own value, without a baseline."""

import numpy as np
import pytest
from pydantic import ValidationError

from harness.claims import Evidence, exit_code, judge
from harness.records import record
from harness.spec.claim import ClaimSpec
from harness.stats.means import FRACTION, mean_interval

VALUES = np.random.default_rng(1).beta(2, 2, 200)


def claim(metric="ndcg@10", **relation):
    return ClaimSpec(name="n", metric=metric, system="a", **relation)


def evidence(metric="ndcg@10", value=None, status=("ok", ""), interval=None, by_query=VALUES, **more):
    value = float(VALUES.mean()) if value is None else value
    rows = {("c", "a", metric): record("r", "c", "a", metric, value, method="m", interval=interval)}
    quality = {("c", "a", metric): {f"q{i}": float(x) for i, x in enumerate(by_query)}} if len(by_query) else {}
    return Evidence(rows if status[0] == "ok" else {}, {("c", "a"): status}, quality, **more)


@pytest.mark.parametrize(
    ("relation", "shift", "word"),
    [
        ("at_least", -0.1, "supported"), ("at_least", 0.0, "inconclusive"), ("at_least", 0.1, "contradicted"),
        ("at_most", -0.1, "contradicted"), ("at_most", 0.0, "inconclusive"), ("at_most", 0.1, "supported"),
    ],
)  # fmt: skip
def test_quality_is_judged_by_the_interval_of_its_mean(relation, shift, word):
    (verdict,) = judge(claim(**{relation: VALUES.mean() + shift}), evidence())
    assert verdict.word == word
    assert (verdict.low, verdict.high) == pytest.approx(mean_interval(VALUES, limits=FRACTION))
    assert verdict.sentence.startswith(f"On c: nDCG@10 of a is {VALUES.mean():.4g} (95% interval ")
    assert (
        f"; claimed: {relation.replace('_', ' ')} {VALUES.mean() + shift:.4g}. The claim is {word}." in verdict.sentence
    )


def test_the_confidence_of_an_interval_is_not_rounded():
    (verdict,) = judge(claim(at_least=0.1, confidence=0.9975), evidence())
    assert "(99.75% interval " in verdict.sentence
    known = evidence("build_seconds", 2.0, interval=(1.5, 2.5), by_query=(), confidence=0.999)
    (verdict,) = judge(claim("build_seconds", at_most=3), known)
    assert "(99.9% interval " in verdict.sentence


def test_bytes_have_no_interval():
    (verdict,) = judge(claim("index_bytes", at_most=1e6), evidence("index_bytes", 999_999, by_query=()))
    assert verdict.word == "supported"
    assert verdict.sentence == (
        "On c: Index size (m) of a is 999,999 bytes; claimed: at most 1,000,000 bytes. The claim is supported."
    )


def test_a_value_that_varies_needs_an_interval():
    once = evidence("build_seconds", 2.0, by_query=())
    assert judge(claim("build_seconds", at_most=3), once)[0].word == "inconclusive"
    known = evidence("build_seconds", 2.0, interval=(1.5, 2.5), by_query=())
    assert [judge(claim("build_seconds", at_most=x), known)[0].word for x in (3, 2.2, 1)] == [
        "supported", "inconclusive", "contradicted",
    ]  # fmt: skip
    surer = claim("build_seconds", at_most=3, confidence=0.99)
    assert judge(surer, known)[0].word == "inconclusive"


def test_what_the_null_control_cannot_show_settles_nothing():
    found = evidence("latency_total/p50", 0.010, interval=(0.0099, 0.0101), by_query=())
    effect = record("r", "c", "a", "smallest_effect/total p50", 0.05, method="m")
    found = Evidence({**found.records, ("c", "a", effect.metric): effect}, found.statuses)
    assert [judge(claim("latency_total/p50", at_most=x), found)[0].word for x in (0.0103, 0.011)] == [
        "inconclusive", "supported",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (evidence(status=("failed", "why")), "On c: not measured, a is failed (why)."),
        (evidence("recall@10"), "On c: not measured, a has no ndcg@10."),
    ],
)
def test_without_a_value_there_is_no_word(found, words):
    (verdict,) = judge(claim(at_least=0.5), found)
    assert (verdict.word, verdict.sentence, verdict.value) == ("not measured", words, None)
    assert exit_code([verdict]) == 2


@pytest.mark.parametrize("relation", [{"at_most": 1.0}, {"baseline": "b", "ratio_at_most": 1.0}])
def test_what_a_run_left_out_is_not_measured(relation):
    found = evidence(only=("quality", "memory"))
    (verdict,) = judge(claim("latency_total/p50", **relation), found)
    assert verdict.word == "not measured"
    assert verdict.sentence == "On c: not measured, the run measures only quality and memory (measure.only)."
    (verdict,) = judge(claim("index_plain_bytes", **relation), found)  # every run has it where there is such a codec
    assert "measure.only" not in verdict.sentence


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"at_least": 0.5, "baseline": "b"}, "leave out the baseline"),
        ({"ratio_at_most": 0.5}, "ratio_at_most needs a baseline; at_least and at_most need none"),
        ({"at_most": 0.5, "codecs": ("u8", "float32")}, "codecs names two"),
        ({"at_least": 0.5, "at_most": 0.6}, "exactly one of"),
        ({"at_least": 0.5, "collection": "c", "suite": "s"}, "a collection or a suite, not both"),
    ],
)
def test_claims_that_cannot_be_meant(keys, words):
    with pytest.raises(ValidationError, match=words):
        claim(**keys)
