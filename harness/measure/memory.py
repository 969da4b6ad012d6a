"""What a process holds, read where the kernel keeps it.

psutil tells neither the peak (VmHWM) nor which resident pages are anonymous, so the kernel's files are read here.

``ru_maxrss`` is inherited through exec and differences of the resident size inside one process miss what reuses freed
memory; so the peak is VmHWM, and what is resident comes from smaps_rollup, in a process that never held anything else.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROLLUP = Path("/proc/self/smaps_rollup")
STATUS = Path("/proc/self/status")
UNREADABLE = f"this system has no {ROLLUP}; only Linux has it, from 4.14 on"
"""Why resident memory is not measured where `readable` is false."""
_KIB = 1024
_ANONYMOUS = re.compile(r"^Anonymous:\s+(\d+) kB", re.MULTILINE)
_MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ (\d+)\s*(.*)")


@dataclass(frozen=True)
class Resident:
    """Bytes resident in this process.

    `anonymous`: heap, stacks, private copies. `file`: pages of mapped files (resident size that is not anonymous).
    `shared`: pages that another process maps too, of either kind. `pss`: resident size with shared pages divided among
    their users. `rss`: all resident pages.
    """

    anonymous: int
    file: int
    shared: int
    pss: int
    rss: int


def readable() -> bool:
    """Whether the kernel tells what a process holds, by kind of page."""
    return ROLLUP.exists()


def settle() -> None:
    """Collect garbage, and give back to the system what the C library keeps of freed memory, where it is glibc.

    How much it keeps depends on where the last block happens to lie: tens of MiB more or less in two processes that did
    the same. So a reading before this is not one of what is in use.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def resident() -> Resident:
    """Read ``/proc/self/smaps_rollup``.

    Raises:
        UserError: The system has none.
    """
    try:
        fields = sizes(ROLLUP)
    except OSError as error:
        raise UserError(
            f"resident memory cannot be read here ({error.strerror}): {UNREADABLE}",
            file=ROLLUP,
            remedy="measure memory on Linux; a run on another system leaves it out",
        ) from None
    rss, anonymous = fields["Rss"], fields["Anonymous"]
    shared = fields["Shared_Clean"] + fields["Shared_Dirty"]
    return Resident(anonymous, rss - anonymous, shared, fields["Pss"], rss)


@dataclass(frozen=True)
class Mapped:
    """Bytes of one file that are resident here: not copied, and the share that falls to this process."""

    file: int
    pss: int


def mapped_files(lines: Iterable[str] | None = None) -> dict[str, Mapped]:
    """What each mapped file has resident in this process, by path (``/proc/self/smaps``).

    Args:
        lines: Of another process' smaps, to read those instead.

    Raises:
        OSError: The system has none (only Linux has).
    """
    if lines is None:
        with Path("/proc/self/smaps").open(encoding="utf-8", errors="surrogateescape", newline="\n") as own:
            return mapped_files(own)
    mapped: dict[str, Mapped] = {}
    path, values = "", dict.fromkeys(("Rss", "Pss", "Anonymous"), 0)

    def keep() -> None:
        if path:
            before = mapped.get(path, Mapped(0, 0))
            file = values["Rss"] - values["Anonymous"]
            mapped[path] = Mapped(before.file + file, before.pss + min(values["Pss"], file))

    for line in lines:
        if header := _MAPPING.fullmatch(line.rstrip("\n")):
            keep()
            path, values = (header[2] if header[1] != "0" else ""), dict.fromkeys(values, 0)
        else:
            name, _, rest = line.partition(":")
            if name in values:
                values[name] = int(rest.split()[0]) * _KIB
    keep()
    return mapped


def newly_mapped(before: Mapping[str, Mapped]) -> Mapped:
    """What the files have resident that were not mapped before.

    A difference of all file-backed pages would also count what the kernel took away meanwhile: pages of libraries, on
    a machine that is short of memory, by tens of MiB.
    """
    return _new(before, mapped_files())


@dataclass(frozen=True)
class Grown:
    """Bytes that a process came to hold: heap and private copies, pages of files not mapped before, and their share."""

    anonymous: int
    file: int
    pss: int


def grown(before: str, after: str) -> Grown:
    """What a process came to hold between two readings of its smaps, as `resident` and `newly_mapped` count it here."""
    # Not splitlines: the kernel writes a file's name as it is, but for line feeds.
    files = _new(mapped_files(before.split("\n")), mapped_files(after.split("\n")))
    anonymous = sum(
        int(kib) * sign for text, sign in ((after, _KIB), (before, -_KIB)) for kib in _ANONYMOUS.findall(text)
    )
    return Grown(anonymous, files.file, anonymous + files.pss)


def _new(before: Mapping[str, Mapped], after: Mapping[str, Mapped]) -> Mapped:
    new = [mapped for path, mapped in after.items() if path not in before]
    return Mapped(sum(mapped.file for mapped in new), sum(mapped.pss for mapped in new))


def peak() -> int:
    """Highest resident size of this process so far, in bytes (VmHWM); 0, for unknown, where there is no ``/proc``."""
    return sizes(STATUS)["VmHWM"] if STATUS.exists() else 0


def reset_peak() -> bool:
    """Let the peak begin anew at the present resident size; False where the kernel does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def status_bytes(pid: int, field: str) -> int:
    """A field of ``/proc/PID/status`` in bytes; 0 once the process is gone.

    Without ``/proc`` the present resident size stands for present sizes, and 0, for unknown, for the peak.
    """
    with contextlib.suppress(OSError):
        return sizes(Path(f"/proc/{pid}/status")).get(field, 0)
    if not STATUS.exists() and field != "VmHWM":
        import psutil

        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(pid).memory_info().rss)
    return 0


def sizes(path: Path) -> dict[str, int]:
    """The lines ``Name:  123 kB`` of a proc file, in bytes.

    Raises:
        OSError: There is no such file.
    """
    fields = {}
    for line in path.read_bytes().split(b"\n"):  # the name of a process may hold other ends of lines, and be no text
        name, _, rest = line.partition(b":")
        parts = rest.split()
        if len(parts) == 2 and parts[1] == b"kB" and parts[0].isdigit():
            fields[name.decode()] = int(parts[0]) * _KIB
    return fields
