"""Resident memory: each trap with a known size."""

import mmap
import textwrap

import pytest

from harness.errors import UserError
from harness.measure import memory
from harness.measure.memory import Mapped, grown, mapped_files
from harness.measure.workers.isolated import run_isolated

MIB = 1 << 20


@pytest.fixture
def measure(tmp_path, monkeypatch):
    (tmp_path / "memory_functions.py").write_text(
        textwrap.dedent(
            """
            import gc, mmap
            import numpy as np
            from harness.measure.memory import peak, reset_peak, resident
            MIB = 1 << 20
            def delta(before): after = resident(); return [after.anonymous - before.anonymous, after.file - before.file]
            def allocation(report):
                before = resident(); held = np.ones(100 * MIB, np.uint8); return delta(before)
            def mapped(path, report):
                before = resident()
                with open(path, "rb") as file: held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                sum(held[i] for i in range(0, len(held), 4096)); return delta(before)
            def reclaimed(old, path, report):
                from harness.measure.memory import mapped_files, newly_mapped
                def map_file(name):
                    with open(name, "rb") as file: held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                    sum(held[i] for i in range(0, len(held), 4096)); return held
                library = map_file(old)
                files, before = mapped_files(), resident()
                held = map_file(path)
                library.madvise(mmap.MADV_DONTNEED)
                new, after = newly_mapped(files), resident()
                return [new.file, new.pss, after.file - before.file]
            def garbage(report):
                waste = [bytes(1000) for _ in range(50_000)]; del waste; gc.collect()
                before = resident(); held = np.ones(100 * MIB, np.uint8); return delta(before)
            def peaks(report):
                held = np.ones(200 * MIB, np.uint8); del held
                old = peak(); ok = reset_peak(); low = peak()
                held = np.ones(50 * MIB, np.uint8); return [ok, old, low, peak()]
            def shared(path, report):
                with open(path, "rb") as file: held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                sum(held[i] for i in range(0, len(held), 4096))
                before = resident()
                import os, signal
                reading, writing = os.pipe()
                child = os.fork()
                if child == 0:
                    sum(held[i] for i in range(0, len(held), 4096)); os.write(writing, b"x"); signal.pause()
                os.read(reading, 1)
                after = resident()
                os.kill(child, signal.SIGKILL); os.waitpid(child, 0)
                return [after.shared - before.shared, before.pss - after.pss, after.rss - before.rss]
            def freed(report):
                from harness.measure.memory import settle
                settle()
                before = resident()
                blocks = [np.ones(100_000, np.uint8) for _ in range(1000)]  # small ones, which lie on the heap
                last = blocks[-1]
                blocks.clear()
                kept = delta(before)[0]
                settle()
                return [kept, delta(before)[0]]
            def small(report): return peak()
            def named(comm, report):
                with open("/proc/self/comm", "wb") as file: file.write(comm.encode("latin-1"))
                return peak()
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda name, **arguments: (
        run_isolated(f"memory_functions:{name}", arguments, allow=("memory_functions",)).result
    )


@pytest.mark.parametrize("name", ["allocation", "garbage"])
def test_allocation_of_known_size_is_anonymous(measure, name):
    anonymous, file = measure(name)
    assert anonymous == pytest.approx(100 * MIB, rel=0.03)
    assert abs(file) < 5 * MIB


def test_mapped_file_is_file_backed(measure, tmp_path):
    path = tmp_path / "mapped"
    path.write_bytes(b"x" * (64 * MIB))
    anonymous, file = measure("mapped", path=str(path))
    assert file == pytest.approx(64 * MIB, rel=0.05)
    assert abs(anonymous) < 5 * MIB


def test_pages_that_the_kernel_takes_away_meanwhile_are_not_subtracted(measure, tmp_path):
    for name, size in (("old", 40), ("with space (deleted)", 64)):
        (tmp_path / name).write_bytes(b"x" * (size * MIB))
    file, share, growth = measure("reclaimed", old=str(tmp_path / "old"), path=str(tmp_path / "with space (deleted)"))
    assert growth < 30 * MIB  # what a difference of all pages would say
    assert file == pytest.approx(64 * MIB, rel=0.01)
    assert share == pytest.approx(64 * MIB, rel=0.01)


def test_pages_of_two_processes_are_shared_and_count_by_halves(measure, tmp_path):
    path = tmp_path / "mapped"
    path.write_bytes(b"x" * (64 * MIB))
    shared, less, rss = measure("shared", path=str(path))
    assert shared > 60 * MIB
    assert less > 30 * MIB
    assert abs(rss) < 5 * MIB


def test_what_the_c_library_keeps_of_freed_memory_is_given_back(measure):
    kept, left = measure("freed")
    assert kept > 50 * MIB  # otherwise there is nothing to give back
    assert left < 2 * MIB


def test_peak_can_begin_anew(measure):
    ok, old, low, new = measure("peaks")
    assert ok
    assert old > 200 * MIB
    assert low < old - 150 * MIB
    assert new == pytest.approx(low + 50 * MIB, abs=10 * MIB)


def test_small_child_of_a_large_parent_is_small(measure):
    held = bytearray(600 * MIB)
    assert measure("small") < 150 * MIB
    assert len(held) == 600 * MIB


@pytest.mark.parametrize("name", ["a\u2028b", "a\x0cb", "a\x85b", "a\rb", "a b"])
def test_a_file_is_known_by_its_whole_name(name):
    """The kernel writes names as they are: only a line feed becomes an escape."""

    def smaps(*endings):
        sizes = "Rss: 64 kB\nPss: 32 kB\nAnonymous: 0 kB\n"
        return "".join(f"7f00-7f10 r--s 00000000 08:01 42    /data/{name}{end}\n{sizes}" for end in endings)

    assert mapped_files(smaps(1).split("\n")) == {f"/data/{name}1": Mapped(64 << 10, 32 << 10)}
    after = grown(smaps(1), smaps(1, 2))
    assert (after.file, after.pss, after.anonymous) == (64 << 10, 32 << 10, 0)
    assert grown(smaps(1), smaps(1)).file == 0


@pytest.mark.parametrize("name", ["a\u2028b", "a\x0cb", "a\rb", "a\udcffb"])
def test_a_mapped_file_of_this_process_is_known_by_its_whole_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"x" * 8192)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        assert held[0] == ord("x")
        assert mapped_files()[str(path)].file >= 4096


@pytest.mark.parametrize("name", ["\x1cVmHWM: 9 kB", "\xff", "many kB"])
def test_peak_of_a_process_of_any_name(measure, name):
    assert measure("named", comm=name) > MIB


def test_a_system_without_smaps_is_named_in_one_message(monkeypatch, tmp_path):
    """As on macOS."""
    monkeypatch.setattr(memory, "ROLLUP", tmp_path / "smaps_rollup")
    with pytest.raises(UserError, match="resident memory cannot be read here") as error:
        memory.resident()
    assert "on Linux" in error.value.remedy
