"""Threads, pinning, switches and faults: each provoked, then read."""

import os
import textwrap

import pytest

from harness.measure.machine import conditions, threads
from harness.measure.machine.conditions import observe
from harness.measure.machine.environment import ProcessorTimes
from harness.measure.machine.threads import Threads, count_threads, strays
from harness.measure.workers.isolated import run_isolated

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")


@pytest.fixture
def call(tmp_path, monkeypatch):
    (tmp_path / "condition_functions.py").write_text(
        textwrap.dedent(
            """
            import ctypes, hashlib, mmap, os, threading, time
            from dataclasses import asdict
            import numpy as np
            from harness.measure.machine.conditions import observe
            from harness.measure.machine.threads import count_threads, strays
            def burn(until):
                while time.perf_counter() < until: hashlib.sha256(b"x" * 100_000)
            def work(count, report, processors=None):
                if processors: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:processors])
                stop = threading.Event()
                idle = [threading.Thread(target=stop.wait) for _ in range(3)]
                for thread in idle: thread.start()
                with count_threads() as seen:
                    until = time.perf_counter() + 0.6
                    busy = [threading.Thread(target=burn, args=(until,)) for _ in range(count - 1)]
                    for thread in busy: thread.start()
                    burn(until)
                    ended = [thread.join() for thread in busy]
                stop.set()
                return vars(seen)
            def product(size, report):
                a = np.ones((size, size), np.float32); a @ a
                with count_threads() as seen:
                    until = time.perf_counter() + 0.6
                    while time.perf_counter() < until: a @ a
                return [vars(seen), seen.obeyed(1)]
            def astray(usable, report):
                before = strays(usable)
                os.sched_setaffinity(0, usable)
                return [len(before), strays(usable)]
            def waits(report):
                with observe() as seen:
                    for _ in range(20): time.sleep(0.001)
                return asdict(seen)
            def pauses(report):
                held = mmap.mmap(-1, 32 << 20); held.madvise(mmap.MADV_NOHUGEPAGE)
                began, worked = time.perf_counter(), time.process_time()
                with observe() as seen:
                    burn(time.perf_counter() + 0.2)
                    with seen.paused():
                        burn(time.perf_counter() + 0.4)
                        for place in range(0, len(held), 4096): held[place] = 1
                    burn(time.perf_counter() + 0.2)
                return asdict(seen) | {
                    "elapsed": time.perf_counter() - began, "worked": time.process_time() - worked
                }
            def libraries(report):
                import sys
                from harness.measure.machine.threads import library_threads
                before = library_threads()
                import faiss, numba, torch
                return [before, library_threads(), threading.active_count()]
            def faults(report):
                with observe() as seen:
                    held = mmap.mmap(-1, 32 << 20); held.madvise(mmap.MADV_NOHUGEPAGE)
                    for place in range(0, len(held), 4096): held[place] = 1
                return asdict(seen)
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(name, threads=1, pin=None, **arguments):
        outcome = run_isolated(
            f"condition_functions:{name}", arguments, threads=threads, pin=pin, allow=("condition_functions",)
        )
        assert outcome.status == "ok", outcome.reason
        return outcome.result

    return run


def test_idle_threads_are_there_but_do_not_count_as_busy(call):
    found = call("work", count=1)
    assert found["total"] == 4
    assert found["busy"] == 1
    assert 0 < found["parallelism"] <= 1.05


def test_more_threads_than_asked_for_are_seen_even_when_they_have_ended(call):
    # On one processor the parallelism stays 1: the work of the ended thread alone tells.
    counted = Threads(**call("work", count=2, processors=1))
    assert counted.busy == 2
    assert counted.parallelism <= 1.05
    assert not counted.obeyed(1)
    assert counted.obeyed(2)


@pytest.mark.parametrize(
    ("alive", "process", "wall", "busy"),
    [
        ([1.0], 1.0, 1.0, 1),
        ([0.3], 0.3, 1.0, 1),  # neighbours had the processor for most of the time
        ([0.3, 0.026], 0.33, 1.0, 2),
        ([0.3, 0.024], 0.33, 1.0, 1),  # a service thread of a process that waits
        ([1.0, 0.04], 1.04, 1.0, 1),
        ([0.5], 1.0, 0.5, 2),  # half of the work was done by threads that ended
        ([0.96], 1.0, 1.0, 1),
        ([0.094], 0.1, 0.1, 1),  # within the grain of the clock
        ([1.002], 1.0, 1.0, 1),  # a clock read a moment later
        ([0.0, 0.0], 0.0, 1.0, 0),
        ([], 0.0, 0.0, 0),
    ],
)
def test_a_thread_is_busy_by_its_share_of_the_work(alive, process, wall, busy):
    assert threads.busy_threads(alive, process, wall) == busy


def test_one_thread_is_obeyed_by_the_numerical_libraries(call):
    found, obeyed = call("product", size=600)
    assert obeyed, found


@pytest.mark.parametrize("count", [1, 2])
def test_every_library_is_set_to_the_threads_asked_for(call, count):
    before, after, _ = call("libraries", threads=count)
    assert before == {}
    assert after == {"faiss": count, "torch": count, "numba": count}


def test_a_library_that_takes_two_threads_is_not_taken_for_one():
    assert Threads(total=5, busy=1, parallelism=1.02).obeyed(1)
    assert not Threads(total=5, busy=2, parallelism=1.0).obeyed(1)
    assert not Threads(total=5, busy=1, parallelism=1.5).obeyed(1)


def test_threads_outside_the_pinned_processors_are_found(call):
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        pytest.skip("needs two processors")
    before, after = call("astray", usable=usable[:1])
    assert before >= 1
    assert after == []


def test_waits_are_voluntary_switches(call):
    found = call("waits")
    assert found["voluntary_switches"] >= 20
    assert found["seconds"] >= 0.02
    assert found["threads_total"] >= 1


def test_new_pages_are_minor_faults(call):
    assert (32 << 20) / 4096 <= call("faults")["minor_faults"] < 2 * (32 << 20) / 4096


def test_what_is_paused_does_not_count(call):
    found = call("pauses")
    assert 0.4 <= found["seconds"] <= found["elapsed"] - 0.4
    assert 0 < found["cpu_seconds"] < found["worked"]
    assert found["minor_faults"] < 4000
    assert found["threads_busy"] == 1


def test_an_error_passes_through_and_the_readings_are_there():
    with pytest.raises(RuntimeError, match="boom"), observe() as seen:
        raise RuntimeError("boom")
    assert seen.seconds > 0


def test_shares_of_the_machine_are_worked_out_from_its_counters(monkeypatch):
    readings = iter([ProcessorTimes(100.0, 5.0, 1000.0), ProcessorTimes(130.0, 7.0, 1100.0)])
    monkeypatch.setattr(conditions, "processor_times", lambda: next(readings))
    with observe() as seen:
        pass
    assert seen.steal_share == pytest.approx(0.02)
    assert seen.others_share == pytest.approx(0.30, abs=0.01)


def test_shares_are_zero_where_the_system_does_not_count_them(monkeypatch):
    monkeypatch.setattr(conditions, "processor_times", lambda: None)
    with observe() as observed:
        pass
    assert (observed.steal_share, observed.others_share) == (0.0, 0.0)


def test_where_nothing_is_readable_counts_stay_zero(monkeypatch, tmp_path):
    monkeypatch.setattr(threads, "_TASKS", tmp_path / "none")
    with count_threads() as seen:
        pass
    assert (seen.total, seen.busy) == (0, 0)
    assert strays([0]) == []
