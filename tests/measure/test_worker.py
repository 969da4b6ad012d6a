"""Every way in which a worker can end."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from harness.measure.worker import run_isolated, scrubbed_environment


@pytest.fixture
def functions(tmp_path, monkeypatch):
    (tmp_path / "worker_functions.py").write_text(
        textwrap.dedent(
            """
            import os, sys, time, signal, threading
            from harness.errors import UserError
            def add(a, b, report):
                report(1, 2, "half")
                print("noise on standard output")
                return a + b
            def user_error(report): raise UserError("wrong", file="x.toml", key="a.b", remedy="mend it")
            def crash(report): raise RuntimeError("boom")
            def sleep(report): time.sleep(60)
            def die(report): os.kill(os.getpid(), signal.SIGKILL)
            def leave(report): os._exit(7)
            def eat(report):
                held = []
                while True: held.append(bytearray(16 << 20)); time.sleep(0.01)
            def env(report): return dict(os.environ)
            def garbage(report):
                fd = int(sys.argv[1]); os.write(fd, b"not json\\n"); time.sleep(60)
            def full(report):
                raise OSError(28, "No space left on device", "/somewhere")
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def call(name, _timeout=60, _limit=None, **arguments):
        return run_isolated(
            f"worker_functions:{name}", arguments, timeout=_timeout, memory_limit=_limit, allow=("worker_functions",)
        )

    return call


def test_result_progress_and_log(functions, tmp_path):
    seen, log = [], tmp_path / "log"
    outcome = run_isolated(
        "worker_functions:add",
        {"a": 2, "b": 3},
        on_progress=lambda *args: seen.append(args),
        log=log,
        allow=("worker_functions",),
    )
    assert (outcome.status, outcome.result) == ("ok", 5)
    assert seen == [(1, 2, "half")]
    assert "noise on standard output" in log.read_text()
    assert outcome.peak_bytes > 1 << 20


@pytest.mark.parametrize(
    ("name", "status", "reason", "expected"),
    [
        ("user_error", "failed", "x.toml: a.b: wrong\n  remedy: mend it", True),
        ("crash", "failed", "RuntimeError: boom", False),
        ("die", "killed", "SIGKILL", False),
        ("leave", "failed", "exit code 7", False),
        ("garbage", "failed", "no message", False),
        ("full", "failed", "no space is left", True),
    ],
)
def test_failures_become_statuses(functions, name, status, reason, expected):
    outcome = functions(name)
    assert (outcome.status, outcome.expected) == (status, expected)
    assert reason in outcome.reason


def test_timeout(functions):
    started = time.monotonic()
    outcome = functions("sleep", _timeout=1.5)
    assert outcome.status == "timeout"
    assert "1.5 s" in outcome.reason
    assert time.monotonic() - started < 30


def test_memory_limit(functions):
    outcome = functions("eat", _limit=200 << 20)
    assert outcome.status == "oom"
    assert "200 MiB" in outcome.reason


def test_environment_is_scrubbed(functions, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    found = functions("env").result
    assert "SECRET_TOKEN" not in found
    assert found["OMP_NUM_THREADS"] == "1"
    assert scrubbed_environment(3)["NUMBA_NUM_THREADS"] == "3"


def test_only_allowed_modules_run():
    with pytest.raises(ValueError, match="may not be run"):
        run_isolated("os:system", {})


def test_child_dies_with_its_parent(functions, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from harness.measure.worker import run_isolated\n"
        "run_isolated('worker_functions:sleep', {}, allow=('worker_functions',))\n"
    )
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env={**os.environ, "PYTHONPATH": str(root)})
    children = []
    for _ in range(100):
        time.sleep(0.1)
        children = _children(parent.pid)
        if children:
            break
    time.sleep(1)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    for _ in range(50):
        time.sleep(0.1)
        if not any(_state(pid) != "Z" for pid in children):
            break
    assert children
    assert not any(_state(pid) != "Z" for pid in children)


def _children(pid):
    try:
        return [int(part) for part in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def test_json_only(functions):
    with pytest.raises(TypeError):
        functions("add", a=object(), b=1)
    assert json.dumps(functions("add", a=1.5, b=2).result) == "3.5"
