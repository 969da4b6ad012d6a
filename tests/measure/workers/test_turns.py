"""Several workers alive together: who works when, who waits, and what becomes of the others when one fails."""

import select
import textwrap

import pytest

from harness.measure.workers import isolated as worker
from harness.measure.workers import worker_process
from harness.measure.workers.isolated import run_in_turns, turn_order
from harness.measure.workers.worker_process import Order

FUNCTIONS = """
import os, time
def note(path, text):
    with open(path, "a") as file: file.write(text + "\\n")
def passes(name, path, count, parts, report, ask):
    note(path, f"load {name}")
    for number in range(count):
        for _ in range(parts):
            assert ask({"turn": number}) is True
            note(path, f"{number} {name}")
            time.sleep(0.005)
            note(path, f"{number} {name}")
    return name
def dies(name, path, report, ask):
    ask({"turn": 0}); os._exit(3)
def repeats(name, reasons, report, ask):
    for number, reason in enumerate(reasons, start=1):
        if not ask({"again": reason}): return number
def waits(report, ask):
    ask({"turn": 0}); ask({"turn": 1}); return "there"
def works(report, ask):
    ask({"turn": 0}); time.sleep(0.5); return "there"
def idle(report, ask):
    before = time.process_time(); ask({"turn": 1}); return time.process_time() - before
def waits_to_die(path, report, ask):
    note(path, str(os.getpid())); ask({"turn": 0}); ask({"turn": 1}); return "there"
def kills(path, report, ask):
    ask({"turn": 0})
    with open(path) as file: os.kill(int(file.read()), 9)
    ask({"turn": 1}); return "there"
def strange(report, ask): return ask("what is this?")
"""


@pytest.fixture
def order(tmp_path, monkeypatch):
    (tmp_path / "turn_functions.py").write_text(textwrap.dedent(FUNCTIONS))
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(function, asks=True, timeout=60, **arguments):
        return Order(f"turn_functions:{function}", arguments, timeout=timeout, allow=("turn_functions",), asks=asks)

    return make


def test_passes_alternate_in_a_seeded_order_and_nobody_works_in_anothers_turn(order, tmp_path):
    path = tmp_path / "order"
    found = run_in_turns([order("passes", name=n, path=str(path), count=4, parts=1) for n in "abc"], seed=5)
    assert [one.result for one in found] == ["a", "b", "c"]
    lines = path.read_text().splitlines()
    assert lines[:3] == ["load a", "load b", "load c"]
    assert lines[3::2] == lines[4::2]  # each begins and ends before the next begins
    passes = [line.split() for line in lines[3::2]]
    for number in range(4):
        expected = ["abc"[place] for place in turn_order(3, number, 5)]
        assert [name for at, name in passes if at == str(number)] == expected
    assert [at for at, _ in passes] == sorted(at for at, _ in passes)  # the slower one is waited for


def test_orders_are_reversed_in_the_next_pass_and_of_the_seed():
    for seed in range(20):
        orders = [turn_order(4, number, seed) for number in range(6)]
        assert orders[1::2] == [order[::-1] for order in orders[::2]]
        assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert len({tuple(turn_order(4, 0, seed)) for seed in range(50)}) > 10


def test_one_with_longer_passes_comes_back_before_the_next_pass(order, tmp_path):
    path = tmp_path / "order"
    orders = [order("passes", name=n, path=str(path), count=2, parts=p) for n, p in (("short", 1), ("long", 3))]
    assert {one.status for one in run_in_turns(orders)} == {"ok"}
    lines = path.read_text().splitlines()[2::2]
    assert sorted(lines[:4]) == ["0 long", "0 long", "0 long", "0 short"]
    assert sorted(lines[4:]) == ["1 long", "1 long", "1 long", "1 short"]


def test_one_that_dies_does_not_stop_the_others(order, tmp_path):
    path = tmp_path / "order"
    orders = [
        order("dies", name="x", path=str(path)),
        order("passes", name="a", path=str(path), count=3, parts=1),
        order("passes", name="b", path=str(path), count=3, parts=1),
    ]
    found = run_in_turns(orders)
    assert [one.status for one in found] == ["failed", "ok", "ok"]
    assert "exit code 3" in found[0].reason


def test_one_that_is_killed_while_it_waits_is_missed_at_its_next_turn(order, tmp_path):
    path = str(tmp_path / "pid")
    killed, other = run_in_turns([order("waits_to_die", path=path), order("kills", path=path)])
    assert (killed.status, other.status, other.result) == ("killed", "ok", "there")
    assert "SIGKILL" in killed.reason


@pytest.mark.parametrize(
    ("reasons", "times"),
    [
        ([["", ""], ["", ""]], 1),
        ([["noise", ""], ["", ""]], 2),
        ([["noise", None], ["", None]], 2),
        ([[None], ["noise"]], 1),
    ],
)
def test_all_repeat_where_one_was_disturbed_and_all_may(order, reasons, times):
    found = run_in_turns([order("repeats", name=str(n), reasons=[*r, None]) for n, r in enumerate(reasons)])
    assert [one.result for one in found] == [times] * len(reasons)


def test_one_that_waits_uses_no_processor(order):
    idle, busy = run_in_turns([order("idle"), order("works")])
    assert busy.status == "ok"
    assert idle.result < 0.05


def test_the_parent_sleeps_meanwhile(order, monkeypatch):
    """It looks when something comes, not over and over."""
    looks, poll = [], select.poll

    class Counted:
        def __init__(self):
            self.inner = poll()
            self.register = self.inner.register

        def poll(self, milliseconds):
            looks.append(milliseconds)
            return self.inner.poll(milliseconds)

    monkeypatch.setattr(worker_process.select, "poll", Counted)
    assert run_in_turns([order("works")])[0].status == "ok"
    assert 1 <= len(looks) < 10


def test_a_question_without_sense_is_answered_with_no(order):
    assert run_in_turns([order("strange")])[0].result is False


def test_an_interrupt_ends_all_of_them(order, monkeypatch):
    made, resume = [], worker.Worker.resume

    def interrupted(self, answer=None):
        made.append(self)
        if len(made) == 4:
            raise KeyboardInterrupt
        return resume(self, answer)

    monkeypatch.setattr(worker.Worker, "resume", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_in_turns([order("waits"), order("waits")])
    assert {one.child.poll() for one in made} == {-9}
