"""What control groups allow this process: memory, and time of the processors.

Version 1 has a tree of groups for each controller, version 2 has one tree. A limit of any group from the process' own
up to the root of the tree binds it, so the smallest one counts. A container may see its own part of a tree alone, which
is then mounted where the root would be.
Source: https://docs.kernel.org/admin-guide/cgroup-v2.html and https://docs.kernel.org/admin-guide/cgroup-v1/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Read: TypeAlias = "Callable[[str], str]"
"""Gives the text of a file, without white space at its ends; "" where it cannot be read."""
USUAL = "/sys/fs/cgroup"
UNLIMITED = 1 << 60
"""Bytes from which on version 1 means no limit."""
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Limits:
    """The smallest limits of all groups; None where there is none.

    Attributes:
        cores: Processors' time, in processors.
        memory: Bytes.
        memory_left: Bytes that may still be taken; the page cache of a group can be dropped, and does not count.
    """

    cores: float | None = None
    memory: int | None = None
    memory_left: int | None = None


def limits(read: Read) -> Limits:
    """The limits of this process.

    Args:
        read: Reads the kernel's files.
    """
    cores = [quota for folder in _groups(read, "cpu") if (quota := _quota(read, folder)) is not None]
    memory: list[int] = []
    left: list[int] = []
    for folder in _groups(read, "memory"):
        for limit in _memory(read, folder):
            memory.append(limit)
            used = _number(read(f"{folder}/memory.current") or read(f"{folder}/memory.usage_in_bytes"))
            left.append(max(limit - max((used or 0) - _page_cache(read(f"{folder}/memory.stat")), 0), 0))
    return Limits(min(cores, default=None), min(memory, default=None), min(left, default=None))


def throttled_seconds(read: Read) -> float:
    """Seconds since the groups were made in which a quota stopped their processes; 0 where none is counted.

    The kernel counts each processor by itself, so a second with two stopped processors is two seconds.
    """
    seconds = 0.0
    for folder in _groups(read, "cpu"):
        counted = _fields(read(f"{folder}/cpu.stat"))
        seconds += counted.get("throttled_usec", 0) * 1e-6 + counted.get("throttled_time", 0) * 1e-9
    return seconds


def _groups(read: Read, controller: str) -> Iterator[str]:
    """Folders of the groups that bind this process, from its own one up to the root that is visible."""
    mounted = _mounts(read)
    own: dict[str, str] = {}
    for line in read("/proc/self/cgroup").split("\n"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        own |= dict.fromkeys(controllers.split(",") if controllers else ("",), path)
    name = controller if controller in mounted else ""  # version 2 has one tree, without a name
    root, top = mounted.get(name, ("/", USUAL))
    path = own.get(name, "/")
    # A container without a view of its own has the path from outside; the mount shows the part from `root` on.
    below = path.removeprefix(root.rstrip("/")) if path == root or path.startswith(f"{root.rstrip('/')}/") else ""
    parts = [part for part in below.split("/") if part and part != ".."]
    for end in range(len(parts), -1, -1):
        yield "/".join([top, *parts[:end]])


def _mounts(read: Read) -> dict[str, tuple[str, str]]:
    """Root and folder of each mounted tree by controller; version 2 under the empty name."""
    mounted: dict[str, tuple[str, str]] = {}
    for line in read("/proc/self/mountinfo").split("\n"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        root, folder = (_ESCAPE.sub(lambda match: chr(int(match[1], 8)), text) for text in fields[3:5])
        if kind[0] == "cgroup2":
            mounted.setdefault("", (root, folder))
        elif kind[0] == "cgroup":
            for name in kind[2].split(","):
                mounted.setdefault(name, (root, folder))
    return mounted


def _quota(read: Read, folder: str) -> float | None:
    quota, _, period = read(f"{folder}/cpu.max").partition(" ")
    if not period:
        quota, period = (read(f"{folder}/cpu.cfs_{name}_us") for name in ("quota", "period"))
    allowed, every = _number(quota), _number(period)
    return allowed / every if allowed and every else None


def _memory(read: Read, folder: str) -> Iterator[int]:
    """Limits that a group has itself, and in version 1 also what groups out of sight allow."""
    texts = [read(f"{folder}/{name}") for name in ("memory.max", "memory.high", "memory.limit_in_bytes")]
    numbers = [*map(_number, texts), _fields(read(f"{folder}/memory.stat")).get("hierarchical_memory_limit")]
    yield from (number for number in numbers if number is not None and number < UNLIMITED)


def _page_cache(stat: str) -> int:
    counted = _fields(stat)
    # Version 1 has the whole tree below a group under names of their own.
    return sum(counted.get(f"total_{name}", counted.get(name, 0)) for name in ("inactive_file", "active_file"))


def _fields(text: str) -> dict[str, int]:
    pairs = (line.partition(" ") for line in text.split("\n"))
    return {name: number for name, _, value in pairs if (number := _number(value)) is not None}


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,19}", text) else None
