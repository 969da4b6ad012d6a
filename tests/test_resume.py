"""A run killed in any stage goes on with what was finished, and ends with the same numbers."""

import os
import signal
import subprocess
import sys
import time

import pytest
from small_specs import ONCE, write_spec
from tests_support import numbers, start_run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_spec(folder)
    process = start_run(folder)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    labels = [line.split("] ")[1].removesuffix(" ...") for line in errors.splitlines() if line.endswith(" ...")]
    return labels, numbers(folder)


def test_killed_in_several_stages(undisturbed, tmp_path):
    """In every third one; `nox -s drills` kills at many random moments."""
    labels, expected = undisturbed
    write_spec(tmp_path)
    finished = []
    for label in labels[::3]:
        process = start_run(tmp_path)
        begun, ended = [], []
        for line in process.stderr:
            if ": ok in " in line:
                ended.append(line.split("] ")[1].rpartition(": ok in ")[0])
            if line.endswith(" ...\n"):
                begun.append(line.split("] ")[1].removesuffix(" ...\n"))
                if begun[-1] == label:
                    time.sleep(0.4)  # somewhere in the middle of it
                    break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        # What was finished in an earlier round was not begun again.
        assert not set(begun) & set(finished), (begun, finished)
        finished += ended
    process = start_run(tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert numbers(tmp_path).keys() == expected.keys()
    assert numbers(tmp_path) == expected
    assert list((tmp_path / ".laconic-bench/unfinished").iterdir()) == []


def test_two_runs_at_once_do_not_harm_each_other(undisturbed, tmp_path):
    write_spec(tmp_path)
    both = [start_run(tmp_path), start_run(tmp_path)]
    outputs = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert numbers(tmp_path) == undisturbed[1]


def test_failures_are_kept_until_retry_is_asked(tmp_path):
    write_spec(tmp_path, measure={**ONCE, "timeout": 0.05})
    process = start_run(tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "timeout" in errors
    assert "measure.timeout" in errors
    assert (tmp_path / "runs/small/report.html").exists()
    process = start_run(tmp_path)
    _, errors = process.communicate()
    assert not [line for line in errors.splitlines() if line.endswith(" ...")]
    text = (tmp_path / "small.toml").read_text()
    (tmp_path / "small.toml").write_text(text.replace("timeout = 0.05", ""))
    process = subprocess.run(
        [sys.executable, "-c", "from harness.cli.app import main; main()", "run", "small.toml", "--retry", "failed"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert process.returncode == 0
