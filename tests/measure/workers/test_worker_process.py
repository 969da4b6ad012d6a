"""Every way in which a worker can end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from tests_support import run_warm

from harness.errors import UserError
from harness.measure.workers import worker_process as process
from harness.measure.workers.environment import scrubbed_environment
from harness.measure.workers.isolated import run_isolated
from harness.measure.workers.warm import WarmWorkers
from harness.measure.workers.worker_process import Order


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
            def sleep(report): report(0, 1, "asleep"); time.sleep(600)
            def die(report): os.kill(os.getpid(), signal.SIGKILL)
            def leave(report): os._exit(7)
            def eat(report):
                held = []
                while True: held.append(bytearray(16 << 20)); time.sleep(0.01)
            def renamed(comm, report):
                with open("/proc/self/comm", "wb") as file: file.write(comm.encode("latin-1"))
                held = bytearray(300 << 20)
                time.sleep(600)
            def env(report): return dict(os.environ)
            def garbage(report):
                fd = int(sys.argv[1]); os.write(fd, b"not json\\n"); time.sleep(60)
            def full(report):
                raise OSError(28, "No space left on device", "/somewhere")
            def wrapped_full(report):
                try: full(report)
                except OSError as error: raise RuntimeError("cannot save") from error
            def really_full(report):
                with open("/dev/full", "wb") as file: file.write(b"x" * 100000)
            def no_json(report): return {"a": float("nan")}
            def no_object(report): os.write(int(sys.argv[1]), b"[1]\\n"); time.sleep(60)
            def huge(report): return bytes(1 << 62)
            def forks(report):
                if os.fork() == 0: time.sleep(600)
                return os.getpid()
            def forks_and_dies(report):
                if os.fork() == 0: time.sleep(60)
                os._exit(3)
            def hangs_after(report):
                threading.Thread(target=time.sleep, args=(60,)).start()
                return "there"
            def affinity(report): return sorted(os.sched_getaffinity(0))
            def echo(text, report): return text
            kept = []
            def keep(text, report):
                print("told", text)
                kept.append(text)
                return [os.getpid(), list(kept)]
            def hold(mib, report): return len(bytearray(mib << 20))
            def many(report):
                for i in range(2000): report(i, None, "x" * 100)
                return "done"
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
    ((*message, memory),) = seen
    assert message == [1, 2, "half"]
    assert 1 << 20 < memory <= outcome.peak_bytes
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
        ("full", "unavailable", "no space is left on the disk (/somewhere)", True),
        ("wrapped_full", "unavailable", "no space is left", True),
        ("really_full", "unavailable", "no space is left", True),
        ("no_json", "failed", "JsonTypeError", False),
        ("no_object", "failed", "no message", False),
        ("huge", "oom", "out of memory", False),
        ("forks_and_dies", "failed", "exit code 3", False),
    ],
)
def test_failures_become_statuses(functions, name, status, reason, expected):
    outcome = functions(name)
    assert (outcome.status, outcome.expected) == (status, expected)
    assert reason in outcome.reason


def test_timeout(functions):
    outcome = functions("sleep", _timeout=1.5)
    assert outcome.status == "timeout"
    assert "1.5 s" in outcome.reason


def test_memory_limit(functions):
    outcome = functions("eat", _limit=200 << 20)
    assert outcome.status == "oom"
    assert "200 MiB" in outcome.reason


@pytest.mark.parametrize("name", ["\x1cRssAnon: 1 kB", "\rRssAnon: 1 kB", "\xff"])
def test_memory_limit_whatever_the_process_is_called(functions, name):
    """The kernel passes on all bytes of a name but line feeds."""
    assert functions("renamed", _timeout=10, _limit=200 << 20, comm=name).status == "oom"


def test_environment_is_scrubbed(functions, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    found = functions("env").result
    assert "SECRET_TOKEN" not in found
    assert found["OMP_NUM_THREADS"] == "1"
    assert scrubbed_environment(3)["NUMBA_NUM_THREADS"] == "3"


def test_variables_that_the_order_names_are_passed_on(monkeypatch):
    monkeypatch.setenv("MY_DATA", "/data")
    assert "MY_DATA" not in scrubbed_environment(1)
    for path in ("${MY_DATA}/scifact", "$MY_DATA/scifact"):
        assert scrubbed_environment(1, f'{{"path": "{path}"}}')["MY_DATA"] == "/data"


def test_the_address_of_a_cluster_is_passed_on(functions, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert functions("env").result["RAY_ADDRESS"] == "10.0.0.1:6379"


@pytest.fixture
def kept(functions):
    """A function that gives a kept worker an order."""
    worker = WarmWorkers()

    def call(name, arguments=None, **limits):
        return run_warm(
            worker, Order(f"worker_functions:{name}", arguments or {}, allow=("worker_functions",), **limits)
        )

    yield call
    worker.close()


def test_a_kept_worker_takes_one_order_after_another(kept, tmp_path):
    """What it keeps in memory stays; what it prints goes to each order's own log."""
    first, second, third = (
        kept("keep", {"text": text}, log=tmp_path / text, timeout=60, memory_limit=4 << 30).result for text in "abc"
    )
    assert first[0] == second[0] == third[0] != os.getpid()
    assert (first[1], third[1]) == (["a"], ["a", "b", "c"])
    assert [(tmp_path / text).read_text() for text in "abc"] == ["told a\n", "told b\n", "told c\n"]


def test_limits_and_readings_are_each_orders_own(kept):
    pid = kept("keep", {"text": "a"}, timeout=60).result[0]
    high = kept("hold", {"mib": 300}, timeout=60)
    low = kept("keep", {"text": "b"}, timeout=60)
    assert low.result == [pid, ["a", "b"]]
    assert high.peak_bytes > 300 << 20 > low.peak_bytes
    assert kept("sleep", timeout=1).status == "timeout"
    assert kept("keep", {"text": "c"}, timeout=60).result[1] == ["c"], "a fresh process"
    assert kept("eat", memory_limit=200 << 20).status == "oom"


@pytest.mark.parametrize("name", ["user_error", "crash", "die", "leave"])
def test_after_a_failure_the_next_order_begins_a_fresh_process(kept, name):
    before = kept("keep", {"text": "a"}).result
    assert kept(name).status in ("failed", "killed")
    after = kept("keep", {"text": "b"}).result
    assert after[0] != before[0]
    assert after[1] == ["b"]


def test_a_kept_worker_is_replaced_where_it_does_not_fit(kept, monkeypatch):
    """Other threads, other processors, a variable that has changed, or one that has left meanwhile."""
    pids = [kept("keep", {"text": "a"}).result[0], kept("keep", {"text": "a"}, threads=2).result[0]]
    pids.append(kept("keep", {"text": "a"}, threads=2, pin=sorted(os.sched_getaffinity(0))[:1]).result[0])
    pids.append(kept("keep", {"text": "a"}).result[0])
    monkeypatch.setenv("LACONIC_ANYTHING", "new")
    pids.append(kept("keep", {"text": "a"}).result[0])
    os.kill(pids[-1], signal.SIGKILL)
    _wait(lambda: _state(pids[-1]) == "Z")
    pids.append(kept("keep", {"text": "a"}).result[0])
    assert len(set(pids)) == len(pids)


def test_a_kept_worker_ends_when_it_is_closed(functions):
    worker = WarmWorkers()
    pid = run_warm(worker, Order("worker_functions:keep", {"text": "a"}, allow=("worker_functions",))).result[0]
    assert _state(pid) != "Z"
    worker.close()
    assert _state(pid) == "Z"


def test_scipy_does_not_bring_the_translator_of_fortran_which_is_there_where_it_is_asked_for():
    code = (
        "from harness.measure.workers import worker_child; worker_child._spare_fortran();"
        "import sys, numpy, scipy.sparse;"
        "print('numpy.f2py' in sys.modules, numpy.f2py.get_include().endswith('src'), 'numpy.f2py' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True", "True"]


def test_only_allowed_modules_run():
    with pytest.raises(ValueError, match="may not be run"):
        run_isolated("os:system", {})


def test_child_dies_with_its_parent(functions, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from harness.measure.workers.isolated import run_isolated\n"
        "run_isolated('worker_functions:sleep', {}, allow=('worker_functions',),\n"
        "             on_progress=lambda done, total, text, memory: print(text, flush=True))\n"
    )
    root = Path(__file__).resolve().parents[3]
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert parent.stdout.readline() == b"asleep\n"
    children = _children(parent.pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    assert children
    _wait(lambda: all(_state(pid) == "Z" for pid in children))


def _wait(condition):
    """Until it holds; for minutes, since the machine may be busy with other things."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it did not come about")


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


def test_what_a_worker_started_ends_with_it(functions):
    outcome = functions("forks")
    assert outcome.status == "ok"
    _wait(lambda: not _group(outcome.result))  # what was killed needs a moment to go


def _group(group):
    """Processes of a group that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, number = path.read_text().rsplit(")", 1)[1].split()[:3]
            if int(number) == group and state != "Z":
                found.append(path)
    return found


def test_a_worker_that_does_not_leave_keeps_its_result(functions, monkeypatch):
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.2)
    assert functions("hangs_after").result == "there"


def test_the_kernels_out_of_memory_killer_is_told_from_another_kill(functions, monkeypatch):
    counts = iter([4, 5])
    monkeypatch.setattr(process, "_kernel_kills", lambda: next(counts))
    outcome = functions("die")
    assert outcome.status == "oom"
    assert "memory ran out" in outcome.reason


def test_a_stopped_worker_has_a_peak(functions):
    assert functions("eat", _limit=200 << 20).peak_bytes > 200 << 20


def test_an_error_while_reporting_ends_the_worker(functions):
    def stop(*args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_isolated("worker_functions:add", {"a": 1, "b": 2}, on_progress=stop, allow=("worker_functions",))
    assert not _children(os.getpid())


def test_interrupt_kills_the_worker_and_is_passed_on(functions):
    # A shell that starts a process in the background has it ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(*_):
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()

    try:
        with pytest.raises(KeyboardInterrupt):
            run_isolated("worker_functions:sleep", {}, on_progress=interrupt, allow=("worker_functions",))
    finally:
        signal.signal(signal.SIGINT, before)
    assert not _children(os.getpid())


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_pinning(functions):
    one = min(os.sched_getaffinity(0))
    outcome = run_isolated("worker_functions:affinity", {}, pin=[one], allow=("worker_functions",))
    assert outcome.result == [one]
    with pytest.raises(UserError, match="usable here"):
        run_isolated("worker_functions:affinity", {}, pin=[100_000], allow=("worker_functions",))


def test_long_messages_both_ways(functions):
    text = "é\u2028\n" * 100_000
    assert functions("echo", text=text).result == text


def test_many_messages(functions):
    seen = []
    outcome = run_isolated(
        "worker_functions:many", {}, on_progress=lambda *args: seen.append(args), allow=("worker_functions",)
    )
    assert outcome.result == "done"
    assert [row[0] for row in seen] == list(range(2000))


def test_nothing_is_left_open(functions):
    functions("env")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("env", "crash", "die"):
        functions(name)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_json_only(functions):
    with pytest.raises(TypeError):
        functions("add", a=object(), b=1)
    assert json.dumps(functions("add", a=1.5, b=2).result) == "3.5"


def test_a_full_disk_is_told_even_when_the_log_lies_on_it(functions):
    """Writing the traceback fails, too; the reason must come through all the same."""
    outcome = run_isolated("worker_functions:full", {}, log=Path("/dev/full"), allow=("worker_functions",))
    assert outcome.status == "unavailable"
    assert outcome.expected
    assert "no space is left on the disk" in outcome.reason
