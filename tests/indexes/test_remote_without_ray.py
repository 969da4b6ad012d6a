"""Shards in other processes, with a pretended Ray whose actors live in this one."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from ties import assert_same, tied_csr

from harness.errors import UserError
from harness.indexes import Work, _remote, create


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause):
        super().__init__(str(cause))
        self.cause = cause


class Handle:
    """An actor: what is called runs when its result is asked for; a lost one raises instead."""

    def __init__(self, actor):
        self.actor, self.lost, self.calls = actor, False, []

    def __getattr__(self, name):
        def remote(*arguments):
            self.calls.append(name)
            return lambda: (self, getattr(self.actor, name), arguments)

        return SimpleNamespace(remote=remote)


class Ray:
    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def remote(self, kind):
        made = SimpleNamespace(remote=lambda *arguments: Handle(kind(*arguments)))
        return SimpleNamespace(options=lambda **_: made)

    def get(self, call):
        handle, method, arguments = call()
        if handle.lost:
            raise RayError("the actor died")
        try:
            return method(*arguments)
        except Exception as error:
            raise RayTaskError(error) from error


@pytest.fixture(autouse=True)
def pretended(monkeypatch):
    monkeypatch.setattr(_remote, "check", lambda: None)
    monkeypatch.setattr(_remote, "reach", Ray)


def saved(folder, rows, **params):
    index = create("sharded", index={"type": "scipy"}, documents=40, on="ray", **params)
    index.build(rows)
    folder.mkdir()
    index.save(folder)
    return index


@pytest.fixture
def rows():
    return tied_csr(np.random.default_rng(1), 100, 12, 3, 2)


@pytest.fixture
def away(rows, tmp_path):
    return type(saved(tmp_path / "index", rows)).load(tmp_path / "index")


def test_hits_memory_and_work_are_those_of_one_index(away, rows, tmp_path):
    whole = create("scipy")
    whole.build(rows)
    assert (away.shards, len(away.away.actors)) == ([], 3)
    assert_same(away.search(rows[:7], 60, threads=2), whole.search(rows[:7], 60))
    assert away.work(rows[:7], 60) == whole.work(rows[:7], 60)
    assert away.memory()["weights"] == whole.memory()["weights"]
    (tmp_path / "copy").mkdir()
    away.save(tmp_path / "copy")
    assert_same(type(away).load(tmp_path / "copy").search(rows[:7], 60), whole.search(rows[:7], 60))


def test_every_shard_tells_its_memory_before_and_now(away):
    maps = away.elsewhere()
    assert len(maps) == 3
    assert all("Rss:" in before and "Rss:" in now for before, now in maps)


def test_a_lost_shard_is_named_with_its_folder(away, rows, tmp_path):
    away.away.actors[1].lost = True
    for call in (lambda: away.search(rows[:1], 3), away.memory, lambda: away.work(rows[:1], 3), away.elsewhere):
        with pytest.raises(UserError, match="shard 1 of 3 was lost with its process or node") as caught:
            call()
        assert caught.value.file == tmp_path / "index/shard-1"
        assert "--retry failed" in caught.value.remedy


def test_a_mistake_in_a_shard_is_the_users_and_another_error_is_not(away, rows):
    with pytest.raises(UserError, match="11 columns, but the index has 12"):
        away.search(rows[:1, :11], 3)
    away.away.actors[0].actor.index = SimpleNamespace(memory=lambda: 1 / 0)
    with pytest.raises(RayTaskError, match="division by zero"):
        away.memory()


@pytest.mark.parametrize("piece", [1 << 20, 100, 1])
def test_files_that_an_actor_does_not_see_are_sent_in_pieces(away, rows, tmp_path, monkeypatch, piece):
    wanted = away.search(rows[:3], 20)
    monkeypatch.setattr(_remote, "PIECE", piece)
    monkeypatch.setattr(_remote.Shards, "_open_where_visible", lambda self, folders, digests: [False for _ in digests])
    sent = type(away).load(tmp_path / "index")
    calls = sent.away.actors[0].calls
    sizes = [path.stat().st_size for path in (tmp_path / "index/shard-0").iterdir()]
    assert calls.count("receive") == sum(-(-size // piece) for size in sizes)
    assert calls[-1] == "open"
    shutil.rmtree(tmp_path / "index")
    assert_same(sent.search(rows[:3], 20), wanted)


def test_shards_that_are_missing_or_of_another_index_are_refused(away, rows, tmp_path):
    saved(tmp_path / "other", rows[::-1].tocsr() * 3)
    shutil.rmtree(tmp_path / "index/shard-2")
    with pytest.raises(UserError, match="this shard has no files") as caught:
        type(away).load(tmp_path / "index")
    assert caught.value.file == str(tmp_path / "index/shard-2")
    shutil.copytree(tmp_path / "other/shard-2", tmp_path / "index/shard-2")
    with pytest.raises(UserError, match="this shard belongs to another index"):
        type(away).load(tmp_path / "index")


def test_an_engine_that_does_not_count_makes_the_sum_unknown(away, rows):
    away.away.actors[2].actor.index = SimpleNamespace(work=lambda queries, k: None)
    assert away.work(rows[:1], 3) is None


def test_work_adds_field_by_field():
    total = Work(1, 2, None, 4) + Work(10, 20, 30, 40)
    assert total == Work(11, 22, None, 44)
    assert Work(1) + Work(2, postings=3) == Work(3)


def test_an_actor_that_never_opened_its_shard_says_so():
    actor = _remote._Shard({"type": "scipy"})
    with pytest.raises(UserError, match="this index is empty"):
        actor.search(sparse.csr_matrix((1, 3), dtype=np.float32), 1, 1)
    assert actor.find("/nowhere", "x") is False
