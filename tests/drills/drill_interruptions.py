"""Runs that are killed, interrupted, doubled, or told a wrong time."""

import os
import signal
import threading
import time

from drilled import expected, kill, numbers, prepared, run, runs_on, seeded, start, stored

KILLS = int(os.environ.get("DRILL_KILLS", "100"))


def test_kills_lose_nothing(tmp_path):
    """SIGKILL at random moments: what was stored stays and is not made again, and the end has the same records."""
    wanted, whole = expected(tmp_path / "whole")
    draw, killed, finished, losses = seeded("kills"), 0, 0, 0
    while killed < KILLS:
        folder = prepared(tmp_path / f"round{finished}")
        known = set()
        while killed < KILLS:
            began, process = time.monotonic(), start(folder)
            if runs_on(process, draw.uniform(0.0, 0.5 * whole)):
                _, errors = kill(process)
                killed += 1
            else:
                _, errors = process.communicate()
                assert process.returncode == 0, errors
                whole = whole if known else min(whole, time.monotonic() - began)  # it was measured on a busier machine
            assert "Traceback" not in errors
            now = stored(folder)
            losses += len(known - now)
            known |= now
            if process.returncode == 0:
                break
        status, errors = run(folder)
        assert status == 0, errors
        assert numbers(folder) == wanted
        assert list((folder / ".laconic-bench/unfinished").iterdir()) == []
        finished += 1
    print(f"{killed} kills over {finished} runs of at least {whole:.1f} s: {losses} artefacts lost, all records equal")
    assert losses == 0


def test_ctrl_c_stops_within_two_seconds(tmp_path):
    """SIGINT to the whole group, as a terminal sends it."""
    wanted, whole = expected(tmp_path / "whole")
    draw, slowest, stopped = seeded("ctrl-c"), 0.0, 0
    folder, round_ = prepared(tmp_path / "round"), 0
    while stopped < 50:
        began, process, fresh = time.monotonic(), start(folder), not (folder / ".laconic-bench").exists()
        if runs_on(process, draw.uniform(0.15, 0.6 * whole)):
            began = time.monotonic()
            os.killpg(process.pid, signal.SIGINT)
            output, errors = process.communicate(timeout=60)
            if process.returncode != 0:
                slowest, stopped = max(slowest, time.monotonic() - began), stopped + 1
                assert process.returncode == 130, (process.returncode, output, errors)
                assert "Traceback" not in errors, errors
                assert "goes on from here" in errors, errors
        else:
            process.communicate()
            whole = min(whole, time.monotonic() - began) if fresh else whole  # it was measured on a busier machine
        if process.returncode == 0:
            assert numbers(folder) == wanted
            round_ += 1
            folder = prepared(tmp_path / f"round{round_}")
    status, errors = run(folder)
    assert status == 0, errors
    assert numbers(folder) == wanted
    print(f"{stopped} interruptions: the slowest took {slowest:.2f} s")
    assert slowest < 2


def test_runs_that_share_a_store(tmp_path):
    """Four at once, one of which is killed: each ends well, and every stage is done once."""
    wanted, _ = expected(tmp_path / "whole")
    for round_ in range(3):
        folder = prepared(tmp_path / f"round{round_}")
        processes = [start(folder) for _ in range(4)]
        time.sleep(1.5)
        kill(processes[0])
        ended = {}

        def wait(process, ended=ended):
            ended[process.pid] = process.communicate()[1]

        threads = [threading.Thread(target=wait, args=(process,)) for process in processes[1:]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [process.returncode for process in processes[1:]] == [0, 0, 0], ended
        done = [line for text in ended.values() for line in text.splitlines() if ": ok in" in line]
        labels = [line.split("] ")[1].partition(": ok in")[0] for line in done]
        # A summary is made again where another run had timed; everything else is made by one of them.
        assert len([x for x in labels if "summarise" not in x]) == len({x for x in labels if "summarise" not in x})
        assert numbers(folder) == wanted
    print("3 rounds of 4 runs on one store, one killed: the others end well, no stage is done twice")


CLOCK = """
import datetime, itertools, time
_real, _steps = time.time, itertools.count()
time.time = lambda: _real() - 10 * 365.25 * 86400 - 3600 * next(_steps)
class _Back(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.datetime = _Back
"""


def test_clock_set_back(tmp_path):
    """Ten years back, and an hour more at every look, in the run and in its workers: same records, all reused."""
    wanted, _ = expected(tmp_path / "whole")
    folder = prepared(tmp_path / "back")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(CLOCK)
    status, errors = run(folder, PYTHONPATH=str(tmp_path / "site"))
    assert status == 0, errors
    assert numbers(folder) == wanted
    created = [p.read_text() for p in (folder / ".laconic-bench/objects").glob("*/*/manifest.json")]
    past = str(time.gmtime().tm_year - 10)
    assert all(f'"created": "{past}' in text or f'"created": "{int(past) - 1}' in text for text in created)
    assert not any('"seconds": -' in text for text in created)
    status, errors = run(folder, PYTHONPATH=str(tmp_path / "site"))
    assert status == 0
    assert ": ok in" not in errors, "nothing may be made again"
    run(folder)
    print("clock ten years back and falling: same records, nothing made twice, no negative duration")
