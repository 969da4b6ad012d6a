"""Writers that are alive together, killed half-way, or out of space: whole artefacts, or none."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from stored import KEY, keep

from harness.errors import UserError
from harness.pipeline.store import local
from harness.pipeline.store.local import Store
from harness.runs.write import _locked

OTHER = "b" * 64


def ended_process():
    """The number of a process that is no more."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def left(store):
    """Names of what lies unfinished."""
    return sorted(path.name for path in (store.root / "unfinished").iterdir())


WRITES = """
import sys
from pathlib import Path
from harness.pipeline.store.local import Store
from stored import KEY, keep
store, letter = Store(Path(sys.argv[1])), sys.argv[2]
for _ in range(15):
    with store.lock(KEY):
        keep(store, files={f"{name}.txt": letter.encode() * 50_000 for name in range(4)}, label=letter)
"""


def python(code, *arguments, **more):
    """A process that runs this code and finds the tests' helpers."""
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], env=environment, **more)


def test_a_reader_beside_two_writers_never_sees_a_mixture(tmp_path):
    """Each writer replaces the artefact of the other; a reader takes the lock as an executor does."""
    writers = [python(WRITES, tmp_path, letter) for letter in "xy"]
    letters = set()
    while any(writer.poll() is None for writer in writers):
        reader = Store(tmp_path)
        with reader.lock(KEY):
            found = reader.get(KEY)  # raises where it is not whole
            if found is not None:
                content = {path.read_bytes() for path in found.files.iterdir()}
                assert content == {found.label.encode() * 50_000}
                letters.add(found.label)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert Store(tmp_path).get(KEY).label in "xy"
    assert letters <= {"x", "y"}
    assert left(Store(tmp_path)) == []


def test_a_lock_keeps_others_out_until_it_is_released(tmp_path):
    first, second, order = Store(tmp_path), Store(tmp_path), []

    def enter():
        with second.lock(KEY):
            order.append("second")

    with first.lock(KEY):
        thread = threading.Thread(target=enter)
        thread.start()
        with second.lock(OTHER):
            order.append("another key")
        order.append("first")
    thread.join()
    assert order == ["another key", "first", "second"]


def test_a_lock_ends_with_its_process(tmp_path):
    code = (
        "import sys; from pathlib import Path; from harness.pipeline.store.local import Store\n"
        f"with Store(Path(sys.argv[1])).lock({KEY!r}): print('held', flush=True); sys.stdin.read()\n"
    )
    holder = python(code, tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with Store(tmp_path).lock(KEY):  # waits for ever where it was not released
        pass


@pytest.mark.parametrize("step", range(9))
def test_a_process_killed_at_any_step_leaves_the_whole_artefact_or_none(tmp_path, step):
    """It kills itself at one of the calls that write, flush or rename; afterwards the artefact is made."""
    code = """
import os, signal, sys
from pathlib import Path
from harness.pipeline.store import local
from stored import keep
left = [int(sys.argv[2])]
def dying(function):
    def call(*args, **more):
        left[0] -= 1
        if left[0] < 0: os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **more)
    return call
local._digest, local._flush, Path.rename = dying(local._digest), dying(local._flush), dying(Path.rename)
keep(local.Store(Path(sys.argv[1])), files={"a": b"a", "b": b"b"})
"""
    assert python(code, tmp_path, step).wait() == -signal.SIGKILL
    store = Store(tmp_path)
    store.sweep()
    assert left(store) == []
    found = store.get(KEY)
    if found is not None:
        assert {path.name: path.read_bytes() for path in found.files.iterdir()} == {"a": b"a", "b": b"b"}
    assert keep(store, files={"a": b"a", "b": b"b"}) == Store(tmp_path).get(KEY)


def test_what_the_dead_left_is_swept_and_what_the_living_write_is_not(tmp_path):
    store, dead = Store(tmp_path), ended_process()
    unfinished = tmp_path / "unfinished"
    (unfinished / f"{KEY[:16]}-{dead}-0123abcd" / "files").mkdir(parents=True)
    (unfinished / f"{KEY[:16]}-{dead}-0123abcd.log").write_text("x")
    (unfinished / f"{KEY[:16]}-1-0123abcd").mkdir()  # process 1 always lives
    (unfinished / "somebody's notes").write_text("x")
    with store.unfinished(KEY) as mine:
        store.sweep()
        assert mine.exists()
    assert left(store) == [f"{KEY[:16]}-1-0123abcd", "somebody's notes"]


def test_a_removal_that_was_killed_is_swept_too(tmp_path, monkeypatch):
    """The artefact is renamed first; what is killed before all of it is deleted leaves a folder behind."""
    store, dead = Store(tmp_path), ended_process()
    keep(store)
    with monkeypatch.context() as patch:
        patch.setattr(local.shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(local.os, "getpid", lambda: dead)
        store.remove(KEY)
    assert store.get(KEY) is None
    assert len(left(store)) == 1
    store.sweep()
    assert left(store) == []


def test_what_a_failed_stage_wrote_is_gone(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), store.unfinished(KEY) as directory:
        (directory / "files/half").write_text("x")
        raise RuntimeError
    assert left(store) == []
    assert not store.has(KEY)


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("what", ["_digest", "_flush", "write_text", "rename"])
def test_a_full_disk_leaves_the_earlier_artefact_or_none(tmp_path, monkeypatch, what):
    store = Store(tmp_path)
    before = keep(store, OTHER)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path if hasattr(Path, what) else local, what, full)
        keep(store)
    assert not store.has(KEY)
    assert left(store) == []
    assert Store(tmp_path).get(OTHER) == before
    assert keep(store) == Store(tmp_path).get(KEY)


def test_a_store_on_a_full_or_foreign_disk_says_so_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(UserError, match="cannot write the store: No space left") as caught:
        Store(tmp_path / "store")
    assert caught.value.file == tmp_path / "store"
    assert "--store" in caught.value.remedy


def test_replacing_an_artefact_leaves_a_reader_what_it_has_open(tmp_path):
    store = Store(tmp_path)
    old = keep(store, files={"x.txt": b"old"})
    with (old.files / "x.txt").open("rb") as file:
        new = keep(store, files={"x.txt": b"new"}, label="new")
        assert file.read() == b"old"
    assert (new.files / "x.txt").read_bytes() == b"new"
    assert Store(tmp_path).get(KEY) == new
    assert left(store) == []


def test_a_folder_without_a_manifest_is_no_artefact_and_is_replaced(tmp_path):
    store = Store(tmp_path)
    (store.directory(KEY) / "files").mkdir(parents=True)
    (store.directory(KEY) / "files/rubbish").write_text("x")
    assert not store.has(KEY)
    assert store.get(KEY) is None
    assert [path.name for path in keep(store).files.iterdir()] == ["x.txt"]


def test_numbers_that_json_has_not_are_refused_before_anything_is_in_place(tmp_path):
    store = Store(tmp_path)
    keep(store)
    with pytest.raises(ValueError, match="JSON"):
        keep(store, result={"x": float("inf")})
    assert Store(tmp_path).get(KEY).result == {"n": 1}


def test_a_relative_store_stays_where_it_was_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = Store(Path("here"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert keep(store).directory.is_relative_to(tmp_path / "here")


def test_keys_with_one_beginning_do_not_meet(tmp_path):
    store, near = Store(tmp_path), KEY[:-1] + "b"
    keep(store, files={"x": b"1"})
    keep(store, near, files={"x": b"2"})
    store.remove(KEY)
    assert store.get(KEY) is None
    assert (store.get(near).files / "x").read_bytes() == b"2"
    store.remove(KEY)  # once more does no harm


def test_a_file_system_without_locks_is_named_and_results_are_written_without_one(tmp_path, monkeypatch):
    """As NFS answers without its lock service."""

    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    store = Store(tmp_path / "store")
    with pytest.raises(UserError, match="file system of the store has no locks") as error, store.lock(KEY):
        pass
    assert error.value.file == tmp_path / "store" and "--store" in error.value.remedy
    with _locked(tmp_path):  # a run folder: what was measured is not lost
        pass
