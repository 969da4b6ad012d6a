"""The sentinel on a clock of our own, and beside a real neighbour on its core."""

import os
import subprocess
import sys
import textwrap

import pytest

from harness.measure.sentinel import Reading, Sentinel, disturbance, guarded
from harness.measure.worker import run_isolated

QUIET = Reading(1.0, 2.0, 1.0)


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        ([], ""),
        ([QUIET, QUIET], ""),
        ([QUIET, Reading(1.05, 2.1, 1.05)], ""),
        ([QUIET, Reading(1.2, 2.0, 1.0)], "the processor was up to 20% slower"),
        ([Reading(1.0, 3.0, 1.0), QUIET], "the memory was up to 50% slower"),
        ([QUIET, Reading(1.0, 2.0, 1.9)], "waited 90%"),
    ],
)
def test_readings_that_differ_are_a_disturbance(readings, said):
    found = disturbance(readings, 0.10)
    assert said in found if said else found == ""


class Machine:
    """Clocks that go on with the sentinel's work, slower while disturbed."""

    def __init__(self):
        self.now = self.processor = 0.0
        self.slow = 1.0

    def make(self):
        sentinel = Sentinel(clock=lambda: self.now, processor_clock=lambda: self.processor)
        for name, cost in (("_hash", 0.001), ("_walk", 0.002)):
            setattr(sentinel, name, lambda cost=cost: self.work(cost))
        return sentinel

    def work(self, cost):
        self.now += cost * self.slow
        self.processor += cost * self.slow


def test_a_disturbed_measurement_is_repeated_and_the_quiet_one_kept():
    machine, calls = Machine(), []

    def measure(read):
        calls.append(1)
        machine.slow = 1.5 if len(calls) == 1 else machine.slow
        read()
        machine.slow = 1.0
        return len(calls)

    found = guarded(measure, attempts=3, make=machine.make)
    assert (found.value, found.disturbance, found.attempts) == (2, "", 2)
    assert found.readings[0] == Reading(pytest.approx(0.001), pytest.approx(0.002), pytest.approx(1.0))


def test_what_stays_disturbed_is_returned_and_flagged():
    machine = Machine()

    def measure(read):
        machine.slow *= 2
        return "kept"

    found = guarded(measure, attempts=2, make=machine.make)
    assert (found.value, found.attempts) == ("kept", 2)
    assert "slower" in found.disturbance
    with pytest.raises(ValueError, match="attempt"):
        guarded(measure, attempts=0)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_a_second_process_on_the_core_is_seen(tmp_path, monkeypatch):
    (tmp_path / "sentinel_functions.py").write_text(
        textwrap.dedent(
            """
            from harness.measure.sentinel import Sentinel
            def read(report):
                sentinel = Sentinel()
                for _ in range(3): sentinel.read()
                return sentinel.disturbance()
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    core = max(os.sched_getaffinity(0))
    burner = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{core}]); print(flush=True)\nwhile True: pass"],
        stdout=subprocess.PIPE,
    )
    try:
        burner.stdout.readline()
        outcome = run_isolated("sentinel_functions:read", {}, pin=[core], allow=("sentinel_functions",))
    finally:
        burner.kill()
        burner.wait()
        burner.stdout.close()
    assert "other work shared the core" in outcome.result
