"""A watched measurement on clocks of our own, and a real one beside a neighbour on its core."""

import contextlib
import os
import subprocess
import sys
import textwrap

import pytest

from harness.measure.machine.conditions import Conditions
from harness.measure.machine.sentinel import Reading, Sentinel
from harness.measure.machine.watch import watched
from harness.measure.workers.isolated import run_isolated


class Machine:
    """Clocks that go on with the sentinel's work, slower while disturbed."""

    def __init__(self):
        self.now = self.processor = 0.0
        self.slow = 1.0
        self.conditions = Conditions(seconds=1.0, threads_busy=1, parallelism=1.0)

    def make(self):
        sentinel = Sentinel(clock=lambda: self.now, processor_clock=lambda: self.processor, every=0.0)
        for name, cost in (("_hash", 0.001), ("_walk", 0.002)):
            setattr(sentinel, name, lambda cost=cost: self.work(cost))
        return sentinel

    def work(self, cost):
        self.now += cost * self.slow
        self.processor += cost * self.slow

    @contextlib.contextmanager
    def observe(self):
        yield self.conditions

    def watch(self, measure, **more):
        return watched(measure, make=self.make, observing=self.observe, **more)


def test_a_disturbed_measurement_is_repeated_and_the_quiet_one_kept():
    machine, calls = Machine(), []

    def measure(read):
        calls.append(1)
        machine.slow = 1.5 if len(calls) == 1 else machine.slow
        read(0)
        machine.slow = 1.0
        return len(calls)

    found = machine.watch(measure, attempts=3)
    assert (found.value, found.disturbance, len(found.repeated)) == (2, "", 1)
    assert "50% slower" in found.repeated[0]
    assert found.readings[0] == Reading(pytest.approx(0.001), pytest.approx(0.002), pytest.approx(1.0))
    assert len(found.readings) == 3


def test_what_stays_disturbed_is_returned_and_flagged():
    machine = Machine()

    def measure(read):
        machine.slow *= 2
        return "kept"

    found = machine.watch(measure, attempts=2)
    assert (found.value, len(found.repeated)) == ("kept", 1)
    assert "slower" in found.disturbance
    assert found.facts().disturbance == found.disturbance
    with pytest.raises(ValueError, match="attempt"):
        machine.watch(measure, attempts=0)


def test_readings_between_are_taken_where_the_last_is_old():
    machine = Machine()
    sentinel = machine.make()
    sentinel.every = 1.0
    for _ in range(3):
        sentinel.read_if_due()
    assert len(sentinel.readings) == 1
    machine.now += 1.1
    sentinel.read_if_due()
    assert len(sentinel.readings) == 2


class Parent:
    """Answers like one that has several workers."""

    def __init__(self, *again):
        self.again, self.asked = list(again), []

    def __call__(self, what):
        self.asked.append(what)
        return self.again.pop(0) if "again" in what else True


def test_turns_are_asked_for_and_an_undisturbed_one_goes_along_when_another_was_disturbed():
    machine, parent, calls = Machine(), Parent(True, False), []

    def measure(turn):
        calls.append(1)
        turn(0)
        turn(1)
        return len(calls)

    found = machine.watch(measure, attempts=3, ask=parent)
    once = [{"turn": 0}, {"turn": 1}, {"again": ""}]
    assert parent.asked == once * 2
    assert (found.value, found.disturbance) == (2, "")
    assert found.repeated == ("a system that it took turns with was disturbed",)


def test_what_may_not_be_done_again_says_so():
    parent = Parent(False)
    assert Machine().watch(lambda turn: 1, attempts=1, ask=parent).value == 1
    assert parent.asked == [{"again": None}]


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({}, ""),
        ({"waited_share": 0.01, "steal_share": 0.01}, ""),
        ({"waited_share": 0.3}, "waited 30% of the time"),
        ({"steal_share": 0.1}, "guests of the host took 10%"),
        ({"throttled_share": 0.02}, ""),
        ({"throttled_share": 0.5}, "a quota of its control group stopped it for 50% of the time"),
        ({"throttled_share": 3.0}, "a quota of its control group stopped it for 100% of the time"),
    ],
)
def test_conditions_disturb_as_well(conditions, said):
    machine = Machine()
    machine.conditions = Conditions(seconds=1.0, threads_busy=1, parallelism=1.0, **conditions)
    found = machine.watch(lambda read: None)
    assert said in found.disturbance if said else found.disturbance == ""


@pytest.mark.parametrize(
    ("seconds", "busy", "parallelism", "threads", "violated"),
    [(1.0, 1, 1.0, 1, False), (1.0, 2, 1.9, 1, True), (1.0, 2, 1.9, 2, False), (0.01, 2, 1.9, 1, False)],
)
def test_more_threads_than_asked_for_are_a_violation_where_clocks_can_tell(
    seconds, busy, parallelism, threads, violated
):
    machine = Machine()
    machine.conditions = Conditions(seconds=seconds, threads_busy=busy, parallelism=parallelism)
    found = machine.watch(lambda read: None, threads=threads)
    assert found.disturbance == ""  # to measure again would not help
    assert ("threads worked" in found.violation) == violated


def test_a_library_that_is_set_to_more_threads_is_a_violation(monkeypatch):
    monkeypatch.setattr("harness.measure.machine.watch.library_threads", lambda: {"faiss": 4, "torch": 1})
    found = Machine().watch(lambda read: None, threads=1)
    assert found.violation == "faiss may use 4 threads, not 1"
    assert found.facts().library_threads == {"faiss": 4, "torch": 1}
    assert Machine().watch(lambda read: None, threads=4).violation == ""


FUNCTIONS = """
import hashlib, os, time
from harness.measure.machine.watch import watched
def busy(report):
    def measure(read):
        until = time.perf_counter() + 0.4
        while time.perf_counter() < until: hashlib.sha256(bytes(100_000))
    return watched(measure, pinned=True, attempts=2).facts()
def astray(core, report):
    def measure(read): os.sched_setaffinity(0, core)
    os.sched_setaffinity(0, core[:1])
    return watched(measure, pinned=True).facts()
"""


@pytest.fixture
def functions(tmp_path, monkeypatch):
    (tmp_path / "watch_functions.py").write_text(textwrap.dedent(FUNCTIONS))
    monkeypatch.syspath_prepend(str(tmp_path))
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("needs Linux")


def test_a_neighbour_on_the_core_disturbs_to_the_last(functions):
    core = max(os.sched_getaffinity(0))
    burner = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{core}]); print(flush=True)\nwhile True: pass"],
        stdout=subprocess.PIPE,
    )
    try:
        burner.stdout.readline()
        found = run_isolated("watch_functions:busy", {}, pin=[core], allow=("watch_functions",)).result
    finally:
        burner.kill()
        burner.wait()
        burner.stdout.close()
    assert "it waited" in found["disturbance"]
    assert len(found["repeated"]) == 1
    assert found["processors"] == [core]
    assert found["involuntary_switches"] > 0
    assert found["waited_share"] > 0.02
    assert found["violation"] == ""


def test_a_thread_that_leaves_its_processor_is_named(functions):
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        pytest.skip("needs two processors")
    found = run_isolated("watch_functions:astray", {"core": usable}, allow=("watch_functions",)).result
    assert f"outside the processors [{usable[0]}]" in found["violation"]
