"""Full, read-only and damaged stores, and memory that runs out."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from drilled import copied, expected, numbers, prepared, run, runs_on, seeded, start, stored, tmpfs, unmount

from harness.pipeline.store.local import DamagedError, Store

FLIPS = int(os.environ.get("DRILL_FLIPS", "20000"))


def fill(path):
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * (1 << 20))
        except OSError:
            pass


def test_full_disk(tmp_path):
    """A disk that fills up at random moments: one clear message, and with room again the run goes on."""
    wanted, whole = expected(tmp_path / "whole")
    draw, said = seeded("full disk"), {}
    while sum(count for code, count in said.items() if code) < 10:  # those that it stopped
        disk = tmpfs("80m", tmp_path / "disk")
        try:
            folder = prepared(disk / "run")
            process = start(folder)
            runs_on(process, draw.uniform(0.3, 0.8 * whole))
            fill(disk / "filler")
            output, errors = process.communicate(timeout=300)
            assert "Traceback" not in output + errors, errors
            if process.returncode != 0:
                assert process.returncode in (1, 2), errors
                assert "remedy:" in errors, errors
                assert "space" in errors or "free" in errors, errors
            said[process.returncode] = said.get(process.returncode, 0) + 1
            kept = stored(folder)
            (disk / "filler").unlink()
            status, errors = run(folder, "--retry", "failed")
            assert status == 0, errors
            assert kept <= stored(folder)
            assert numbers(folder) == wanted
        finally:
            unmount(disk)
            disk.rmdir()
    print(f"{sum(said.values())} full disks: exit codes {said}; all went on afterwards with the same records")


def test_read_only_folders(tmp_path):
    """A store, and a folder of runs, that cannot be written, from the start and in the middle."""
    wanted, _ = expected(tmp_path / "whole")
    disk = tmpfs("200m", tmp_path / "disk")
    try:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for option in ("--store", "--out"):
            status, errors = run(tmp_path / "whole", option, str(disk / "x"))
            assert status == 2, errors
            assert "remedy:" in errors, errors
            assert str(disk) in errors, errors
    finally:
        unmount(disk)
    # In the middle; a file system with open files cannot be made read-only, and root passes over permissions if it may.
    bound = ("setpriv", "--bounding-set", "-dac_override") if os.getuid() == 0 else ()
    folder = prepared(tmp_path / "run")
    process = start(folder, before=bound)
    while process.poll() is None and len(stored(folder)) < 3:
        time.sleep(0.01)
    root = folder / ".laconic-bench"
    folders = [root, *(root / name for name in ("objects", "unfinished", "locks", "failures"))]
    for path in folders:
        path.chmod(0o555)
    output, errors = process.communicate(timeout=300)
    assert "Traceback" not in output + errors, errors
    assert process.returncode in (1, 2), errors
    assert "remedy:" in errors, errors
    for path in folders:
        path.chmod(0o755)
    kept = stored(folder)
    assert len(kept) >= 3
    status, errors = run(folder, "--retry", "failed")
    assert status == 0, errors
    assert kept <= stored(folder)
    assert numbers(folder) == wanted
    print("read-only store and run folder: exit code 2 and a remedy; in the middle: goes on afterwards")


def test_every_damage_is_found(tmp_path):
    """One byte of one file changed, cut off or missing: found on reading, every time."""
    wanted, _ = expected(tmp_path / "whole")
    root = tmp_path / "whole/.laconic-bench"
    places = []
    for manifest in sorted((root / "objects").glob("*/*/manifest.json")):
        for path in sorted(p for p in manifest.parent.rglob("*") if p.is_file()):
            places += [(manifest.parent.name, path, offset) for offset in range(path.stat().st_size)]
    draw = seeded("damage")
    chosen = places if len(places) <= FLIPS else draw.sample(places, FLIPS)
    found = 0
    for key, path, offset in chosen:
        found += damaged(root, key, path, offset, draw.randint(1, 255))
    print(f"{len(chosen)} of {len(places)} bytes changed one by one: {found} found")
    assert found == len(chosen)
    files = {(key, path) for key, path, _ in places}
    missing = 0
    for key, path in files:
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        missing += not sound(root, key)
        path.unlink()
        missing += not sound(root, key)
        path.write_bytes(content)
        assert sound(root, key)
    print(f"{len(files)} files cut off, then removed: {missing} of {2 * len(files)} found")
    assert missing == 2 * len(files)
    folder = copied(tmp_path / "whole", tmp_path / "again")
    for manifest in (folder / ".laconic-bench/objects").glob("*/*/manifest.json"):
        path = max((p for p in manifest.parent.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        path.write_bytes(b"x" + path.read_bytes()[1:] if path.read_bytes()[:1] != b"x" else b"y")
    status, errors = run(folder)
    assert status == 0, errors
    again = errors.count("damaged and made again")
    assert again == len(stored(folder))
    assert numbers(folder) == wanted
    print(f"{again} artefacts of which each has a damaged file: all made again, with the same records")


def damaged(root, key, path, offset, change):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ change]))
    try:
        return not sound(root, key)
    finally:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(byte)


def sound(root, key):
    try:
        return Store(root).get(key) is not None
    except DamagedError:
        return False


def test_memory_limit_in_each_stage(tmp_path):
    """The limit hits each stage in turn: named, the rest kept, and with more memory it goes on."""
    wanted, _ = expected(tmp_path / "whole")
    whole = tmp_path / "whole"
    manifests = sorted((whole / ".laconic-bench/objects").glob("*/*/manifest.json"))
    kinds = {}
    for path in manifests:
        manifest = json.loads(path.read_text())
        kinds.setdefault(manifest["kind"], (manifest["label"], path.parent.name))
    for kind, (label, key) in kinds.items():
        folder = Path(tmp_path / "one")
        copied(whole, folder)
        shutil.rmtree(folder / ".laconic-bench/objects" / key[:2] / key)
        status, errors = run(folder, "--set", "measure.memory_limit=2000000")
        assert status == 1, (kind, errors)
        assert f"{label}: oom: it held more than 1 MiB" in errors, (kind, errors)
        assert errors.count(": oom: ") == 1, (kind, errors)
        assert "raise measure.memory_limit" in errors, (kind, errors)
        assert (folder / "runs/small/report.html").exists()
        status, errors = run(folder, "--retry", "failed")
        assert status == 0, (kind, errors)
        assert numbers(folder) == wanted, kind
        shutil.rmtree(folder)
    print(f"memory limit hit in {len(kinds)} kinds of stage: {', '.join(sorted(kinds))}")
