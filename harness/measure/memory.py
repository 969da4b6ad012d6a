"""What a process holds, read where the kernel keeps it.

``ru_maxrss`` is inherited through exec and differences of the resident size inside one process miss what reuses freed
memory; so the peak is VmHWM, and what is resident comes from smaps_rollup, in a process that never held anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_KIB = 1024
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


def resident() -> Resident:
    """Read ``/proc/self/smaps_rollup``.

    Raises:
        OSError: The system has none (only Linux has).
    """
    fields = _fields(Path("/proc/self/smaps_rollup"))
    rss, anonymous = fields["Rss"], fields["Anonymous"]
    shared = fields["Shared_Clean"] + fields["Shared_Dirty"]
    return Resident(anonymous, rss - anonymous, shared, fields["Pss"], rss)


@dataclass(frozen=True)
class Mapped:
    """Bytes of one file that are resident here: not copied, and the share that falls to this process."""

    file: int
    pss: int


def mapped_files() -> dict[str, Mapped]:
    """What each mapped file has resident in this process, by path (``/proc/self/smaps``).

    Raises:
        OSError: The system has none (only Linux has).
    """
    found: dict[str, Mapped] = {}
    path, values = "", dict.fromkeys(("Rss", "Pss", "Anonymous"), 0)

    def keep() -> None:
        if path:
            before = found.get(path, Mapped(0, 0))
            file = values["Rss"] - values["Anonymous"]
            found[path] = Mapped(before.file + file, before.pss + min(values["Pss"], file))

    with Path("/proc/self/smaps").open() as lines:
        for line in lines:
            if header := _MAPPING.fullmatch(line.rstrip("\n")):
                keep()
                path, values = (header[2] if header[1] != "0" else ""), dict.fromkeys(values, 0)
            else:
                name, _, rest = line.partition(":")
                if name in values:
                    values[name] = int(rest.split()[0]) * _KIB
        keep()
    return found


def newly_mapped(before: Mapping[str, Mapped]) -> Mapped:
    """What the files have resident that were not mapped before.

    A difference of all file-backed pages would also count what the kernel took away meanwhile: pages of libraries, on
    a machine that is short of memory, by tens of MiB.
    """
    new = [mapped for path, mapped in mapped_files().items() if path not in before]
    return Mapped(sum(one.file for one in new), sum(one.pss for one in new))


def peak() -> int:
    """Highest resident size of this process so far, in bytes (VmHWM)."""
    return _fields(Path("/proc/self/status"))["VmHWM"]


def reset_peak() -> bool:
    """Let the peak begin anew at the present resident size; False where the kernel does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _fields(path: Path) -> dict[str, int]:
    """The lines ``Name:  123 kB`` of a proc file, in bytes."""
    found = {}
    for line in path.read_text().splitlines():
        name, _, rest = line.partition(":")
        parts = rest.split()
        if len(parts) == 2 and parts[1] == "kB":
            found[name] = int(parts[0]) * _KIB
    return found
