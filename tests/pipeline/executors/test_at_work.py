"""How long a stage still takes, by what it counts or by what it took before."""

from types import SimpleNamespace

import pytest

from harness.pipeline.executors.at_work import PERIOD_SECONDS, AtWork
from harness.pipeline.stage import Stage

STAGE = Stage("fit", "make it", "harness.x:f", {})


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    return clock


def count(work, clock, *steps):
    for seconds, done, of in steps:
        clock.now += seconds
        work.count(done, of, "documents", 0)


def test_the_speed_of_counting_tells_the_time_left(clock):
    work = AtWork(STAGE, 1, 1)
    count(work, clock, (5, 10, 100), (5, 20, 100), (5, 30, 100))
    assert work.left() == pytest.approx(35)
    clock.now += 10
    assert work.left() == pytest.approx(25)
    assert work.seconds() == 25
    clock.now += 1000
    assert work.left() == 0


def test_only_the_last_while_counts(clock):
    work = AtWork(STAGE, 1, 1)
    count(work, clock, *[(1, done, 10_000) for done in range(100)])  # one a second
    count(work, clock, *[(1, 100 + 10 * done, 10_000) for done in range(int(PERIOD_SECONDS) + 2)])  # ten
    assert work.left() == pytest.approx((10_000 - work.done) / 10)


def test_what_is_counted_anew_begins_anew(clock):
    work = AtWork(STAGE, 1, 1)
    count(work, clock, (5, 10, 100), (5, 100, 100), (1, 1, 100))
    assert work.left() is None
    count(work, clock, (2, 2, 100))
    assert work.left() == pytest.approx(196)
    count(work, clock, (1, 3, 50))  # something else
    assert work.left() is None


def test_a_stage_that_counts_nothing_is_expected_to_take_what_it_took(clock):
    work = AtWork(STAGE, 1, 1, 30.0)
    assert work.left() == 30
    clock.now += 12
    work.count(0, 1, "building", 5)
    assert work.left() == 18
    assert work.memory == 5
    clock.now += 60
    assert work.left() == 0
    assert AtWork(STAGE, 1, 1).left() is None


def test_what_counts_without_an_end_says_nothing_of_it(clock):
    work = AtWork(STAGE, 1, 1)
    count(work, clock, (1, 10, None), (1, 20, None))
    assert work.left() is None


@pytest.mark.parametrize("of", [100, None])
def test_the_time_of_before_tells_until_two_counts_tell_a_speed(clock, of):
    work = AtWork(STAGE, 1, 1, 30.0)
    count(work, clock, (4, 10, of))
    assert work.left() == 26
    clock.now += 30  # longer than before, and no speed yet
    assert work.left() is None
    count(work, clock, (6, 20, 100), (1, 30, 100))
    assert work.left() == pytest.approx(7 if of is None else 70 * (30 + 6 + 1) / 20)


def test_texts_are_safe_for_a_terminal():
    work = AtWork(Stage("fit", "a\x1b[2J\nb", "harness.x:f", {}), 1, 1)
    work.count(1, 2, "x\x07\ny", 0)
    assert (work.label, work.text) == ("a\ufffd[2J b", "x\ufffd y")
