"""Stages beside each other: what may run at the same time, what runs alone, and what a failure leaves."""

import contextlib
import os
import textwrap
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests_support import Recorder

from harness.errors import UserError
from harness.pipeline.executors import beside, local
from harness.pipeline.executors.beside import Room, default_jobs, may_join, runs_alone
from harness.pipeline.executors.choose import place
from harness.pipeline.executors.local import Executor
from harness.pipeline.stage import Stage
from harness.pipeline.store.local import Store
from harness.spec.models import MeasureSpec

FUNCTIONS = """
import os, time
from pathlib import Path
HERE = Path(__file__).parent
def wait_for(name):
    while not (HERE / f"begun-{name}").exists(): time.sleep(0.01)
def work(out, name, report, waits="", **inputs):
    others = sorted(path.name for path in HERE.glob("at-work-*"))
    (HERE / f"at-work-{name}").touch()
    (HERE / f"begun-{name}").touch()
    report(0, 1, name)
    for other in waits.split(): wait_for(other)
    (HERE / f"at-work-{name}").unlink()
    return {"pid": os.getpid(), "others": others, "environment": dict(os.environ)}
def crash(out, name, report, waits=""):
    (HERE / f"begun-{name}").touch()
    for other in waits.split(): wait_for(other)
    raise RuntimeError("boom")
def lacks(out, name, report, waits=""):
    first = not (HERE / f"begun-{name}").exists()
    others = sorted(path.name for path in HERE.glob("at-work-*"))
    (HERE / f"begun-{name}").touch()
    if first:
        for other in waits.split(): wait_for(other)
        raise MemoryError("not enough")
    return {"pid": os.getpid(), "others": others}
def spoils(out, name, report):
    os.spoiled = True
    return {"pid": os.getpid()}
def needs_a_fresh_process(out, name, report):
    if hasattr(os, "spoiled"): raise RuntimeError("spoiled")
    return {"pid": os.getpid()}
"""


def stage(name, function="work", *, waits="", inputs=(), **more):
    """A stage of the functions above that ends when others, named with spaces between, have begun."""
    return Stage(
        "fit", name, f"beside_functions:{function}", {"name": name, **({"waits": waits} if waits else {})},
        {f"in_{needed.label}": needed for needed in inputs}, modules=("beside_functions",), **more,
    )  # fmt: skip


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Runs stages in one store, two at a time: call it with them. The last executor's watcher is `watcher`."""
    (tmp_path / "beside_functions.py").write_text(textwrap.dedent(FUNCTIONS))
    monkeypatch.syspath_prepend(str(tmp_path))
    root = tmp_path / "store"

    def run(*stages, jobs=2, watcher=None, limits=None, **options):
        here.watcher = watcher or Recorder()
        limits = limits or {"timeout": 300}
        done = Executor(Store(root), MeasureSpec(**limits), here.watcher, jobs=jobs, **options).run(stages)
        return [done[one.key] for one in stages]

    here = SimpleNamespace(run=run, root=root, folder=tmp_path, watcher=None)
    return here


def results(done):
    assert [one.status for one in done] == ["ok"] * len(done)
    return [one.artefact.result for one in done]


def test_two_stages_work_at_the_same_time(world):
    a, b = stage("a", waits="b"), stage("b", waits="a")
    first, second = results(world.run(a, b))
    assert first["pid"] != second["pid"]
    assert world.watcher.begun == ["a", "b"]
    assert Counter(world.watcher.ended) == Counter([("a", "ok", False), ("b", "ok", False)])


def test_a_stage_begins_when_its_inputs_are_there_whatever_stands_before_it(world):
    long = stage("long", waits="late")
    a = stage("a")
    late = stage("late", inputs=[a])
    results(world.run(long, a, late))
    assert world.watcher.begun == ["long", "a", "late"]


def test_one_job_runs_stages_in_their_order_in_one_process(world):
    done = results(world.run(stage("a"), stage("b"), stage("c"), jobs=1))
    assert [one["others"] for one in done] == [[], [], []]
    assert len({one["pid"] for one in done}) == 1
    assert world.watcher.ended == [(name, "ok", False) for name in "abc"]


@pytest.mark.parametrize("measures", ["memory", "time"])
def test_what_is_measured_has_a_fresh_process(world, measures):
    a, b, c = stage("a"), stage("b", measures=measures), stage("c")
    pids = [one["pid"] for one in results(world.run(a, b, c, jobs=1))]
    assert pids[1] not in (pids[0], pids[2])


def test_what_measures_time_works_alone(world):
    before = [stage("a", waits="b"), stage("b", waits="a")]
    timed = [stage(name, inputs=before[:1], measures="time") for name in ("first", "second")]
    after = [stage("c", inputs=timed[:1])]
    done = results(world.run(*before, *timed, *after, jobs=3))
    assert [one["others"] for one in done[2:4]] == [[], []]
    assert world.watcher.ended[2:4] == [("first", "ok", False), ("second", "ok", False)]


def test_the_watcher_hears_that_stages_are_at_work_what_they_hold_and_what_they_took_before(world, monkeypatch):
    monkeypatch.setattr(local, "ALIVE_SECONDS", 0.01)

    class Looks(Recorder):
        alive_of, expected = {}, {}

        def begin(self, stage, number, total, expected=None):
            self.expected[stage.label] = expected

        def alive(self, stage, memory):
            self.alive_of[stage.label] = max(memory, self.alive_of.get(stage.label, 0))
            if len(self.alive_of) == 2:
                (world.folder / "begun-heard").touch()

    watcher, stages = Looks(), [stage("a", waits="heard"), stage("b", waits="heard")]
    done = world.run(*stages, watcher=watcher)
    results(done)
    assert set(watcher.alive_of) == {"a", "b"}
    assert all(memory > 1 << 20 for memory in watcher.alive_of.values())
    assert watcher.expected == {"a": None, "b": None}
    world.run(*stages, watcher=watcher, fresh=True)
    assert watcher.expected == {one.stage.label: round(one.seconds, 3) for one in done}


@pytest.mark.parametrize("most", [0, 1 << 40])
def test_processes_that_wait_are_ended_before_time_is_measured_where_they_are_large(world, monkeypatch, most):
    monkeypatch.setattr(local, "IDLE_BYTES", most)

    class Looks(Recorder):
        def begin(self, one, number, total, expected=None):
            if one.measures == "time":
                found.append(children() - before)
            super().begin(one, number, total)

    found, before = [], children()
    results(world.run(stage("a"), stage("timed", measures="time"), watcher=Looks()))
    assert found == [1 if most else 0]


def children():
    return len(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


def test_stages_that_measure_memory_run_beside_others(world):
    a, b = stage("a", waits="b", measures="memory"), stage("b", waits="a")
    results(world.run(a, b))


def test_a_stage_that_fails_beside_another_costs_that_one_nothing(world):
    bad, good = stage("bad", "crash", waits="good"), stage("good", waits="bad")
    after_bad, after_good = stage("after bad", inputs=[bad]), stage("after good", inputs=[good])
    done = world.run(bad, good, after_bad, after_good)
    assert [one.status for one in done] == ["failed", "ok", "skipped", "ok"]
    assert "RuntimeError: boom" in done[0].reason
    assert [one.reused for one in world.run(good, after_good)] == [True, True]


def test_a_run_that_cannot_go_on_keeps_what_was_at_work(world, monkeypatch):
    """The disk is full when the second stage is due, while the first one works."""
    free = iter([local.FREE_BYTES, local.FREE_BYTES - 1])
    monkeypatch.setattr(local.shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    a, b = stage("a"), stage("b")
    with pytest.raises(UserError, match="only 63 MiB are free"):
        world.run(a, b)
    assert Store(world.root).has(a.key)
    assert not Store(world.root).has(b.key)


def test_a_stopped_run_leaves_nothing_at_work_and_nothing_locked(world):
    a, b = stage("a", waits="never"), stage("b", waits="never")
    heard = []

    def stop():
        heard.append(1)
        if len(heard) == 2:  # both are at work
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.run(a, b, watcher=Recorder(on_progress=stop))
    assert [path.name for path in (world.root / "unfinished").iterdir() if path.suffix != ".log"] == []
    for one in (a, b):
        with Store(world.root).lock(one.key, wait=False) as held:
            assert held


def test_what_lacked_memory_beside_others_is_made_again_alone(world):
    hungry, other = stage("hungry", "lacks", waits="other"), stage("other", waits="hungry")
    done = results(world.run(hungry, other))
    assert done[0]["others"] == []
    assert world.watcher.notes == ["made again in a fresh process with nothing beside it: hungry"]
    (again,) = world.run(hungry, jobs=1)
    assert again.reused


def test_what_lacks_memory_alone_has_failed(world):
    (done,) = world.run(stage("hungry", "lacks"))
    assert done.status == "oom"


def test_what_fails_in_a_process_that_was_used_before_is_made_again_in_a_fresh_one(world):
    a, b = stage("a", "spoils"), stage("b", "needs_a_fresh_process")
    first, second = results(world.run(a, b, jobs=1))
    assert first["pid"] != second["pid"]


def test_another_runs_stage_is_passed_over_until_it_is_free(world):
    """A run that has a stage at work waits for no other run, so that no two wait for each other."""
    a, b, c = stage("a", waits="c"), stage("b"), stage("c")

    class Frees(Recorder):
        def end(self, done, number, total):
            super().end(done, number, total)
            if len(self.ended) == 2:
                other_run.close()

    with contextlib.ExitStack() as other_run:
        other_run.enter_context(Store(world.root).lock(b.key))
        watcher = Frees()
        results(world.run(a, b, c, watcher=watcher))
    assert watcher.begun == ["a", "c", "b"]


def test_a_round_and_what_measures_time_run_alone():
    assert runs_alone([stage("a", measures="time")])
    assert runs_alone([stage("a", round="r"), stage("b", round="r")])
    assert not runs_alone([stage("a", measures="memory")])
    assert not runs_alone([stage("a")])


def test_what_measures_memory_shares_no_artefact_and_accelerators_are_not_shared():
    source, other = stage("source"), stage("other")
    reads, reads_too, apart = (
        stage("r", inputs=[source]),
        stage("s", inputs=[source, other]),
        stage("t", inputs=[other]),
    )
    measured = stage("m", inputs=[source], measures="memory")
    assert may_join(reads, [reads_too])
    assert may_join(measured, [apart])
    assert not may_join(measured, [apart, reads])
    assert not may_join(reads_too, [measured])
    assert may_join(stage("g", gpus=1), [reads])
    assert not may_join(stage("g", gpus=1), [stage("h", gpus=1)])


def test_what_measures_memory_says_which_inputs_no_other_may_open():
    texts, opened = stage("texts"), stage("opened")
    measured = stage("m", inputs=[texts, opened], measures="memory", unshared=("in_opened",))
    assert may_join(stage("r", inputs=[texts]), [measured])
    assert may_join(measured, [stage("r", inputs=[texts])])
    assert not may_join(stage("r", inputs=[opened]), [measured])
    assert not may_join(measured, [stage("r", inputs=[opened])])
    whole = stage("w", inputs=[texts, opened], measures="memory", unshared=())
    assert may_join(whole, [whole, stage("r", inputs=[texts, opened])])
    assert not may_join(whole, [measured])


def test_room_is_given_until_it_is_used_up_and_the_first_always_has_some():
    room, (a, b, c) = Room(1000), [stage(name) for name in "abc"]
    assert room.take(a, 5000)
    assert not room.take(b, 1)
    room.free(a)
    assert room.take(a, 300)
    assert room.take(b, 400)
    assert not room.take(c, 1)
    room.free(b)
    assert room.take(c, 1)


def test_a_stage_that_took_much_memory_before_waits(world, monkeypatch):
    monkeypatch.setattr(beside, "available_bytes", lambda: 4 << 30)
    world.root.mkdir()
    row = '{"kind": "fit", "label": "b", "seconds": 1.0, "peak_bytes": 4000000000, "disk_bytes": 0}'
    (world.root / "timings.jsonl").write_text(row + chr(10))
    done = results(world.run(stage("a"), stage("b"), stage("c")))
    assert done[1]["others"] == []


def test_jobs_follow_processors_and_memory(monkeypatch):
    monkeypatch.setattr(beside, "usable_cores", lambda: 16)
    monkeypatch.setattr(beside, "available_bytes", lambda: 9 * beside.JOB_BYTES)
    assert default_jobs() == 9
    monkeypatch.setattr(beside, "available_bytes", lambda: 99 * beside.JOB_BYTES)
    assert default_jobs() == 16
    monkeypatch.setattr(beside, "available_bytes", lambda: 1)
    assert default_jobs() == 1


def test_jobs_that_are_none_or_belong_elsewhere_are_refused(tmp_path):
    with pytest.raises(UserError, match="0 stages") as caught:
        place("local", Store(tmp_path), jobs=0)
    assert caught.value.key == "--jobs"
    with pytest.raises(UserError, match="--jobs belongs to --executor local"):
        place("ray", Store(tmp_path), jobs=2)
