"""The same experiment on a cluster: same records, and a lost node loses nothing that was finished."""

import os
import re
import shutil
import signal
import sys
import time
from types import SimpleNamespace

import pytest
from pretended_ray import PretendedRay
from small_specs import beir, load_small, write_spec
from tests_support import Recorder, local_cluster, start_run, write_collection

from harness.encoders.hardware import ASSIGNED
from harness.errors import UserError
from harness.pipeline.executors.choose import place
from harness.pipeline.executors.local import Executor
from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.systems import system_stages
from harness.pipeline.store.local import DamagedError, Store
from harness.pipeline.store.shared import SharedStore

EXACT = ("quality", "search", "work", "encode")


@pytest.fixture
def spec(tmp_path):
    return load_small(tmp_path)


def results(done):
    """What does not depend on the clock, of every stage."""
    return {
        d.stage.label: {k: v for k, v in d.artefact.result.items() if k not in ("seconds", "document", "query")}
        for d in done.values()
        if d.stage.kind in EXACT
    }


def test_artefacts_travel_whole_or_not_at_all(tmp_path, spec):
    """Between a local store and one that fsspec reaches (its memory here): verified, and damage is found."""
    store, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    stages = [stage for stage in in_order(system_stages(spec, "m"), 1) if stage.kind == "prepare"]
    artefact = Executor(store, spec.head.measure, Recorder()).run(stages)[stages[0].key].artefact
    shared = SharedStore("memory://artefacts")
    assert not shared.has(artefact.key)
    shared.push(artefact)
    assert shared.described(artefact.key, other).result == artefact.result
    assert not other.has(artefact.key)
    pulled = shared.pull(artefact.key, other)
    assert {p.name: p.read_bytes() for p in pulled.files.iterdir()} == {
        p.name: p.read_bytes() for p in artefact.files.iterdir()
    }
    path = f"{shared.root}/objects/{artefact.key[:2]}/{artefact.key}/files/documents.jsonl"
    shared.files.pipe_file(path, shared.files.cat_file(path)[:-1] + b"x")
    with pytest.raises(DamagedError, match="checksum"):
        shared.pull(artefact.key, Store(tmp_path / "third"))
    assert not Store(tmp_path / "third").has(artefact.key)
    with pytest.raises(DamagedError, match="no artefact"):
        shared.pull("0" * 64, other)


def test_executors_are_named(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(UserError, match="did you mean 'local'"):
        place("loca", store)
    with pytest.raises(UserError, match="add --executor ray"):
        place("local", store, address="auto")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://[::1]:1", "127.0.0.1:99999"])
def test_an_address_where_nobody_listens_is_said_at_once(tmp_path, monkeypatch, address):
    """Ray would try for minutes; here it is not even asked."""
    fake = SimpleNamespace(is_initialized=lambda: pytest.fail("Ray was asked"))
    monkeypatch.setitem(sys.modules, "ray", fake)
    with pytest.raises(UserError, match=re.escape(address)) as caught:
        place("ray", Store(tmp_path), address=address)
    assert caught.value.key == "--address"


def test_nothing_is_asked_for_that_no_node_has(monkeypatch):
    """What fits nowhere would wait for ever."""
    from harness.pipeline.executors.ray.cluster import Cluster

    sizes = [(8.0, 4e9, 0, True), (2.0, 64e9, 2, True), (64.0, 512e9, 8, False), (0.0, 1e12, 8, True)]
    found = [
        {
            "NodeID": str(n),
            "Alive": alive,
            "Resources": {"CPU": cpus, "memory": memory} | ({"GPU": gpus} if gpus else {}),
        }
        for n, (cpus, memory, gpus, alive) in enumerate(sizes)
    ]
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: True, nodes=lambda: found))
    cluster = Cluster(None)
    assert cluster.nodes() == {"0": 8, "1": 2}
    assert [cluster.gpus(node) for node in ("0", "1", "2")] == [0, 2, 0]
    assert cluster.room(1, None) == (1.0, None, 0)
    assert cluster.room(2, 6_000_000_000) == (2.0, 6_000_000_000, 0)
    assert cluster.room(4, 6_000_000_000) == (4.0, 4_000_000_000, 0)
    assert cluster.room(32, 10**12) == (8.0, 4_000_000_000, 0)
    assert cluster.room(4, 10**12, 1) == (2.0, 64_000_000_000, 1)
    assert cluster.room(1, None, 16) == (1.0, None, 2)


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """(Ray, a function that runs the spec on it): two nodes, one task at a time, in this process."""
    from harness.pipeline.executors.ray.cluster import Cluster
    from harness.pipeline.executors.ray.driver import RayExecutor

    ray = PretendedRay(one=(2, 8e9), other=(4, 8e9))
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setenv("LACONIC_BENCH_NODE_STORE", str(tmp_path / "nodes"))
    monkeypatch.setenv("RAY_ADDRESS", "")  # set on nodes, and here they are this process
    monkeypatch.setenv(ASSIGNED, "")

    def run(spec, watcher, **options):
        cluster = Cluster(None)
        stages = in_order(system_stages(spec, cluster.machine()), 1)
        store, shared = Store(tmp_path / "driver"), SharedStore(str(tmp_path / "shared"))
        return RayExecutor(cluster, shared, store, spec.head.measure, watcher, **options).run(stages)

    return ray, run


def test_stages_that_a_caller_names_are_made_again_on_a_cluster_too(spec, pretended):
    _, run = pretended
    first = run(spec, Recorder())
    assert os.environ[ASSIGNED] == "1", "what runs on a node counts the GPUs that it was given"
    done = run(spec, Recorder(), again=lambda stage: stage.kind == "quality")
    assert {each.status for each in done.values()} == {"ok"}
    assert {each.stage.kind for each in done.values() if not each.reused} == {"quality"}
    assert results(done) == results(first)


def test_values_by_query_reach_the_driver_whatever_measured_them(spec, pretended):
    _, run = pretended
    done = run(spec, Recorder())
    with_values = {each.stage.kind for each in done.values() if (each.artefact.files / "per_query.json").is_file()}
    assert {"quality", "work"} <= with_values
    # Large files stay where they are.
    assert not any(each.artefact.files.exists() for each in done.values() if each.stage.kind == "encode")


def test_where_ray_is_not_installed(tmp_path, spec, pretended):
    """The executor's own part: order, resources, what is asked again, and the results of a local run."""
    ray, run = pretended
    ray.lost = {"encode bm25 / mine": 2}
    watcher = Recorder()
    done = run(spec, watcher)
    assert {d.status for d in done.values()} == {"ok"}
    assert [note for note in watcher.notes if "begun again elsewhere" in note] == watcher.notes
    assert len(watcher.notes) == 2
    for labels, asked in ray.asked:
        if any(label.startswith(("build", "resident", "latency")) for label in labels):  # timed: a node alone
            assert asked["num_cpus"] == ray.sizes[asked["scheduling_strategy"]][0]
    local = Executor(Store(tmp_path / "local"), spec.head.measure, Recorder()).run(
        in_order(system_stages(spec, "m"), 1)
    )
    assert results(done) == results(local)
    again = Recorder()
    assert all(d.reused for d in run(spec, again).values())
    assert again.begun == []


def test_a_worker_that_is_lost_again_and_again_is_given_up(spec, pretended):
    from harness.pipeline.executors.ray.driver import TRIES

    ray, run = pretended
    ray.lost = {"encode bm25 / mine": 99}
    done = {d.stage.label: d for d in run(spec, Recorder()).values()}
    assert done["encode bm25 / mine"].status == "killed"
    assert ray.lost == {"encode bm25 / mine": 99 - TRIES}
    assert done["evaluate lexical / mine"].status == "skipped"


@pytest.mark.parametrize(("kind", "name"), [("quality", "files"), ("encode", "manifest.json")])
def test_what_is_damaged_in_the_shared_store_is_told_and_made_again(tmp_path, spec, pretended, kind, name):
    _, run = pretended
    before = run(spec, Recorder())
    (stage,) = (d.stage for d in before.values() if d.stage.kind == kind)
    path = tmp_path / "shared/objects" / stage.key[:2] / stage.key / name
    if path.is_dir():
        path = next(file for file in sorted(path.rglob("*")) if file.is_file())
    path.write_bytes(b"{" + path.read_bytes()[1:] + b"x")
    shutil.rmtree(tmp_path / "driver")
    watcher = Recorder()
    after = run(spec, watcher)
    assert {d.status for d in after.values()} == {"ok"}, [(d.stage.label, d.reason) for d in after.values()]
    assert [
        note for note in watcher.notes if note.startswith(f"damaged and made again: {stage.label} (")
    ] == watcher.notes
    assert len(watcher.notes) == 1
    assert stage.label in watcher.begun
    assert results(after) == results(before)
    assert all(d.reused for d in run(spec, Recorder()).values())


def test_what_is_wrong_on_a_node_is_said_with_its_remedy(tmp_path, spec, pretended):
    (tmp_path / "nodes").write_text("a file where its store should be")
    _, run = pretended
    first = next(iter(run(spec, Recorder()).values()))
    assert first.status == "failed"
    assert "cannot write the store" in first.reason
    assert "remedy: " in first.reason


@pytest.mark.slow
def test_a_run_on_a_cluster_stops_like_any_other(tmp_path):
    """Ctrl-C while Ray is asked, which makes an error of its own of it; afterwards the run goes on."""
    pytest.importorskip("ray", reason="Ray is not installed")
    write_spec(tmp_path)
    process = start_run(tmp_path, "--executor", "ray")
    for line in process.stderr:
        if "make bm25" in line and line.endswith(" ...\n"):
            break
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "goes on from here" in errors
    process = start_run(tmp_path, "--executor", "ray")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "prepare mine: from the store" in errors
    assert "0 not ok" in output


@pytest.mark.slow
def test_a_lost_node_loses_nothing(tmp_path, spec, monkeypatch):
    """A node is killed in the middle of encoding: begun again on another, the same results, measured alone."""
    pytest.importorskip("ray", reason="Ray is not installed")
    from harness.pipeline.executors.ray.cluster import Cluster
    from harness.pipeline.executors.ray.driver import RayExecutor

    monkeypatch.setenv("LACONIC_BENCH_NODE_STORE", str(tmp_path / "nodes"))
    nodes, (first, second) = local_cluster(0, 2, 2)
    try:
        nodes.connect(namespace="test")
        cluster = Cluster(None)

        nodes_by_id = {node.node_id[:16]: node for node in (first, second)}
        encode = next(stage for stage in in_order(system_stages(spec, "m"), 1) if stage.kind == "encode")

        def kill_who_encodes():
            """Wait until a node works on it, and end that node."""
            for _ in range(3000):
                found = list((tmp_path / "nodes").glob(f"*/unfinished/{encode.key[:16]}-*"))
                if found:
                    nodes.remove_node(nodes_by_id[found[0].parents[1].name], allow_graceful=False)
                    return
                time.sleep(0.02)

        watcher = Recorder("encode", kill_who_encodes)
        shared = SharedStore(str(tmp_path / "shared"))
        stages = in_order(system_stages(spec, cluster.machine()), 1)
        done = RayExecutor(cluster, shared, Store(tmp_path / "driver"), spec.head.measure, watcher).run(stages)
        assert {d.status for d in done.values()} == {"ok"}, [(d.stage.label, d.reason) for d in done.values()]
        assert any("begun again elsewhere" in note for note in watcher.notes), watcher.notes
        before = [label for label, _, _ in watcher.ended][: watcher.begun.index("encode bm25 / mine")]
        assert all(watcher.begun.count(label) == 1 for label in before), "what was finished is not begun again"
        found = results(done)
        again = Recorder()
        done = RayExecutor(cluster, shared, Store(tmp_path / "other"), spec.head.measure, again).run(stages)
        assert again.begun == []
        assert all(reused for _, _, reused in again.ended)
    finally:
        import ray

        ray.shutdown()
        nodes.shutdown()
    wanted = results(
        Executor(Store(tmp_path / "local"), spec.head.measure, Recorder()).run(in_order(system_stages(spec, "m"), 1))
    )
    assert found == wanted


@pytest.mark.slow
def test_shards_of_an_index_may_live_on_the_cluster_that_measures_them(tmp_path, monkeypatch):
    """A measuring stage has all processors of the only node, and its shards still find a place; the same results."""
    pytest.importorskip("ray", reason="Ray is not installed")
    from harness.pipeline.executors.ray.cluster import Cluster
    from harness.pipeline.executors.ray.driver import RayExecutor

    monkeypatch.setenv("LACONIC_BENCH_NODE_STORE", str(tmp_path / "nodes"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    collections, kept = {"mine": beir(write_collection(tmp_path))}, {}
    nodes, _ = local_cluster(0, 2)
    try:
        nodes.connect(namespace="test")
        cluster, shared = Cluster(None), SharedStore(str(tmp_path / "shared"))
        for on in ("ray", "here"):
            sharded = {"type": "sharded", "index": {"type": "scipy"}, "documents": 4, "on": on}
            spec = load_small(tmp_path, collections=collections, indexes={"inverted": sharded})
            stages = in_order(system_stages(spec, cluster.machine()), 1)
            store = Store(tmp_path / on)
            if on == "ray":
                done = RayExecutor(cluster, shared, store, spec.head.measure, Recorder()).run(stages)
            else:
                done = Executor(store, spec.head.measure, Recorder()).run(stages)
            assert {d.status for d in done.values()} == {"ok"}, [(d.stage.label, d.reason) for d in done.values()]
            kept[on] = done
    finally:
        import ray

        ray.shutdown()
        nodes.shutdown()
    assert results(kept["ray"]) == results(kept["here"])
    memory, latency = (
        next(d.artefact.result for d in kept["ray"].values() if d.stage.kind == kind) for kind in ("memory", "latency")
    )
    assert memory["elsewhere"] == latency["elsewhere"] == 2
    assert "2 other processes searched" in latency["conditions"]["violation"]
    assert latency["search_cpu"] is latency["encode_cpu"] is latency["energy"] is None
