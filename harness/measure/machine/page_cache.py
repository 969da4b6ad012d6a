"""The page cache: drop a system's files from it, and say how far that went."""

from __future__ import annotations

import ctypes
import mmap
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Dropped:
    """Bytes of the files, and how many of them the page cache held before and after.

    What another process maps, or is not written yet, stays; `cold` says whether less than 1 % did.
    """

    size: int
    before: int
    after: int

    @property
    def cold(self) -> bool:
        """Whether less than 1 % of the bytes stayed."""
        return self.after <= 0.01 * self.size


def drop_cache(paths: Iterable[Path]) -> Dropped:
    """Ask the kernel to forget the cached pages of these files, and of all files under these folders.

    Advice only (``POSIX_FADV_DONTNEED``): it needs no privileges and touches no other file. Below the page cache a disk
    has caches of its own, which this does not reach.

    Raises:
        OSError: A file cannot be read, or the system has no such advice.
    """
    if not hasattr(os, "posix_fadvise"):
        raise OSError("this system cannot be asked to drop files from its page cache")
    files = sorted({file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))})
    files = [file for file in files if file.is_file()]
    before = sum(cached_bytes(file) for file in files)
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # what is not on the disk yet cannot be forgotten
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    return Dropped(sum(file.stat().st_size for file in files), before, sum(cached_bytes(file) for file in files))


def cached_bytes(file: Path) -> int:
    """Bytes of a file that the page cache holds, by mincore(2), in whole pages but never more than the file's size."""
    size = file.stat().st_size
    if not size:
        return 0
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = np.frombuffer(mapped, np.uint8)
        pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
        library = ctypes.CDLL(None, use_errno=True)
        failed = library.mincore(ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(size), pages)
        del view  # it must not outlive the mapping
        if failed:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(file))
        return min(size, int((np.frombuffer(bytes(pages), np.uint8) & 1).sum()) * mmap.PAGESIZE)
