"""The peak of anonymous memory: allocations of a known size, beside mapped files that are read."""

import textwrap

import pytest

from harness.measure.workers.isolated import run_isolated

MIB = 1 << 20
MAPPED, HELD = 160, 48


@pytest.fixture
def measure(tmp_path, monkeypatch):
    (tmp_path / "peak_functions.py").write_text(
        textwrap.dedent(
            """
            import os, signal, time
            import numpy as np
            from harness.measure.anonymous_peak import AnonymousPeak
            from harness.measure.memory import peak, reset_peak, resident
            MIB = 1 << 20
            def until(watch, more):
                first = watch.read().count
                asked = 1
                while watch.read().count - first - asked < more: asked += 1; time.sleep(0.005)
            def work(path, held, report):
                rows = np.load(path, mmap_mode="r")
                with AnonymousPeak() as watch:
                    reset_peak(); before = resident()
                    total = int(rows.sum())
                    waste = np.ones(held * MIB, np.uint8)
                    until(watch, 3)
                    del waste
                    low = resident().anonymous
                    found = watch.read()
                return [total, found.highest - before.anonymous, peak() - before.rss, low - before.anonymous]
            def large_then_read(report):
                with AnonymousPeak() as watch:
                    before = watch.read().highest
                    held = np.ones(30 * MIB, np.uint8); after = watch.read(); return after.highest - before
            def stopped(report):
                with AnonymousPeak() as watch:
                    os.kill(watch._reader.pid, signal.SIGKILL)
                    watch._reader.wait()
                    watch.read()
            def error(report):
                try:
                    with AnonymousPeak() as watch: raise KeyError("x")
                except KeyError: return watch._reader.returncode
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda name, **arguments: run_isolated(
        f"peak_functions:{name}", arguments, allow=("peak_functions",), timeout=120
    )


def test_pages_of_a_mapped_file_are_no_part_of_the_peak(measure, tmp_path):
    """The allocation is freed before the end: only the readings in between have met it."""
    import numpy as np

    path = tmp_path / "rows.npy"
    np.save(path, np.ones(MAPPED * MIB, np.uint8))
    total, anonymous, whole, left = measure("work", path=str(path), held=HELD).result
    assert total == MAPPED * MIB
    assert anonymous == pytest.approx(HELD * MIB, abs=4 * MIB)
    assert left < 4 * MIB
    assert whole > (HELD + MAPPED / 2) * MIB  # the kernel may take pages of a file away


def test_what_is_held_at_the_end_is_read_at_once(measure):
    assert measure("large_then_read").result == pytest.approx(30 * MIB, abs=2 * MIB)


def test_a_reader_that_is_gone_is_an_error_and_no_smaller_peak(measure):
    outcome = measure("stopped")
    assert outcome.status == "failed"
    assert "has ended" in outcome.reason or "Broken pipe" in outcome.reason


def test_the_reader_ends_with_the_block_whatever_happens_in_it(measure):
    assert measure("error").result == 0
