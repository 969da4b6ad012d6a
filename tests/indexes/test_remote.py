"""Shards in processes of a cluster find what one index finds, wherever their files are, and say when one is lost."""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from tests_support import local_cluster
from ties import assert_same, tied_csr

from harness.errors import UserError
from harness.indexes import _remote, create
from harness.measure.workers.isolated import run_isolated
from harness.vectors import VectorsWriter

STEPS = "harness.pipeline.steps"


@pytest.fixture(scope="module")
def ray():
    """A cluster of three nodes on this machine, known by RAY_ADDRESS alone."""
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    nodes, _ = local_cluster(1, 1, 1)
    before = os.environ.get("RAY_ADDRESS")
    os.environ["RAY_ADDRESS"] = nodes.address
    try:
        yield ray
    finally:
        os.environ.pop("RAY_ADDRESS")
        os.environ |= {"RAY_ADDRESS": before} if before else {}
        ray.shutdown()
        nodes.shutdown()


def saved(folder, name, rows, /, **params):
    """An index on these rows, built and saved."""
    index = create(name, **params)
    index.build(rows)
    folder.mkdir(parents=True)
    index.save(folder)
    return index


@pytest.fixture(scope="module")
def shards(ray, tmp_path_factory):
    """(One index, its three shards in other processes, the folder, queries), with many ties."""
    folder, rng = tmp_path_factory.mktemp("shards"), np.random.default_rng(7)
    documents, queries = tied_csr(rng, 140_000, 50, 3, 9), tied_csr(rng, 8, 50, 5, 9)
    documents.data[:200_000] *= np.float32(0.37)
    whole = create("inverted")
    whole.build(documents)
    made = saved(folder / "index", "sharded", documents, index={"type": "inverted"}, documents=1000, on="ray")
    return whole, type(made).load(folder / "index"), folder / "index", queries


@pytest.mark.slow
def test_shards_equal_the_whole(shards, tmp_path):
    whole, away, _, queries = shards
    assert away.shards == []
    assert len(away.away.actors) == 3
    wanted = whole.search(queries, 500)
    assert len(np.unique(wanted[1][0])) < 500, "the queries must have ties"
    for threads in (1, 2):
        assert_same(away.search(queries, 500, threads=threads), wanted)
        assert_same(away.search(queries[:1], 500, threads=threads), whole.search(queries[:1], 500))
    assert away.memory() == whole.memory()
    assert away.work(queries, 500) == whole.work(queries, 500)
    away.save(tmp_path)
    assert_same(type(away).load(tmp_path).search(queries, 500), wanted)


@pytest.mark.slow
def test_they_are_spread_over_the_nodes(ray, shards):
    _, away, _, _ = shards
    asked = [one.__ray_call__.remote(lambda self: ray.get_runtime_context().get_node_id()) for one in away.away.actors]
    assert len(set(ray.get(asked))) > 1


@pytest.mark.slow
@pytest.mark.parametrize("queries", [1, 40])
def test_dense_shards_equal_the_whole(ray, queries, tmp_path):
    rng = np.random.default_rng(5)
    documents = rng.integers(-2, 3, (5000, 24)).astype(np.float32) / np.float32(3)
    asked = rng.standard_normal((queries, 24)).astype(np.float32)
    documents[3000:3200] = documents[:200]
    whole = create("faiss-flat")
    whole.build(documents)
    index = {"type": "faiss-flat"}
    made = saved(tmp_path / "index", "sharded-dense", documents, index=index, documents=1500, on="ray")
    away = type(made).load(tmp_path / "index")
    for k in (1, 10, 150):
        assert_same(away.search(asked, k), whole.search(asked, k))


@pytest.mark.slow
def test_approximate_shards_equal_those_of_one_process(ray, tmp_path):
    """Each proposes candidates of its own, with the values of the search parameters that were asked for last."""
    rng = np.random.default_rng(9)
    documents, queries = tied_csr(rng, 900, 30, 4, 9), tied_csr(rng, 6, 30, 6, 9)
    here = create("sharded-two-phase", documents=400, candidates=20, links=2)
    here.build(documents)
    saved(tmp_path / "index", "sharded-two-phase", documents, documents=400, candidates=20, links=2, on="ray")
    away = type(here).load(tmp_path / "index")
    assert len(away.away.actors) == 3
    found = []
    for values in ({}, {"candidates": 5, "follow": 0}, {"candidates": 300, "terms": 2}):
        here.search_with(values)
        away.search_with(values)
        for threads in (1, 2):
            assert_same(away.search(queries, 30, threads=threads), here.search(queries, 30))
        assert_same(away.search(queries[:1], 30), here.search(queries[:1], 30))
        assert away.work(queries, 30) == here.work(queries, 30)
        found.append(here.work(queries, 30).documents)
    assert len(set(found)) == 3, "each setting must score another number of documents"
    assert away.memory() == here.memory()


@pytest.mark.slow
def test_files_that_a_node_does_not_see_are_sent(ray, shards, monkeypatch):
    """In pieces; the receiver's copy has no name left once it is open."""
    whole, _, folder, queries = shards
    monkeypatch.setattr(_remote, "PIECE", 10_001)
    monkeypatch.setattr(_remote.Shards, "_open_where_visible", lambda self, folders, digests: [False for _ in digests])
    sent = type(shards[1]).load(folder)
    assert_same(sent.search(queries, 500), whole.search(queries, 500))
    assert sent.memory() == whole.memory()
    assert all("laconic-bench-shard" in after for _, after in sent.away.maps())
    assert not list(Path(tempfile.gettempdir()).glob("laconic-bench-shard-*"))


@pytest.mark.slow
def test_what_is_wrong_with_a_shard_is_said(ray, tmp_path):
    rng = np.random.default_rng(1)
    for name in ("one", "two"):
        documents = tied_csr(rng, 100, 12, 3, 2)
        made = saved(tmp_path / name, "sharded", documents, index={"type": "scipy"}, documents=40, on="ray")
    (tmp_path / "one/shard-1").rename(tmp_path / "old")
    with pytest.raises(UserError, match="shard-1: this shard has no files"):
        type(made).load(tmp_path / "one")
    (tmp_path / "two/shard-1").rename(tmp_path / "one/shard-1")
    with pytest.raises(UserError, match="shard-1: this shard belongs to another index"):
        type(made).load(tmp_path / "one")
    file = next(path for path in (tmp_path / "two/shard-0").iterdir() if path.suffix == ".npy")
    file.write_bytes(file.read_bytes()[:-1])
    (tmp_path / "old").rename(tmp_path / "two/shard-1")
    with pytest.raises(UserError, match="truncated"):
        type(made).load(tmp_path / "two")


@pytest.mark.slow
def test_a_lost_shard_is_named(ray, tmp_path):
    documents = tied_csr(np.random.default_rng(1), 100, 12, 3, 2)
    made = saved(tmp_path / "index", "sharded", documents, index={"type": "scipy"}, documents=40, on="ray")
    away = type(made).load(tmp_path / "index")
    ray.kill(away.away.actors[1])
    with pytest.raises(UserError, match="shard 1 of 3 was lost") as caught:
        away.search(documents[:1], 3)
    assert caught.value.file == tmp_path / "index/shard-1"
    assert "--retry failed" in caught.value.remedy


@pytest.mark.slow
def test_the_memory_of_all_processes_is_measured(ray, tmp_path):
    """As a stage measures it, in a process that knows the cluster by RAY_ADDRESS; vectors of 64 MiB."""
    rows = np.random.default_rng(3).random((1 << 17, 128), dtype=np.float32)
    for name, part in (("documents", rows), ("queries", rows[:3])):
        (tmp_path / "vectors" / name).mkdir(parents=True)
        writer = VectorsWriter(tmp_path / "vectors" / name, "dense", 128)
        writer.append(part)
        writer.close()
    params = {"index": {"type": "faiss-flat"}, "documents": 50_000}
    found = {}
    for on in ("here", "ray"):
        saved(tmp_path / on, "sharded-dense", rows, **params, on=on)
        given = {"out": "", "type": "sharded-dense", "params": {**params, "on": on}, "k": 10}
        paths = {"index": str(tmp_path / on), "vectors": str(tmp_path / "vectors")}
        outcome = run_isolated(f"{STEPS}.footprint:served_memory", {**given, **paths}, log=tmp_path / "log")
        assert outcome.status == "ok", outcome.reason + (tmp_path / "log").read_text()
        found[on] = outcome.result
    assert [found[on]["elsewhere"] for on in ("here", "ray")] == [0, 3]
    size = {on: (one["anonymous"] + one["file"]) / (1 << 20) for on, one in found.items()}
    assert 64 <= size["here"] < 80
    assert size["here"] <= size["ray"] < size["here"] + 4 * 8, "four processes, each with some of its own"


def test_where_the_shards_live_is_checked():
    with pytest.raises(ValueError, match=r"on\n.*'here' or 'ray'"):
        create("sharded", index={"type": "scipy"}, on="there")
    assert create("sharded", index={"type": "scipy"}).params.on == "here"


def test_without_ray_it_is_said_before_anything_is_built(tmp_path, monkeypatch):
    documents = tied_csr(np.random.default_rng(1), 10, 12, 3, 2)
    index = create("sharded", index={"type": "scipy"}, on="ray")
    with monkeypatch.context() as patch:
        patch.setattr(_remote, "check", lambda: None)  # as where it is installed
        index.build(documents)
    index.save(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    for work in (lambda: index.build(documents), lambda: type(index).load(tmp_path)):
        with pytest.raises(UserError, match="Ray is not installed") as caught:
            work()
        assert 'pip install "laconic-bench[ray]"' in caught.value.remedy


def test_an_address_where_nobody_listens_is_said(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UserError, match=r"RAY_ADDRESS: there is no Ray cluster at 127\.0\.0\.1:1"):
        _remote.Shards(Path(tmp_path), {"type": "scipy"}, [])
