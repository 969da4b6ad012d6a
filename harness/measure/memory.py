"""What a process holds, read where the kernel keeps it.

``ru_maxrss`` is inherited through exec and differences of the resident size inside one process miss what reuses freed
memory; so the peak is VmHWM, and what is resident comes from smaps_rollup, in a process that never held anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_KIB = 1024


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
