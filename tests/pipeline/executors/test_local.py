"""The executor of this machine: what it runs, keeps, skips and tries again, and what it leaves when it is stopped."""

import errno
import os
import signal
import textwrap
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests_support import Recorder

from harness.errors import UserError
from harness.pipeline.executors import local
from harness.pipeline.executors.local import Executor
from harness.pipeline.stage import Stage
from harness.pipeline.store.local import Store
from harness.spec.models import MeasureSpec

FUNCTIONS = """
import os, signal, time
from pathlib import Path
from harness.errors import UnavailableError, UserError
HERE = Path(__file__).parent
def note(name):
    with (HERE / "calls").open("a") as file: file.write(name + "\\n")
    print("printed by", name, flush=True)
def make(out, name, report, wait=False, **inputs):
    note(name)
    report(1, 2, name)
    if wait: time.sleep(600)
    texts = [(Path(folder) / "made.txt").read_text() for folder in inputs.values()]
    (Path(out) / "made.txt").write_text(f"{name}({' '.join(sorted(texts))})")
    return {"name": name}
def crash(out, name, report): note(name); raise RuntimeError("boom")
def wrong(out, name, report): note(name); raise UserError("wrong", file="x.jsonl", remedy="mend it")
def refused(out, name, report):
    note(name)
    raise UnavailableError("the licence is not accepted", key="model", remedy="accept it")
def sleep(out, name, report): note(name); time.sleep(600)
def die(out, name, report): note(name); os.kill(os.getpid(), signal.SIGKILL)
def eat(out, name, report):
    note(name)
    held = []
    while True:
        held.append(b"x" * (16 << 20))
        time.sleep(0.01)
def link(out, name, report): os.symlink("/etc/passwd", Path(out) / "link")
def no_number(out, name, report): return {"x": float("nan")}
def full(out, name, report): note(name); raise OSError(28, "No space left on device", "/some/where")
def mended(out, name, report):
    note(name)
    if not (HERE / "mended").exists(): raise RuntimeError("not yet")
    return {}
def goes_on(out, name, checkpoints, report):
    note(name)
    step = Path(checkpoints) / "step"
    if not step.exists():
        step.parent.mkdir(parents=True)
        step.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    return {"from": step.read_text()}
def where(out, name, report):
    return {"processors": sorted(os.sched_getaffinity(0)), "threads": os.environ["OMP_NUM_THREADS"]}
"""
LIMITS = {"timeout": 300}


def stage(name, function="make", inputs=(), after=(), **more):
    """A stage of the functions above, called after itself."""
    return Stage(
        "fit", name, f"executor_functions:{function}", {"name": name, **more.pop("arguments", {})},
        {f"in_{needed.label}": needed for needed in inputs}, after=tuple(after),
        modules=("executor_functions",), **more,
    )  # fmt: skip


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Runs stages in one store: call it with them; `calls` counts what was called, since it was asked last."""
    (tmp_path / "executor_functions.py").write_text(textwrap.dedent(FUNCTIONS))
    monkeypatch.syspath_prepend(str(tmp_path))
    root = tmp_path / "store"

    def run(*stages, watcher=None, limits=LIMITS, **options):
        executor = Executor(Store(root), MeasureSpec(**limits), watcher or Recorder(), **options)
        done = executor.run(stages)
        return [done[one.key] for one in stages]

    def calls():
        path = tmp_path / "calls"
        names = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return Counter(names)

    def left():
        return sorted(path.name for path in (root / "unfinished").iterdir())

    return SimpleNamespace(run=run, calls=calls, left=left, root=root, folder=tmp_path)


def test_stages_run_in_order_and_get_what_others_made(world):
    a, b = stage("a"), stage("b")
    c = stage("c", inputs=[a, b])
    watcher = Recorder()
    done = world.run(a, b, c, watcher=watcher)
    assert [one.status for one in done] == ["ok"] * 3
    assert (done[2].artefact.files / "made.txt").read_text() == "c(a() b())"
    assert done[2].artefact.result == {"name": "c"}
    assert watcher.begun == ["a", "b", "c"]
    assert watcher.ended == [("a", "ok", False), ("b", "ok", False), ("c", "ok", False)]
    assert world.calls() == Counter("abc")
    assert world.left() == []


def test_what_is_stored_is_told_of_and_not_begun(world):
    a, b = stage("a"), stage("b", inputs=[stage("a")])
    before = world.run(a, b)
    world.calls()
    watcher = Recorder()
    done = world.run(a, b, watcher=watcher)
    assert watcher.begun == []
    assert watcher.ended == [("a", "ok", True), ("b", "ok", True)]
    assert [one.artefact for one in done] == [one.artefact for one in before]
    assert [one.seconds for one in done] == [one.artefact.seconds for one in before]
    assert world.calls() == Counter()


def test_all_or_some_stored_stages_are_made_anew_when_asked(world):
    a, b = stage("a"), stage("b")
    world.run(a, b)
    world.calls()
    world.run(a, b, fresh=True)
    assert world.calls() == Counter("ab")
    done = world.run(a, b, again=lambda one: one.label == "b")
    assert [one.reused for one in done] == [True, False]
    assert world.calls() == Counter("b")


FAILURES = [
    # function, limits, status, what its reason holds
    ("crash", LIMITS, "failed", "RuntimeError: boom"),
    ("wrong", LIMITS, "failed", "x.jsonl: wrong\n  remedy: mend it"),
    ("no_number", LIMITS, "failed", "finite"),
    (
        "sleep",
        {"timeout": 2},
        "timeout",
        "it took longer than 2 s; raise measure.timeout, then run with --retry failed",
    ),
    ("eat", {**LIMITS, "memory_limit": 150 << 20}, "oom", "150 MiB, which is the limit that was set; raise measure.m"),
]


@pytest.mark.parametrize(("function", "limits", "status", "words"), FAILURES)
def test_a_failure_is_kept_and_tried_again_only_when_asked(world, function, limits, status, words):
    bad = stage("bad", function)
    (first,) = world.run(bad, limits=limits)
    assert (first.status, first.artefact, first.reused) == (status, None, False)
    assert words in first.reason
    world.calls()
    (second,) = world.run(bad, limits=limits)
    assert (second.status, second.reason, second.reused) == (status, first.reason, True)
    others = {"failed", "timeout", "oom"} - {status}
    (third,) = world.run(bad, limits=limits, retry=others)
    assert third.reused
    assert world.calls() == Counter()
    (fourth,) = world.run(bad, limits=limits, retry={status})
    assert (fourth.status, fourth.reused) == (status, False)
    assert world.left() == []


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("refused", "model: the licence is not accepted\n  remedy: accept it"),
        ("full", "no space is left on the disk (/some/where)"),
    ],
)
def test_what_the_surroundings_lacked_is_always_tried_again(world, function, words):
    bad = stage("bad", function)
    waits = stage("waits", inputs=[bad])
    for _ in range(2):
        done, skipped = world.run(bad, waits)
        assert (done.status, done.reused, skipped.status) == ("unavailable", False, "skipped")
        assert words in done.reason and words in skipped.reason
        assert "log" not in done.reason
    assert world.calls() == Counter({"bad": 2})
    assert world.left() == []


def test_a_stage_that_was_killed_is_always_tried_again(world, monkeypatch):
    monkeypatch.setattr("harness.measure.workers.worker_process._kernel_kills", lambda: 0)
    bad = stage("bad", "die")
    for _ in range(2):
        (done,) = world.run(bad)
        assert (done.status, done.reused) == ("killed", False)
        assert "SIGKILL" in done.reason
    assert world.calls() == Counter({"bad": 2})


def test_a_failure_that_nobody_foresaw_names_a_log_with_output_and_traceback(world):
    (done,) = world.run(stage("bad", "crash"))
    log = Path(done.reason.rpartition("(log: ")[2].rstrip(")"))
    assert log.parent == world.root / "failures"
    text = log.read_text()
    assert text.startswith("printed by bad\n")
    assert 'raise RuntimeError("boom")' in text


def test_a_users_mistake_is_told_without_a_log(world):
    (done,) = world.run(stage("bad", "wrong"))
    assert "log" not in done.reason


def test_the_log_of_what_ended_well_is_gone(world):
    world.run(stage("a"))
    assert not list(world.root.rglob("*.log"))


def test_what_was_mended_is_made_and_its_failure_forgotten(world):
    bad = stage("bad", "mended")
    assert world.run(bad)[0].status == "failed"
    (world.folder / "mended").touch()
    assert world.run(bad)[0].reused
    assert world.run(bad, retry={"failed"})[0].status == "ok"
    (done,) = world.run(bad)
    assert (done.status, done.reused) == ("ok", True)
    assert Store(world.root).failure(bad.key) is None


def test_what_needs_a_failed_stage_is_skipped_with_the_first_cause_and_the_rest_goes_on(world):
    bad, good = stage("bad", "crash"), stage("good")
    waits = stage("waits", inputs=[bad, good])
    later = stage("later", inputs=[waits])
    after = stage("after", after=[later])
    watcher = Recorder()
    done = world.run(bad, waits, later, after, good, watcher=watcher)
    assert [one.status for one in done] == ["failed", "skipped", "skipped", "skipped", "ok"]
    for skipped in done[1:4]:
        assert skipped.reason.startswith("bad: failed: RuntimeError: boom")
    assert watcher.begun == ["bad", "good"]
    assert world.calls() == Counter(["bad", "good"])


def test_what_was_skipped_is_made_once_its_cause_is_gone(world):
    bad = stage("bad", "mended")
    waits = stage("waits", after=[bad])
    assert [one.status for one in world.run(bad, waits)] == ["failed", "skipped"]
    (world.folder / "mended").touch()
    assert [one.status for one in world.run(bad, waits, retry={"failed"})] == ["ok", "ok"]


def test_a_damaged_artefact_is_told_made_again_and_leaves_the_others(world):
    a, b = stage("a"), stage("b")
    path = world.run(a, b)[0].artefact.files / "made.txt"
    path.write_text("x")
    world.calls()
    watcher = Recorder()
    assert [one.reused for one in world.run(a, b, watcher=watcher)] == [False, True]
    (note,) = watcher.notes
    assert note.startswith("damaged and made again: a (")
    assert str(path) in note
    assert path.read_text() == "a()"
    assert world.calls() == Counter("a")


def test_a_killed_stage_with_checkpoints_goes_on_and_clears_them_when_it_is_done(world):
    training = stage("training", "goes_on", resumable=True)
    assert world.run(training)[0].status == "killed"
    checkpoints = world.root / "checkpoints" / training.key
    assert (checkpoints / "step").read_text() == "half"
    (done,) = world.run(training)
    assert (done.status, done.artefact.result) == ("ok", {"from": "half"})
    assert not checkpoints.exists()


@pytest.mark.parametrize("count", [1, 2])
def test_a_stage_is_bound_to_as_many_processors_as_it_has_threads(world, count):
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < count:
        pytest.skip(f"needs {count} processors")
    (bound,) = world.run(stage("bound", "where", threads=count, pinned=True))
    assert bound.artefact.result == {"processors": usable[-count:], "threads": str(count)}
    (free,) = world.run(stage("free", "where", threads=count))
    assert free.artefact.result == {"processors": usable, "threads": str(count)}


def test_a_function_outside_of_the_code_in_its_key_is_not_run(world):
    outside = Stage("fit", "outside", "executor_functions:make", {"name": "outside"})
    with pytest.raises(ValueError, match="may not be run"):
        world.run(outside)
    assert world.calls() == Counter()
    assert world.left() == []


def test_a_stage_that_would_wait_for_ever_is_refused(world):
    missing = stage("missing")
    with pytest.raises(ValueError, match="would wait for ever for missing"):
        world.run(stage("waiting", after=[missing]))
    assert world.calls() == Counter()


def test_a_link_that_a_stage_wrote_stops_the_run_with_its_name(world):
    with pytest.raises(UserError, match="symbolic link") as caught:
        world.run(stage("a", "link"))
    assert caught.value.file.name == "link"
    assert not list(world.root.glob("objects/*/*"))


def test_too_little_space_stops_before_the_stage_and_keeps_what_was_made(world, monkeypatch):
    free = iter([local.FREE_BYTES, local.FREE_BYTES - 1])
    monkeypatch.setattr(local.shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    watcher, (a, b) = Recorder(), (stage("a"), stage("b"))
    with pytest.raises(UserError, match="only 63 MiB are free") as caught:
        world.run(a, b, watcher=watcher)
    assert caught.value.file == world.root
    assert watcher.begun == ["a"]
    monkeypatch.undo()
    assert Store(world.root).has(a.key)
    assert not Store(world.root).has(b.key)


def test_what_cannot_be_stored_is_one_message_and_is_made_by_the_next_run(world):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    a = stage("a")
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(UserError, match=r"cannot store .*No space left") as caught,
    ):
        patch.setattr("harness.pipeline.store.local._flush", full)
        world.run(a)
    assert "--store" in caught.value.remedy
    assert [name for name in world.left() if not name.endswith(".log")] == []
    assert not Store(world.root).has(a.key)
    assert world.run(a)[0].status == "ok"


def test_a_stopped_run_leaves_whole_artefacts_and_goes_on(world):
    a, b = stage("a"), stage("b", arguments={"wait": True})
    begun = []

    def stop():
        begun.append(1)
        if len(begun) == 2:  # the second stage is at work
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.run(a, b, watcher=Recorder(on_progress=stop))
    assert [name for name in world.left() if not name.endswith(".log")] == []
    assert Store(world.root).has(a.key)
    assert Store(world.root).failure(b.key) is None
    with Store(world.root).lock(b.key):  # nobody holds it
        pass


@pytest.mark.parametrize("jobs", [1, 2])
def test_two_runs_at_once_share_the_work(world, jobs):
    """Each stage is made once; whoever comes second finds it stored."""
    stages, results = [stage(f"s{number}") for number in range(4)], {}
    threads = [
        threading.Thread(target=lambda name=name: results.update({name: world.run(*stages, jobs=jobs)}))
        for name in "xy"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.calls() == Counter(one.label for one in stages)
    for mine, others in zip(results["x"], results["y"], strict=True):
        assert (mine.status, others.status) == ("ok", "ok")
        assert sorted([mine.reused, others.reused]) == [False, True]
        assert mine.artefact == others.artefact


def test_what_dead_runs_left_is_swept_when_a_run_begins(world):
    world.run(stage("a"))
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    (world.root / "unfinished" / f"{'c' * 16}-{child}-01234567" / "files").mkdir(parents=True)
    world.run(stage("a"))
    assert world.left() == []
