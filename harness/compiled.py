"""Compile loops with numba, and store what is compiled where numba finds a place for it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from numba import config, njit

if TYPE_CHECKING:
    from collections.abc import Callable


P = ParamSpec("P")
R = TypeVar("R")


def _spare_linear_algebra() -> None:
    """Load numba's functions of arrays without scipy.linalg, whose import takes half as long as that of numba itself.

    Numba imports it only to see whether it is there. A loop that multiplies matrices imports it when it runs. A numba
    whose functions lie elsewhere loads them as ever.
    """
    name = "scipy.linalg.cython_blas"
    if name in sys.modules:
        return
    sys.modules[name] = ModuleType(name)
    try:
        with contextlib.suppress(ImportError):
            import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules[name]


_spare_linear_algebra()


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function compiled at its first call, without the interpreter's lock.

    Later processes find the result on disk: beside the package, in the user's folder for caches, or in the folder that
    ``NUMBA_CACHE_DIR`` names. For a user without a home, and where numba finds none of them (a read-only installation),
    it is a folder of the user's own among the temporary files. Where there is no place each process compiles again.
    What is found counts as old as soon as any module of the function's package with compiled loops has another text,
    because loops of one module call those of others.
    """
    kernel: Callable[P, R]
    if not config.CACHE_DIR and not _has_home():
        with contextlib.suppress(OSError):
            config.CACHE_DIR = _temporary()
    try:
        kernel = _stored(function)
    except RuntimeError:  # numba found no place for its files
        try:
            config.CACHE_DIR = config.CACHE_DIR or _temporary()
            kernel = _stored(function)
        except (RuntimeError, OSError):
            kernel = njit(nogil=True)(function)
    return kernel


def _stored(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with a cache on disk.

    Raises:
        RuntimeError: Numba found no place for it.
    """
    dispatcher = njit(cache=True, nogil=True)(function)
    # Numba itself looks at the time of the function's own file alone, and has no other way to say this.
    dispatcher._cache._cache_file._source_stamp = _texts(Path(function.__code__.co_filename).parent)
    kernel: Callable[P, R] = dispatcher
    return kernel


@lru_cache
def _texts(package: Path) -> str:
    """A digest of all modules in a folder that have compiled loops or call numba."""
    digest = hashlib.sha256()
    for module in sorted(package.glob("*.py")):
        text = module.read_bytes()
        if b"harness.compiled" in text or b"numba" in text:
            digest.update(hashlib.sha256(text).digest())
    return digest.hexdigest()


def _has_home() -> bool:
    """Whether the user has a folder for caches; numba would take ``~`` of the current folder for one."""
    return Path(os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~")).is_absolute()  # noqa: PTH111


def _temporary() -> str:
    """A folder among the temporary files that only this user may write to.

    Raises:
        OSError: There is none. What is stored there is run, so a folder of somebody else must not be used.
    """
    folder = Path(tempfile.gettempdir()) / f"laconic-bench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise PermissionError(f"{folder} belongs to somebody else")
    return str(folder)
