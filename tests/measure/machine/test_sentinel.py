"""The sentinel's readings, and beside a real neighbour on its core."""

import os
import subprocess
import sys
import textwrap

import pytest

from harness.measure.machine.sentinel import Reading, disturbance
from harness.measure.workers.isolated import run_isolated

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


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_a_second_process_on_the_core_is_seen(tmp_path, monkeypatch):
    (tmp_path / "sentinel_functions.py").write_text(
        textwrap.dedent(
            """
            from harness.measure.machine.sentinel import Sentinel
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
