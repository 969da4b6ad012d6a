"""What a node does with a unit of stages: inputs from the shared store, artefacts into it, failures as words."""

import os
import textwrap

import pytest

from harness.errors import UserError
from harness.measure.workers.warm import WarmWorkers
from harness.pipeline.executors.ray.node import Maker
from harness.pipeline.stage import Stage
from harness.pipeline.store.local import DamagedError, Store
from harness.spec.models import MeasureSpec

pytest.importorskip("fsspec", reason="fsspec is not installed")
from harness.pipeline.store.shared import SharedStore

FUNCTIONS = """
import os
from pathlib import Path
from harness.errors import UserError
def make(out, name, report, **inputs):
    texts = [(Path(folder) / "made.txt").read_text() for folder in inputs.values()]
    (Path(out) / "made.txt").write_text(f"{name}({' '.join(texts)})")
    return {"process": os.getpid(), "parent": os.getppid()}
def wrong(out, name, report): raise UserError("wrong", remedy="mend it")
"""


@pytest.fixture
def node(tmp_path, monkeypatch):
    """(a maker whose stores lie in the temporary folder, its own store, the shared one)."""
    (tmp_path / "node_functions.py").write_text(textwrap.dedent(FUNCTIONS))
    monkeypatch.syspath_prepend(str(tmp_path))
    store, shared = Store(tmp_path / "node"), SharedStore(str(tmp_path / "shared"))
    maker = Maker(shared.url, MeasureSpec(timeout=300))
    monkeypatch.setattr(maker, "_open", lambda: (store, shared))
    return maker, store, shared


def stage(name, function="make", inputs=(), **more):
    return Stage(
        "fit", name, f"node_functions:{function}", {"name": name}, {f"in_{one.label}": one for one in inputs},
        modules=("node_functions",), **more,
    )  # fmt: skip


def test_what_a_node_made_is_in_the_shared_store(node):
    maker, _, shared = node
    a = stage("a")
    ((status, reason, seconds),) = maker.make([a], [], [])
    assert (status, reason) == ("ok", "")
    assert seconds > 0
    assert shared.manifest(a.key).result["parent"] == os.getpid()


def test_inputs_come_from_the_shared_store_to_a_node_that_has_none(node, tmp_path, monkeypatch):
    maker, _, shared = node
    a = stage("a")
    b = stage("b", inputs=[a])
    maker.make([a], [], [])
    other = Store(tmp_path / "other")
    monkeypatch.setattr(maker, "_open", lambda: (other, shared))
    assert maker.make([b], [a], [])[0][0] == "ok"
    assert (other.files(b.key) / "made.txt").read_text() == "b(a())"
    assert other.has(a.key)


def test_an_input_that_is_missing_or_damaged_is_not_used(node, tmp_path, monkeypatch):
    maker, _, shared = node
    a = stage("a")
    b = stage("b", inputs=[a])
    with pytest.raises(DamagedError, match="has no artefact"):
        maker.make([b], [a], [])
    maker.make([a], [], [])
    monkeypatch.setattr(maker, "_open", lambda: (Store(tmp_path / "other"), shared))
    (tmp_path / "shared/objects" / a.key[:2] / a.key / "files/made.txt").write_text("a)(")
    with pytest.raises(DamagedError, match=r"made\.txt"):
        maker.make([b], [a], [])
    assert not shared.has(b.key)


def test_a_stage_that_only_comes_after_another_needs_nothing_of_it(node):
    maker, store, _ = node
    a = stage("a")
    b = stage("b", after=(a,))
    assert maker.make([b], [], [a])[0][0] == "ok"
    assert not store.has(a.key)


def test_a_failure_is_told_and_nothing_is_pushed(node):
    maker, _, shared = node
    bad = stage("bad", "wrong")
    for _ in range(2):  # the driver decides what is tried again: a node never answers from its memory
        ((status, reason, _),) = maker.make([bad], [], [])
        assert (status, reason) == ("failed", "wrong\n  remedy: mend it")
    assert not shared.has(bad.key)


def test_a_node_makes_again_what_it_was_asked_for(node):
    """Its own store may hold what the shared one has lost."""
    maker, store, shared = node
    a = stage("a")
    maker.make([a], [], [])
    first = store.get(a.key).result["process"]
    for file in shared.files.find(shared.root):
        shared.files.rm_file(file)
    maker.make([a], [], [])
    assert shared.manifest(a.key).result["process"] != first


def test_a_kept_worker_makes_one_stage_after_another(node):
    maker, store, _ = node
    maker.workers = WarmWorkers()
    try:
        stages = [stage(name) for name in "abc"]
        for one in stages:
            assert maker.make([one], [], [])[0][0] == "ok"
        assert len({store.get(one.key).result["process"] for one in stages}) == 1
    finally:
        maker.workers.close()


def test_a_store_that_cannot_be_written_is_a_message(tmp_path, monkeypatch):
    maker = Maker(str(tmp_path / "shared"), MeasureSpec())
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(maker, "_open", lambda: (Store(tmp_path / "file"), SharedStore(maker.url)))
    with pytest.raises(UserError, match="cannot write the store"):
        maker.make([stage("a")], [], [])
