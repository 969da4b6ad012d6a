"""Finished runs compared: every verdict on data whose answer is known."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import UserError
from harness.nightly.changes import of_processor, word
from harness.nightly.compare_runs import compare_runs, exit_code, lines
from harness.nightly.thresholds import IN_TURNS, threshold
from harness.spec.nightly import ThresholdSpec

QUALITY = {f"q{i}": 0.4 + 0.01 * (i % 7) for i in range(50)}


def seconds(seed, factor=1.0):
    """8 processes x 25 queries x 3 repeats; queries differ, processes differ by 0.5 %."""
    own = np.random.default_rng(1).lognormal(0, 0.3, (1, 25, 1))
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.005, (8, 1, 1)) + rng.normal(0, 0.02, (8, 25, 3))
    return 1e-3 * factor * own * np.exp(noise)


def only(found, metric):
    (one,) = [one for one in found if one.key[2] == metric]
    return one


def test_exact_metrics_are_compared_exactly(run):
    base = run(values={("s", "index_bytes"): 1000.0, ("s", "flops_search"): 50.0, ("s", "postings_touched"): 7.0})
    head = run(values={("s", "index_bytes"): 1030.0, ("s", "flops_search"): 49.0, ("s", "postings_touched"): 7.0})
    found = compare_runs(base, head)
    assert {one.key[2]: one.word for one in found} == {
        "index_bytes": "regressed",
        "flops_search": "improved",
        "postings_touched": "no change",
    }
    assert "1000 B to 1.01 KiB (+3.00%)" in only(found, "index_bytes").sentence
    assert exit_code(found) == 1


def test_a_slowdown_is_told_from_noise(run):
    base, same, slow, quick = (run(latency={"s": seconds(*how)}) for how in ((1,), (2,), (3, 1.05), (4, 0.9)))
    assert only(compare_runs(base, same), "latency_total/p50").word in ("no change", "within noise")
    one = only(compare_runs(base, slow), "latency_total/p50")
    assert one.word == "regressed"
    assert one.low < 1.05 < one.high
    assert only(compare_runs(base, quick), "latency_total/p50").word == "improved"


def test_times_of_one_process_settle_nothing(run):
    base, slow = (run(latency={"s": seconds(seed, factor)[:1]}) for seed, factor in ((1, 1.0), (3, 1.5)))
    found = compare_runs(base, slow)
    one = only(found, "latency_total/p50")
    assert one.word == "inconclusive"
    assert "timed in one process, and processes differ (raise measure.processes)" in one.sentence
    assert exit_code(found) == 2
    assert "1 inconclusive" in "\n".join(lines([one]))


@pytest.mark.parametrize(("pairs", "word"), [(2, "inconclusive"), (7, "inconclusive"), (8, "regressed")])
def test_too_few_pairs_for_the_confidence_settle_nothing(pairs, word):
    rng = np.random.default_rng(2)
    base = 1e-3 * rng.lognormal(0, 0.01, (pairs, 3, 20))
    head = 1.5e-3 * rng.lognormal(0, 0.01, (pairs, 3, 20))
    found = of_processor(("alpha", "s", "search_cpu"), base, head, IN_TURNS, 0.99)
    assert found.word == word
    assert found.relative == pytest.approx(0.5, abs=0.05)
    if word == "inconclusive":
        reached = f"{100 * (1 - 0.5 ** (pairs - 1)):.4g}%"
        assert f"{pairs} pairs of processes make an interval of {reached}, not 99%" in found.sentence


def test_shortest_times_have_an_interval_from_their_processes(run):
    def made(seed, factor=1.0):
        times = seconds(seed, factor)
        return run(values={("s", "total_least"): float(times.min(axis=(0, 2)).mean())}, latency={"s": times})

    base, same, slow = made(1), made(2), made(3, 1.05)
    assert only(compare_runs(base, same), "total_least").word in ("no change", "within noise")
    one = only(compare_runs(base, slow), "total_least")
    assert one.word == "regressed"
    assert one.low < 1.05 < one.high


def test_identical_timings_are_seldom_taken_for_a_change(run):
    pairs = [(run(latency={"s": seconds(seed)}), run(latency={"s": seconds(seed + 100)})) for seed in range(20)]
    words = [only(compare_runs(*pair), "latency_total/p50").word for pair in pairs]
    assert sum(word in ("regressed", "improved") for word in words) <= 1


def test_quality_is_reported_with_the_queries_that_moved(run):
    after = {**QUALITY, "q3": QUALITY["q3"] - 0.2, "q9": QUALITY["q9"] - 0.05}
    one = only(compare_runs(run(quality={"s": QUALITY}), run(quality={"s": after})), "ndcg@10")
    assert one.word == "regressed"
    assert [query for query, _, _ in one.queries] == ["q3", "q9"]
    assert one.head - one.base == pytest.approx(-0.005)
    text = "\n".join(lines([one]))
    assert "2 queries moved" in text
    assert "q3: 0.4300 to 0.2300" in text


def test_moves_that_cancel_are_still_named(run):
    after = {**QUALITY, "q0": QUALITY["q1"], "q1": QUALITY["q0"]}
    one = only(compare_runs(run(quality={"s": QUALITY}), run(quality={"s": after})), "ndcg@10")
    assert one.word in ("no change", "within noise")
    assert len(one.queries) == 2
    assert "single queries moved" in "\n".join(lines([one]))


def test_other_queries_cannot_be_compared(run):
    after = {**QUALITY, "new": 1.0}
    one = only(compare_runs(run(quality={"s": QUALITY}), run(quality={"s": after})), "ndcg@10")
    assert one.word == "not comparable"


def test_missing_and_failed_systems_are_named(run):
    base = run(values={("s", "index_bytes"): 1.0, ("t", "index_bytes"): 1.0})
    failed = {"name": "t", "collection": "alpha", "status": "oom", "reason": "held too much"}
    head = run(values={("s", "index_bytes"): 1.0})
    facts = json.loads((head / "run.json").read_text())
    facts["systems"].append(failed)
    (head / "run.json").write_text(json.dumps(facts))
    found = compare_runs(base, head)
    assert [one.word for one in found] == ["no change", "not comparable"]
    assert "oom: held too much" in found[1].sentence
    assert exit_code(found) == 2


@pytest.mark.parametrize(
    ("change", "message"), [({"machine": "m2"}, "machines differ"), ({"data": "d2"}, "data of alpha")]
)
def test_what_differs_is_refused_and_labelled_when_forced(run, change, message):
    base, head = run(), run(**change)
    with pytest.raises(UserError, match=message) as caught:
        compare_runs(base, head)
    assert "--force" in caught.value.remedy
    found = compare_runs(base, head, force=True)
    assert all(message in one.sentence for one in found)


def test_the_specs_thresholds_are_used(run):
    text = 'name = "n"\n[nightly.thresholds]\nindex_bytes = { relative = 0.05 }\nflops_search = { watch = false }\n'
    base = run(values={("s", "index_bytes"): 1000.0, ("s", "flops_search"): 1.0})
    head = run(values={("s", "index_bytes"): 1030.0, ("s", "flops_search"): 2.0}, spec_text=text)
    assert [(one.key[2], one.word) for one in compare_runs(base, head)] == [("index_bytes", "within noise")]


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0, 0.5), st.floats(0, 10))
def test_words_agree_with_their_definition(old, new, relative, absolute):
    limit = ThresholdSpec(relative=relative, absolute=absolute)
    found = {side: word(old, new, limit, side) for side in ("lower", "higher")}
    if old == new:
        assert set(found.values()) == {"no change"}
    elif abs(new - old) <= max(absolute, relative * old):
        assert set(found.values()) == {"within noise"}
    else:
        assert (
            found == {"lower": "improved", "higher": "regressed"}
            if new < old
            else {"lower": "regressed", "higher": "improved"}
        )
    two = ThresholdSpec(relative=relative, absolute=absolute, sides="two")
    assert word(old, new, two, "lower") == word(old, new, two, "higher") != "improved"


def test_parts_inherit_their_metrics_threshold():
    own = {"latency_total": ThresholdSpec(relative=0.2), "latency_total/p50": ThresholdSpec(relative=0.1)}
    assert threshold("latency_total/p50", own).relative == 0.1
    assert threshold("latency_total/p99", own).relative == 0.2
    assert threshold("latency_total/p99", {}) is None
    assert threshold("latency_total/p50", {}).relative > 0
    assert threshold("build_seconds", {}) is None
    assert threshold("index_bytes/impacts", {}).relative == 0


def test_the_command(run):
    base, head = run(), run(values={("s", "index_bytes"): 1030.0})
    answer = CliRunner().invoke(app, ["compare", str(base), str(head)])
    assert answer.exit_code == 1
    assert answer.output.startswith("Index size of s on alpha: regressed")
    assert answer.output.endswith("1 regressed\n")
    answer = CliRunner().invoke(app, ["compare", str(base), str(base), "--json"])
    assert answer.exit_code == 0
    assert json.loads(answer.output)[0]["word"] == "no change"
    assert isinstance(CliRunner().invoke(app, ["compare", str(base), "nowhere"]).exception, UserError)
