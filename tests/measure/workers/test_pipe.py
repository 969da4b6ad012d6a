"""What comes over a worker's pipe and does not come: garbage, halves, floods, and silence; and limits meanwhile."""

import select
import signal
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests_support import run_warm

from harness.errors import UserError
from harness.measure.workers import worker_process
from harness.measure.workers.isolated import run_in_turns, run_isolated
from harness.measure.workers.warm import WarmWorkers
from harness.measure.workers.worker_process import Order, Worker

FUNCTIONS = """
import os, signal, sys, time
def send(text):
    data = text.encode("latin-1")
    while data: data = data[os.write(int(sys.argv[1]), data):]
def write(parts, report):
    for part in parts:
        send(part)
        time.sleep(0.02)
    return "end"
def write_and_leave(text, code, report): send(text); os._exit(code)
def write_and_die(text, number, report): send(text); os.kill(os.getpid(), number); time.sleep(60)
def leave(code, report): sys.exit(code)
def interrupted(report): raise KeyboardInterrupt
class Unprintable(Exception):
    def __str__(self): raise ValueError("no words")
def unprintable(report): raise Unprintable
def no_json(report): return {"an": object()}
def echo(text, report):
    report(1, 2, text)
    return text
def size(text, report): return len(text)
def grows(report):
    held = []
    for number in range(600):
        held.append(b"x" * (1 << 20))
        report(number, None, "")
        time.sleep(0.01)
    return "never stopped"
def floods(report):
    for number in range(3_000_000): report(number, None, "")
    return "never stopped"
def shuts(report): os.close(int(sys.argv[1])); time.sleep(600)
def works(report, ask):
    ask({"turn": 0}); report(1, 1, "at work"); return "there"
def stalls(report, ask):
    ask({"turn": 0}); report(1, 2, "at work"); time.sleep(600)
def waits(report, ask):
    ask({"turn": 0}); ask({"turn": 1}); return "there"
def pid(report): return os.getpid()
"""
ALLOW = ("pipe_functions",)


@pytest.fixture
def call(tmp_path, monkeypatch):
    (tmp_path / "pipe_functions.py").write_text(textwrap.dedent(FUNCTIONS))
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(name, limits=None, **arguments):
        return run_isolated(f"pipe_functions:{name}", arguments, allow=ALLOW, **{"timeout": 300, **(limits or {})})

    return run


@pytest.mark.parametrize(
    "garbage",
    ["\xff\xfe\x00\n", "\n", "warning: a library wrote here\n", '{"progress": [1]}\n', "[" * 100_000 + "\n"],
    ids=["bytes", "empty line", "words", "half of a message", "deep"],
)
def test_a_line_that_is_no_message_fails_the_worker_with_its_beginning(call, garbage):
    outcome = call("write", parts=[garbage])
    assert outcome.status == "failed"
    assert not outcome.expected
    assert "no message" in outcome.reason
    assert len(outcome.reason) < 500
    assert outcome.result is None


def test_five_megabytes_of_garbage_are_one_short_reason(call):
    outcome = call("write", parts=["x" * (5 << 20) + "\n"])
    assert outcome.status == "failed"
    assert len(outcome.reason) < 500


def test_what_came_before_the_garbage_was_passed_on(call):
    heard = []
    outcome = call(
        "write", {"on_progress": lambda *got: heard.append(got[:3])}, parts=['{"progress": [1, 2, "a"]}\nnot JSON\n']
    )
    assert outcome.status == "failed"
    assert heard == [(1, 2, "a")]


def test_a_message_in_pieces_is_read_as_one_and_two_in_one_piece_as_two(call):
    heard = []
    pieces = ['{"prog', 'ress": [1, null, "a"]', '}\n{"progress": [2, 3, "b"]}\n{"progress": [3', ', 3, ""]}\n']
    outcome = call("write", {"on_progress": lambda *got: heard.append(got[:3])}, parts=pieces)
    assert (outcome.status, outcome.result) == ("ok", "end")
    assert heard == [(1, None, "a"), (2, 3, "b"), (3, 3, "")]


def test_the_first_result_counts(call):
    parts = ['{"result": "first", "peak": 5}\n{"result": "second", "peak": 6}\nnot JSON\n']
    outcome = call("write", parts=parts)
    assert (outcome.status, outcome.result, outcome.peak_bytes) == ("ok", "first", 5)


@pytest.mark.parametrize("text", ["", '{"result": 5, "pe', '{"result": 5, "peak": 1}', "no end of line"])
@pytest.mark.parametrize("code", [0, 3])
def test_half_a_result_is_none(call, text, code):
    outcome = call("write_and_leave", text=text, code=code)
    assert outcome.status == "failed"
    assert outcome.reason == f"the worker ended with exit code {code} and no result"
    assert outcome.result is None


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM", "SIGABRT"])
def test_a_worker_that_dies_while_it_writes_its_result_was_killed(call, monkeypatch, name):
    monkeypatch.setattr(worker_process, "_kernel_kills", lambda: 0)
    outcome = call("write_and_die", text='{"result": 5, "pe', number=int(getattr(signal, name)))
    assert (outcome.status, outcome.result) == ("killed", None)
    assert outcome.reason.endswith(f"by {name}")


def test_what_came_whole_counts_although_the_worker_died_afterwards(call):
    outcome = call("write_and_die", text='{"result": 5, "peak": 1}\n', number=int(signal.SIGKILL))
    assert (outcome.status, outcome.result) == ("ok", 5)


@pytest.mark.parametrize(
    ("name", "arguments", "status", "reason"),
    [
        ("leave", {"code": 4}, "failed", "exit code 4"),
        ("leave", {"code": 0}, "failed", "exit code 0"),
        ("interrupted", {}, "killed", "SIGINT"),
        ("unprintable", {}, "failed", "exit code 1"),
        ("no_json", {}, "failed", "TypeError"),
        ("echo", {}, "failed", "missing 1 required positional argument: 'text'"),
        ("echo", {"text": "", "more": 1}, "failed", "unexpected keyword argument 'more'"),
        ("absent", {}, "failed", "AttributeError"),
    ],
)
def test_a_function_that_returns_nothing_of_use_fails(call, name, arguments, status, reason):
    outcome = call(name, **arguments)
    assert outcome.status == status
    assert reason in outcome.reason


def test_a_module_that_cannot_be_imported_is_named(call):
    outcome = run_isolated("pipe_functions.inner:f", {}, allow=ALLOW, timeout=300)
    assert outcome.status == "failed"
    assert "pipe_functions.inner" in outcome.reason


@pytest.mark.parametrize("target", ["pipe_functions", "pipe_functions:a:b", "other:f", ":f", ""])
def test_what_is_no_allowed_target_begins_no_process(call, monkeypatch, target):
    monkeypatch.setattr(worker_process.subprocess, "Popen", lambda *_, **__: pytest.fail("a process was begun"))
    with pytest.raises(ValueError, match="may not be run"):
        run_isolated(target, {}, allow=ALLOW)


def test_megabytes_go_both_ways_and_through_progress(call):
    text, heard = "line\n\u2028\ud83d é" * 600_000, []
    outcome = call("echo", {"on_progress": lambda *got: heard.append(got[:3])}, text=text)
    assert outcome.result == text
    assert heard == [(1, 2, text)]


def test_megabytes_for_a_worker_that_never_reads_them(call, monkeypatch):
    monkeypatch.setattr(worker_process, "CHILD", "no_such_module_to_run")
    outcome = call("size", text="x" * (8 << 20))
    assert outcome.status == "failed"
    assert "exit code 1" in outcome.reason


def test_a_memory_limit_holds_while_progress_is_reported_all_the_time(call):
    """Every message wakes the parent before it would look at the memory."""
    outcome = call("grows", {"memory_limit": 150 << 20})
    assert outcome.status == "oom"
    assert "150 MiB" in outcome.reason


def test_a_time_limit_holds_while_progress_is_reported_all_the_time(call):
    outcome = call("floods", {"timeout": 1})
    assert outcome.status == "timeout"
    assert outcome.reason == "it took longer than 1 s"


def test_a_worker_that_shuts_its_pipe_and_stays_is_ended_and_did_not_die_by_itself(call, monkeypatch):
    monkeypatch.setattr(worker_process, "GRACE_SECONDS", 0.2)
    outcome = call("shuts")
    assert outcome.status == "failed"
    assert outcome.reason == "the worker closed its pipe without a result"


@pytest.fixture
def clock(monkeypatch):
    """The parent's clock: it stands still until a test moves it on."""
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(worker_process, "time", SimpleNamespace(perf_counter=lambda: now.seconds))
    return now


def order(name, **more):
    return Order(f"pipe_functions:{name}", {}, allow=ALLOW, asks=True, **more)


def test_a_result_that_is_there_already_counts_after_the_time_limit(call, clock):
    with Worker(Order("pipe_functions:echo", {"text": ""}, allow=ALLOW, timeout=600)) as worker:

        def late(*_):
            clock.seconds += 1000
            select.select([worker._reading], [], [], 300)  # the parent comes back when the result has been written

        object.__setattr__(worker.order, "on_progress", late)
        outcome = worker.resume()
    assert (outcome.status, outcome.result, outcome.seconds) == ("ok", "", 1000)


def test_anothers_turn_does_not_count_against_a_time_limit(call, clock):
    def pass_time(*_):
        clock.seconds += 100

    waits, works = run_in_turns([order("waits", timeout=50), order("works", timeout=500, on_progress=pass_time)])
    assert (waits.status, works.status) == ("ok", "ok")
    assert (waits.seconds, works.seconds) == (0, 100)


def test_a_workers_own_turn_counts(call, clock):
    def pass_time(*_):
        clock.seconds += 100

    stalls, waits = run_in_turns([order("stalls", timeout=50, on_progress=pass_time), order("waits", timeout=50)])
    assert (waits.status, waits.seconds) == ("ok", 0)
    assert (stalls.status, stalls.seconds) == ("timeout", 100)


def test_a_log_that_cannot_be_opened_leaves_nothing_open(call, tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError):
        call("pid", {"log": tmp_path / "no" / "folder"})
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("pin", [[], [100_000], [-1]])
def test_processors_that_are_not_there_begin_no_process(call, monkeypatch, pin):
    monkeypatch.setattr(worker_process.subprocess, "Popen", lambda *_, **__: pytest.fail("a process was begun"))
    with pytest.raises(UserError, match="cannot pin to processors") as caught:
        call("pid", {"pin": pin})
    assert "usable here" in caught.value.remedy


def test_a_kept_worker_goes_on_after_garbage_in_a_fresh_process(call):
    kept = WarmWorkers()
    try:
        first = run_warm(kept, Order("pipe_functions:pid", {}, allow=ALLOW)).result
        assert run_warm(kept, Order("pipe_functions:write", {"parts": ["garbage\n"]}, allow=ALLOW)).status == "failed"
        second = run_warm(kept, Order("pipe_functions:pid", {}, allow=ALLOW)).result
        assert first != second
        assert not Path(f"/proc/{first}").exists()
        assert run_warm(kept, Order("pipe_functions:pid", {}, allow=ALLOW)).result == second
    finally:
        kept.close()
    kept.close()  # once more does no harm
    assert not Path(f"/proc/{second}").exists()
