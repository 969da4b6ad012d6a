"""Two disturbances at once: a kill while the disk fills, damage while two runs wait, a node lost while it writes."""

import contextlib
import fcntl
import json
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from drilled import (
    COMMAND,
    copied,
    expected,
    kill,
    numbers,
    prepared,
    run,
    runs_on,
    seeded,
    start,
    stored,
    tmpfs,
    unmount,
)
from tests_support import Recorder, local_cluster

from harness.experiment import plan_experiment, run_experiment

TIMES = int(os.environ.get("DRILL_TOGETHER", "10"))


def test_kill_while_the_disk_fills(tmp_path):
    """The disk fills up, and the run is killed in the same moment: nothing stored is lost, and it goes on with room.

    Every second run is killed as soon as the disk has no room, the others while it still fills.
    """
    wanted, whole = expected(tmp_path / "whole")
    draw, at_work, full, losses = seeded("kill and full disk"), 0, 0, 0
    for done in range(1, TIMES + 1):
        disk = tmpfs("80m", tmp_path / "disk")
        try:
            folder = prepared(disk / "run")
            process = start(folder)
            runs_on(process, draw.uniform(0.1, 0.8) * whole)
            filling = threading.Thread(target=fill, args=(disk / "filler",))
            filling.start()
            if done % 2 == 0:
                filling.join()
            runs_on(process, draw.uniform(0.0, 0.2))
            if process.poll() is None:
                at_work += 1
                full += os.statvfs(disk).f_bavail == 0
            _, errors = kill(process) if process.poll() is None else process.communicate()
            filling.join()
            known = stored(folder)
            assert "Traceback" not in errors, errors
            (disk / "filler").unlink()
            status, errors = run(folder, "--retry", "failed")
            assert status == 0, errors
            losses += len(known - stored(folder)) + errors.count("damaged and made again")
            assert numbers(folder) == wanted
            assert list((folder / ".laconic-bench/unfinished").iterdir()) == []
            print(
                f"{done} disks that filled up, {at_work} runs killed meanwhile, on {full} disks without room: {losses} "
                "artefacts lost, same records",
                flush=True,
            )
        finally:
            unmount(disk)
            disk.rmdir()
    assert losses == 0


def fill(path):
    """Fill the disk that this file lies on."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * (1 << 20))


def test_damage_while_two_runs_wait(tmp_path):
    """Two runs wait for one stage while stored artefacts are damaged: each is made again, by one of them."""
    wanted, _ = expected(tmp_path / "whole")
    draw, made = seeded("damage and two runs"), 0
    for number in range(TIMES):
        folder = copied(tmp_path / "whole", tmp_path / f"round{number}")
        root = folder / ".laconic-bench"
        keys = sorted(stored(folder))
        with first_lock(folder) as held:
            both = [start(folder, "--out", f"runs/{name}") for name in ("small", "other")]
            while waiting(held) < len(both):
                time.sleep(0.05)
                assert all(process.poll() is None for process in both)
            chosen = draw.sample(keys, 3)
            for key in chosen:
                damage(root / "objects" / key[:2] / key, draw)
        answers = [process.communicate(timeout=900) for process in both]
        assert [process.returncode for process in both] == [0, 0], answers
        assert not any("Traceback" in errors for _, errors in answers)
        noted = sum(errors.count("damaged and made again") for _, errors in answers)
        assert noted == len(chosen), answers
        made += noted
        assert set(keys) <= stored(folder)
        assert numbers(folder) == wanted
        assert list((root / "unfinished").iterdir()) == []
    print(f"{TIMES} times two runs waited: {made} of {3 * TIMES} damaged artefacts made again, each once")


@contextlib.contextmanager
def first_lock(folder):
    """Hold the lock of the stage that a run of this folder begins with."""
    plan = subprocess.run([*COMMAND, "plan", "small.toml", "--json"], cwd=folder, capture_output=True, check=True)
    with (folder / ".laconic-bench/locks" / json.loads(plan.stdout)[0]["key"]).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def waiting(file):
    """How many wait for the lock of a file, as the kernel lists them."""
    inode = f":{os.fstat(file.fileno()).st_ino} "
    return sum("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


def damage(directory, draw):
    """Change one byte of the largest file of an artefact."""
    path = max((p for p in directory.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= draw.randint(1, 255)
    path.write_bytes(content)


def test_a_node_is_lost_while_it_writes_a_shard(tmp_path, monkeypatch):
    """A node of a cluster goes as soon as a shard has a file in its unfinished folder: another node makes it again."""
    ray = pytest.importorskip("ray", reason="ray is not installed")
    wanted, _ = expected(tmp_path / "whole")
    monkeypatch.setenv("LACONIC_BENCH_NODE_STORE", str(tmp_path / "nodes"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    nodes, (first, second) = local_cluster(0, 2, 2)
    folder, watcher, lost = prepared(tmp_path / "run"), Recorder(), []
    by_id = {node.node_id[:16]: node for node in (first, second)}
    overrides = ["measure.encode_shards=3"]
    _, _, stages = plan_experiment(folder / "small.toml", overrides=overrides)
    shards = {stage.key[:16] for stage in stages if "shard" in stage.label}

    def lose():
        until = time.monotonic() + 300
        while time.monotonic() < until and not lost:
            for file in (tmp_path / "nodes").glob("*/unfinished/*/files/**/*"):
                place = file.relative_to(tmp_path / "nodes").parts
                if place[2].partition("-")[0] in shards and place[0] in by_id:
                    lost.append(file.name)
                    nodes.remove_node(by_id[place[0]], allow_graceful=False)
                    return
            time.sleep(0.001)

    try:
        losing = threading.Thread(target=lose)
        losing.start()
        run = run_experiment(
            folder / "small.toml", overrides=overrides, store=folder / ".laconic-bench", out=folder / "runs/small",
            executor="ray", address=nodes.address, progress=watcher,
        )  # fmt: skip
        losing.join()
        assert lost, "no shard was seen while it was written"
        assert run.ok, run.failed
        assert numbers(folder) == wanted
        print(f"a node lost while it wrote {lost[0]} of a shard: {[n for n in watcher.notes if 'begun again' in n]}")
    finally:
        ray.shutdown()  # a cluster does not remove the node that this process is connected to
        nodes.shutdown()
