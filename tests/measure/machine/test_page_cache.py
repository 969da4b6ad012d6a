"""Page cache: known files in and out."""

import os

import pytest

from harness.measure.machine.page_cache import cached_bytes, drop_cache

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="needs Linux")
SIZE = (8 << 20) + 123


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "big").write_bytes(os.urandom(SIZE))
    (tmp_path / "empty").touch()
    return tmp_path


def test_what_was_just_written_is_cached_and_can_be_dropped(folder):
    big = folder / "a" / "big"
    assert cached_bytes(big) == SIZE
    found = drop_cache([folder])
    assert (found.size, found.before) == (SIZE, SIZE)
    if not found.cold:
        pytest.skip(f"this file system keeps its cache: {found}")
    assert cached_bytes(big) == found.after <= 0.01 * SIZE
    with big.open("rb") as file:
        file.read(1 << 20)
    assert cached_bytes(big) >= 1 << 20


def test_a_file_that_is_mapped_and_in_use_is_told_as_not_cold(folder):
    import mmap

    with (folder / "a" / "big").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        assert sum(held[place] for place in range(0, SIZE, 4096)) > 0
        found = drop_cache([folder])
    assert found.after > 0.5 * SIZE
    assert not found.cold


def test_empty_files_and_the_same_file_twice(folder):
    assert cached_bytes(folder / "empty") == 0
    assert drop_cache([folder, folder / "a" / "big"]).size == SIZE
    assert drop_cache([]).cold
