"""Limits of control groups, read from pretended trees of both versions."""

import os
from types import SimpleNamespace

import psutil
import pytest

from harness.measure.machine import conditions, doctor
from harness.measure.machine import environment as env
from harness.measure.machine.control_groups import Limits, limits, throttled_seconds

GIB = 1 << 30
V2 = "31 23 0:28 {root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {root} /sys/fs/cgroup/memory rw shared:4 - cgroup cgroup rw,memory\n"
)
NONE_1 = "9223372036854771712"


def version_2(groups, own="/", root="/"):
    """Files of one tree; `groups` are {folder below the mount: {file: text}}."""
    files = {f"/sys/fs/cgroup{place}/{name}": text for place, own_ in groups.items() for name, text in own_.items()}
    return {**files, "/proc/self/mountinfo": V2.format(root=root), "/proc/self/cgroup": f"0::{own}"}


def version_1(groups, own="/", root="/"):
    """Files of a tree of each controller."""
    trees = {"cpu": "cpu,cpuacct", "memory": "memory"}
    files = {
        f"/sys/fs/cgroup/{trees[name.partition('.')[0]]}{place}/{name}": text
        for place, own_ in groups.items()
        for name, text in own_.items()
    }
    own = f"9:name=systemd:/x\n4:memory:{own}\n2:cpu,cpuacct:{own}\n0::/"
    return {**files, "/proc/self/mountinfo": V1.format(root=root), "/proc/self/cgroup": own}


def read(files):
    return lambda path: files.get(path, "").strip()


MEMORY_2 = {"memory.max": str(2 * GIB), "memory.current": str(GIB), "memory.stat": f"anon 5\ninactive_file {GIB // 2}"}
MEMORY_1 = {
    "memory.limit_in_bytes": str(2 * GIB),
    "memory.usage_in_bytes": str(GIB),
    "memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 4}\ntotal_active_file {GIB // 4}\n"
    f"hierarchical_memory_limit {NONE_1}",
}
TREES = [
    # One group, as a container with a view of its own sees it.
    (version_2({"": {"cpu.max": "50000 100000", **MEMORY_2}}), Limits(0.5, 2 * GIB, 3 * GIB // 2)),
    (
        version_1({"": {"cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000", **MEMORY_1}}),
        Limits(1.5, 2 * GIB, 3 * GIB // 2),
    ),
    # No limit anywhere.
    (version_2({"": {"cpu.max": "max 100000", "memory.max": "max"}}), Limits()),
    (
        version_1({"": {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000", "memory.limit_in_bytes": NONE_1}}),
        Limits(),
    ),
    # Nested: the smallest counts, whichever group has it.
    (
        version_2(
            {
                "": {},
                "/a": {"cpu.max": "100000 100000", "memory.max": str(4 * GIB), "memory.current": str(GIB)},
                "/a/b": {"cpu.max": "300000 100000", "memory.max": str(8 * GIB), "memory.current": str(GIB)},
            },
            own="/a/b",
        ),
        Limits(1.0, 4 * GIB, 3 * GIB),
    ),
    (
        version_2(
            {
                "/a": {"memory.max": str(4 * GIB), "memory.current": str(4 * GIB)},  # a neighbour filled the outer one
                "/a/b": {"memory.max": str(2 * GIB), "memory.current": "0"},
            },
            own="/a/b",
        ),
        Limits(None, 2 * GIB, 0),
    ),
    (
        version_1(
            {"/a": {"memory.limit_in_bytes": str(GIB), "memory.usage_in_bytes": "0"}, "/a/b": MEMORY_1}, own="/a/b"
        ),
        Limits(None, GIB, GIB),
    ),
    # Version 1 without a view of its own: the path is from outside, and the mount is the container's group.
    (version_1({"": MEMORY_1}, own="/docker/abc", root="/docker/abc"), Limits(None, 2 * GIB, 3 * GIB // 2)),
    (
        version_1(
            {"": MEMORY_1, "/sub": {"memory.limit_in_bytes": str(GIB)}}, own="/docker/abc/sub", root="/docker/abc"
        ),
        Limits(None, GIB, GIB),
    ),
    # A group beside the mounted part: only the mounted one is visible.
    (version_2({"": MEMORY_2}, own="/../other", root="/"), Limits(None, 2 * GIB, 3 * GIB // 2)),
    # A group out of sight limits through what version 1 says of it.
    (
        version_1({"": {**MEMORY_1, "memory.stat": f"hierarchical_memory_limit {GIB}"}}),
        Limits(None, GIB, 0),
    ),
    # memory.high slows a process down long before memory.max ends it.
    (version_2({"": {"memory.max": "max", "memory.high": str(GIB), "memory.current": "0"}}), Limits(None, GIB, GIB)),
    # Nothing readable, or nonsense.
    ({}, Limits()),
    (version_2({"": {"cpu.max": "nonsense", "memory.max": "-5", "memory.stat": "x\ny z"}}), Limits()),
    (version_2({"": {"cpu.max": "0 0"}}), Limits()),
    (
        {"/proc/self/mountinfo": "1 2 3", "/proc/self/cgroup": "::::\n4", "/sys/fs/cgroup/memory.max": "8"},
        Limits(None, 8, 8),
    ),
]


@pytest.mark.parametrize(("files", "allowed"), TREES)
def test_the_smallest_limit_of_all_groups_counts(files, allowed):
    assert limits(read(files)) == allowed


def test_mounts_of_both_versions_beside_each_other():
    """Controllers of version 1 are read there, although version 2 is mounted too and names another group."""
    files = {**version_1({"/g": MEMORY_1}, own="/g"), "/sys/fs/cgroup/unified/memory.max": "1"}
    files["/proc/self/mountinfo"] += "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    assert limits(read(files)).memory == 2 * GIB


def test_a_folder_with_a_blank_in_its_name():
    files = {"/proc/self/mountinfo": V2.format(root="/").replace("/sys/fs/cgroup", r"/my\040groups")}
    assert limits(read({**files, "/my groups/memory.max": "8"})).memory == 8


def test_throttled_time_of_all_groups():
    groups = {"": {"cpu.stat": "usage_usec 9\nthrottled_usec 500000"}, "/a": {"cpu.stat": "throttled_usec 1500000"}}
    assert throttled_seconds(read(version_2(groups, own="/a"))) == pytest.approx(2.0)
    old = {"": {"cpu.stat": "nr_periods 3\nnr_throttled 2\nthrottled_time 250000000"}}
    assert throttled_seconds(read(version_1(old))) == pytest.approx(0.25)
    assert throttled_seconds(read({})) == 0.0


@pytest.fixture
def machine(monkeypatch):
    """A machine of eight processors and 16 GiB free, whose files are put into what is returned."""
    files = {}
    monkeypatch.setattr(env, "_read", lambda path: files.get(path, "").strip())
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=16 * GIB, total=32 * GIB))
    return files


@pytest.mark.parametrize(("limit", "left"), [(2 * GIB, 2 * GIB), (64 * GIB, 16 * GIB)])
def test_the_smaller_of_both_memories_counts(machine, limit, left):
    machine.update(version_2({"": {"memory.max": str(limit), "memory.current": "0"}}))
    assert env.available_bytes() == left
    assert env.memory_bytes() == 32 * GIB


@pytest.mark.parametrize(
    ("quota", "threads"), [("50000", 1), ("100000", 1), ("199999", 1), ("250000", 2), ("1600000", 8), ("max", 8)]
)
def test_all_threads_are_those_of_the_quota(machine, quota, threads):
    machine.update(version_2({"": {"cpu.max": f"{quota} 100000"}}))
    assert env.usable_cores() == threads
    assert env.bound_cores() == 8


def test_the_doctor_warns_of_a_quota_alone(machine):
    machine.update(version_1({"": {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"}}))
    found = {finding.what: finding for finding in doctor.examine()}
    assert (found["quota"].level, found["quota"].reading) == ("bad", "0.5 cores' time")
    assert found["cores"].level == "ok"


def test_the_time_that_a_quota_took_flags_a_process(monkeypatch):
    counted = iter([10.0, 10.4, 20.0, 20.2])
    monkeypatch.setattr(conditions, "throttled_seconds", lambda: next(counted))
    with conditions.observe() as observed, observed.paused():
        pass
    assert observed.throttled_share * observed.seconds == pytest.approx(0.6)
    assert "a quota of its control group stopped it" in observed.disturbance()
