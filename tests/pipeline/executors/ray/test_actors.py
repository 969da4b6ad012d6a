"""Actors that hold a model: loaded once for many shards; none outlives the work or keeps others waiting."""

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from counted import CountedLoads
from pretended_ray import PretendedRay
from tests_support import Recorder, local_cluster

from harness.encoders.hardware import ASSIGNED
from harness.pipeline.executors.local import Executor
from harness.pipeline.executors.ray.cluster import Cluster
from harness.pipeline.executors.ray.driver import TRIES, RayExecutor
from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.systems import system_stages
from harness.pipeline.store.local import Store
from harness.pipeline.store.shared import SharedStore
from harness.spec.load import load_spec

KINDS = ("prepare", "fit", "check", "encode")
SHARD = "encode counted / mine, shard 2 of 3"


def stages_of(file, machine="m"):
    """Two collections of three shards each, and what they need."""
    return [stage for stage in in_order(system_stages(load_spec(file, REGISTRIES), machine), 1) if stage.kind in KINDS]


def files_of(store, stages):
    """Vectors and terms of every encoding, by label."""
    return {
        (stage.label, str(file.relative_to(folder))): file.read_bytes()
        for stage in stages
        if stage.kind == "encode" and (folder := store.directory(stage.key) / "files")
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != "encoded.json"  # it holds seconds
    }


def run_local(folder, counted):
    stages = stages_of(counted.spec)
    store, measure = Store(folder), load_spec(counted.spec, REGISTRIES).head.measure
    done = Executor(store, measure, Recorder()).run(stages)
    assert {d.status for d in done.values()} == {"ok"}, [d.reason for d in done.values()]
    return files_of(store, stages)


@pytest.fixture
def counted(tmp_path, monkeypatch):
    return CountedLoads(tmp_path, monkeypatch)


@pytest.fixture
def pretended(tmp_path, monkeypatch, counted):
    """(Ray, a function that runs the stages on it): two nodes, one task at a time, in this process."""
    ray = PretendedRay(one=(2, 8e9), other=(1, 8e9))
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setenv("LACONIC_BENCH_NODE_STORE", str(tmp_path / "nodes"))
    monkeypatch.setenv("RAY_ADDRESS", "")  # set on nodes, and here they are this process
    monkeypatch.setenv(ASSIGNED, "")

    def run(watcher):
        measure, cluster = load_spec(counted.spec, REGISTRIES).head.measure, Cluster(None)
        stages = stages_of(counted.spec)
        shared = SharedStore(str(tmp_path / "shared"))
        try:
            return RayExecutor(cluster, shared, Store(tmp_path / "driver"), measure, watcher).run(stages)
        finally:
            assert not any(actor.alive for actor in ray.actors), "no actor outlives the run"

    return ray, run


def test_a_model_is_loaded_once_for_all_shards_of_all_collections(tmp_path, pretended, counted):
    ray, run = pretended
    done = run(Recorder())
    assert {d.status for d in done.values()} == {"ok"}, [d.reason for d in done.values()]
    assert len(counted.pids()) == 1
    assert ray.most == 3, "as many actors as there is room for"
    counted.forget()
    local = run_local(tmp_path / "local", counted)
    assert len(counted.pids()) == 1, "here too"
    assert local == files_of(Store(next((tmp_path / "nodes").iterdir())), stages_of(counted.spec))


def test_the_model_an_actor_holds_is_no_part_of_a_key(counted):
    stages = [stage for stage in stages_of(counted.spec) if "shard" in stage.label]
    assert len({stage.holds for stage in stages}) == 1
    assert all(stage.holds for stage in stages)
    assert all("holds" not in stage.recipe for stage in stages)


def test_a_lost_actor_is_replaced_and_its_shard_begun_again(pretended, counted):
    ray, run = pretended
    ray.lost = {SHARD: 1}
    watcher = Recorder()
    done = run(watcher)
    assert {d.status for d in done.values()} == {"ok"}
    assert [note for note in watcher.notes if "begun again elsewhere" in note] == watcher.notes
    assert len(watcher.notes) == 1
    assert watcher.begun.count(SHARD) == 2
    assert len(counted.pids()) == 2


@pytest.mark.parametrize("what", ["actor", SHARD])
def test_one_that_is_lost_again_and_again_is_given_up(pretended, what):
    ray, run = pretended
    ray.lost = {what: 999}
    done = {d.stage.label: d for d in run(Recorder()).values()}
    assert done[SHARD].status == "killed"
    assert done["join counted / mine"].status == "skipped"
    assert 999 - ray.lost[what] == (TRIES if what == SHARD else 6 * TRIES)


def test_an_actor_without_a_place_keeps_no_shard_waiting(pretended, counted):
    """Other work has the nodes that all but the first actor ask for; the first makes everything."""
    ray, run = pretended
    ray.full = lambda actor: actor is not ray.actors[0]
    assert {d.status for d in run(Recorder()).values()} == {"ok"}
    assert len(counted.pids()) == 1


def test_a_shard_that_fails_ends_only_itself(pretended, counted, monkeypatch):
    """It is ended at its time limit, as anywhere, and the next one begins in a fresh process."""
    monkeypatch.setenv("LACONIC_COUNTED_STUCK", "mine corpus 1500")
    counted.spec.write_text(counted.spec.read_text() + "timeout = 20\n")
    _, run = pretended
    done = {d.stage.label: d for d in run(Recorder()).values() if d.stage.holds}
    assert {label for label, d in done.items() if d.status != "ok"} == {SHARD}
    assert done[SHARD].status == "timeout"
    assert "longer than 20 s" in done[SHARD].reason
    assert len(counted.pids()) == 2


def test_an_interrupted_run_ends_its_actors(pretended):
    class Interrupts(Recorder):
        def end(self, done, number, total):
            super().end(done, number, total)
            if done.stage.label == SHARD:
                raise KeyboardInterrupt

    _, run = pretended
    with pytest.raises(KeyboardInterrupt):
        run(Interrupts())  # the fixture sees that no actor is left


@pytest.mark.slow
def test_an_actors_process_is_killed(tmp_path, monkeypatch):
    """On a cluster of two nodes: loaded fewer times than there are shards, the same files, nothing left behind."""
    pytest.importorskip("ray", reason="Ray is not installed")
    counted = CountedLoads(tmp_path, monkeypatch, sleep=0.5)
    monkeypatch.setenv("LACONIC_BENCH_NODE_STORE", str(tmp_path / "nodes"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    nodes, _ = local_cluster(0, 1, 1)
    killed = []

    def kill_who_encodes():
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if pids := counted.pids():
                killed.append(pids[0])
                os.kill(pids[0][1], signal.SIGKILL)
                return
            time.sleep(0.02)

    try:
        nodes.connect(namespace="test")
        cluster, watcher = Cluster(None), Recorder()
        store, shared = Store(tmp_path / "driver"), SharedStore(str(tmp_path / "shared"))
        stages = stages_of(counted.spec, cluster.machine())
        killing = threading.Thread(target=kill_who_encodes)
        killing.start()
        measure = load_spec(counted.spec, REGISTRIES).head.measure
        done = RayExecutor(cluster, shared, store, measure, watcher).run(stages)
        killing.join()
        assert {d.status for d in done.values()} == {"ok"}, [(d.stage.label, d.reason) for d in done.values()]
        assert killed
        assert sum("begun again elsewhere" in note for note in watcher.notes) == 1, watcher.notes
        loads = counted.pids()
        assert 1 < len(loads) < 6, loads
        for stage in stages:
            shared.pull(stage.key, store)
        until = time.monotonic() + 300
        while time.monotonic() < until and any(_alive(process) for process, _ in loads):
            time.sleep(0.1)
        assert not any(_alive(process) for process, _ in loads), "a process outlived its actor"
    finally:
        import ray

        ray.shutdown()
        nodes.shutdown()
    assert files_of(store, stages) == run_local(tmp_path / "local", counted)


def _alive(pid):
    with contextlib.suppress(OSError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False
