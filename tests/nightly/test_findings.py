"""What tonight says, on histories with known answers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from harness.errors import UserError
from harness.history.series import Night, series
from harness.nightly.accepted import read_accepted, reason_for
from harness.nightly.findings import of_history, suspects
from harness.spec.nightly import ThresholdSpec

KEY = ("alpha", "s", "latency_total/p50")


def nights(values, states=None, labels=None, twice=None):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Night(
            str(i), start + timedelta(days=i), f"{i:04d}" * 10, (labels or ["m"] * len(values))[i], float(value),
            None, None, "/nowhere", (states or ["good"] * len(values))[i], (twice or [True] * len(values))[i],
        )
        for i, value in enumerate(values)
    ]  # fmt: skip


def quiet(count=40, seed=1):
    return 1e-3 * (1 + 0.01 * np.random.default_rng(seed).standard_normal(count))


def test_a_step_names_the_first_revision_after_it():
    values = quiet()
    values[38:] *= 1.1
    (one,) = of_history({KEY: nights(values)}, {}, ())
    assert one.kind == "step"
    assert (one.first, one.last) == ("0038" * 10, "0037" * 10)
    assert "0038003800" in one.sentence
    assert suspects({KEY: nights(values)}, {}) == {"s"}


def test_a_step_within_one_revision_is_not_laid_to_it():
    values = quiet()
    values[38:] *= 1.1
    same = [replace(night, revision="a" * 40) for night in nights(values)]
    (one,) = of_history({KEY: same}, {}, ())
    assert "between nights of one revision (aaaaaaaaaa)" in one.sentence
    assert "first with" not in one.sentence


def test_quiet_and_better_series_say_nothing():
    better = quiet()
    better[38:] *= 0.9
    assert of_history({KEY: nights(quiet()), ("a", "t", KEY[2]): nights(better)}, {}, ()) == []


def test_a_regression_stays_until_it_is_mended():
    values = quiet(60)
    values[40:] *= 1.1
    states = ["good"] * 41 + ["regressed"] * 19
    (one,) = of_history({KEY: nights(values, states)}, {}, ())
    assert one.first == "0040" * 10
    values[50:] /= 1.1
    assert of_history({KEY: nights(values, states)}, {}, ()) == []


def judged(values, given=None):
    """States night by night, as the nightly run writes them: each is judged with the nights and states before it."""
    states, sentences = [], []
    for place in range(len(values)):
        past = nights(values[: place + 1], [*states, ""])
        findings = of_history({KEY: past}, given or {}, ())
        states.append("regressed" if findings else "good")
        sentences.append([finding.sentence for finding in findings])
    return states, sentences


def test_a_regression_that_was_half_mended_stays_one():
    values = quiet(80)
    values[30:] *= 1.2
    values[45:] *= 1.1 / 1.2
    states, sentences = judged(values)
    assert "regressed" not in states[:30]
    assert set(states[35:]) == {"regressed"}
    (last,) = sentences[-1]
    assert "0.997 ms to 1.10 ms (+10.4%, after 1.20 ms in between)" in last
    assert "first with revision 0030003000" in last


def test_what_was_gained_while_another_series_was_bad_can_be_lost():
    values = quiet(80)
    values[30:] *= 0.8
    values[50:] *= 1.1
    states = ["good"] * 20 + ["regressed"] * 60
    (one,) = of_history({KEY: nights(values, states)}, {}, ())
    assert one.first == "0050" * 10
    assert "(+10" in one.sentence or "(+9" in one.sentence


@pytest.mark.parametrize(("sides", "count"), [("one", 0), ("two", 1)])
def test_both_sides_count_where_the_spec_says_so(sides, count):
    values = quiet()
    values[38:] *= 0.9
    given = {"latency_total": ThresholdSpec(relative=0.025, sides=sides)}
    assert len(of_history({KEY: nights(values)}, given, ())) == count
    assert len(suspects({KEY: nights(values)}, given)) == count
    falling = quiet(120) * np.exp(-0.0006 * np.arange(120))
    drifts = of_history({KEY: nights(falling)}, given, ())
    assert [one.kind for one in drifts] == ["drift"] * count


@pytest.mark.parametrize(("absolute", "count"), [(0.0, 1), (4 << 20, 0)])
def test_a_change_below_the_absolute_bound_is_no_regression(absolute, count):
    key = ("alpha", "s", "resident_bytes")
    given = {"resident_bytes": ThresholdSpec(relative=0.05, absolute=absolute)}
    values = quiet() * 1e3 * (1 << 20)
    values[38:] *= 1.08
    assert len(of_history({key: nights(values)}, given, ())) == count
    drifting = quiet(120) * 1e3 * (1 << 20) * np.exp(0.0008 * np.arange(120))
    assert len(of_history({key: nights(drifting)}, given, ())) == count


def test_a_drift_is_measured_again_before_it_alarms():
    values = quiet(120, seed=3) * np.exp(0.0006 * np.arange(120))

    def past(count, last):
        return {KEY: nights(values[:count], twice=[False] * (count - 1) + [last])}

    first = next(count for count in range(30, 121) if of_history(past(count, last=True), {}, ()))
    assert of_history(past(first, last=False), {}, ()) == []
    assert suspects(past(first, last=False), {}) == {"s"}


def test_a_step_that_was_accepted_before_is_not_told_again():
    values = quiet(60)
    values[40:] *= 1.1
    assert of_history({KEY: nights(values)}, {}, ()) == []  # found and judged good on night 43


def test_thresholds_and_directions_of_the_spec_hold():
    values = quiet()
    values[38:] *= 1.1
    assert of_history({KEY: nights(values)}, {"latency_total": ThresholdSpec(relative=0.2)}, ()) == []
    assert of_history({KEY: nights(values)}, {"latency_total": ThresholdSpec(watch=False)}, ()) == []
    rate = ("alpha", "s", "encode_documents_per_second")
    given = {"encode_documents_per_second": ThresholdSpec(relative=0.02)}
    assert of_history({rate: nights(values)}, given, ()) == []
    falling = quiet()
    falling[38:] *= 0.9
    assert len(of_history({rate: nights(falling)}, given, ())) == 1


def test_slow_drift_is_told_with_the_best_week():
    values = quiet(120) * np.exp(0.0006 * np.arange(120))
    (one,) = of_history({KEY: nights(values)}, {}, ())
    assert one.kind == "drift"
    assert "best week" in one.sentence


def test_another_machine_begins_anew():
    values = quiet()
    values[37:] *= 1.5
    assert of_history({KEY: nights(values, labels=["m"] * 37 + ["n"] * 3)}, {}, ()) == []


def test_of_two_measurements_the_one_counts_that_says_less():
    def row(place, value, confirms=""):
        return {
            "id": f"{place}{confirms}", "created": datetime(2026, 1, 1 + place, tzinfo=UTC), "revision": "r",
            "machine": "m", "data": "d", "definition": "", "collection": "a", "system": "s", "metric": "m",
            "value": value, "ci_low": None, "ci_high": None, "folder": "", "state": "", "confirms": confirms,
        }  # fmt: skip

    rows = [
        row(0, 10.0),
        row(1, 10.0),
        row(2, 15.0),
        row(3, 11.0, confirms="2"),
        row(4, 9.0),
        row(5, 4.0, confirms="4"),
    ]
    found = series(rows)["a", "s", "m"]
    assert [night.value for night in found] == [10.0, 10.0, 11.0, 9.0]
    assert [night.twice for night in found] == [False, False, True, True]


def test_accepted_regressions(tmp_path):
    file = tmp_path / "accepted.toml"
    assert read_accepted(file) == ()
    file.write_text(
        '[[accepted]]\nmetric = "latency_total/p50"\nsystem = "s"\nvalue = 0.00112\nreason = "a new tokeniser"\n'
        '[[accepted]]\nmetric = "ndcg@10"\nsystem = "s"\nvalue = 0.5\nreason = "a smaller model"\n'
    )
    accepted = read_accepted(file)
    values = quiet()
    values[38:] *= 1.1
    (one,) = of_history({KEY: nights(values)}, {}, accepted)
    assert one.accepted == "a new tokeniser"
    values[38:] *= 1.1
    (one,) = of_history({KEY: nights(values)}, {}, accepted)
    assert one.accepted == ""
    assert reason_for(("a", "s", "ndcg@10"), 0.51, accepted)
    assert not reason_for(("a", "s", "ndcg@10"), 0.49, accepted)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[[accepted]]\nmetric = "ndcg@10"\nsystem = "s"\nvalue = 1\n', "accepted[0].reason"),
        ('[[accepted]]\nmetric = "ndgc@10"\nsystem = "s"\nvalue = 1\nreason = "because of x"\n', "accepted[0].metric"),
        ('[[acepted]]\nmetric = "ndcg@10"\n', "acepted"),
        ("[[accepted]\n", ""),
    ],
)
def test_broken_lists_are_refused_by_key(tmp_path, text, key):
    file = tmp_path / "accepted.toml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        read_accepted(file)
    assert (caught.value.key or "") == key
    assert str(file) in str(caught.value)
