"""What is read of the machine, against the kernel's own files and against pretended ones."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from harness.measure.machine import environment

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def meminfo(name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)[1]) * 1024


@LINUX
def test_memory_is_the_kernels():
    assert environment.memory_bytes() == meminfo("MemTotal")
    assert environment.available_bytes() == pytest.approx(meminfo("MemAvailable"), rel=0.2)
    assert environment.swap_used() == pytest.approx(meminfo("SwapTotal") - meminfo("SwapFree"), abs=64 << 20)


def test_usable_processors_follow_the_binding():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system binds no processes")
    code = (
        "import os; from harness.measure.machine.environment import usable_cores\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(usable_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("sensors", "shown"),
    [
        ({"coretemp": [SimpleNamespace(current=41.0), SimpleNamespace(current=47.4)]}, "47 °C (coretemp)"),
        ({"k10temp": [SimpleNamespace(current=60.0)]}, "60 °C (k10temp)"),
        ({"nvme": [SimpleNamespace(current=33.0)]}, "not readable"),
        ({"coretemp": []}, "not readable"),
        ({}, "not readable"),
    ],
)
def test_the_temperature_is_the_processors(monkeypatch, sensors, shown):
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors, raising=False)
    assert environment.environment()["Conditions"]["temperature"] == shown


def test_a_system_without_sensors_says_so(monkeypatch):
    monkeypatch.delattr(psutil, "sensors_temperatures", raising=False)
    assert environment.environment()["Conditions"]["temperature"] == "not readable"


@pytest.fixture
def files(monkeypatch):
    """Pretended files of the kernel; all others are missing."""
    content = {}
    monkeypatch.setattr(environment, "_read", lambda path: content.get(path, ""))
    return content


@pytest.mark.parametrize(
    ("cpu", "memory", "shown"),
    [
        ("150000 100000", "max", "1.5 cores' time"),
        ("max 100000", str(2 << 30), "2.0 GiB memory"),
        ("200000 100000", str(1 << 30), "2 cores' time, 1.0 GiB memory"),
        ("max 100000", "max", ""),
        ("", "", ""),
        ("nonsense", "nonsense", ""),
    ],
)
def test_limits_of_a_container(files, cpu, memory, shown):
    files["/sys/fs/cgroup/cpu.max"], files["/sys/fs/cgroup/memory.max"] = cpu, memory
    assert environment.container_limits() == shown


@pytest.mark.parametrize(
    ("path", "text", "shown"),
    [
        ("/sys/devices/system/cpu/intel_pstate/no_turbo", "1", "off"),
        ("/sys/devices/system/cpu/intel_pstate/no_turbo", "0", "on"),
        ("/sys/devices/system/cpu/cpufreq/boost", "1", "on"),
        ("/sys/devices/system/cpu/cpufreq/boost", "0", "off"),
        ("/elsewhere", "1", "not readable"),
    ],
)
def test_turbo(files, path, text, shown):
    files[path] = text
    assert environment.turbo() == shown


def test_steal_is_a_share_of_all_time_and_unknown_where_it_is_not_counted(monkeypatch):
    fields = {"user": 40.0, "nice": 5.0, "system": 10.0, "idle": 20.0, "iowait": 5.0, "irq": 6.0, "softirq": 4.0}
    counted = SimpleNamespace(**fields, steal=10.0, guest=7.0, guest_nice=7.0)
    monkeypatch.setattr(psutil, "cpu_times", lambda: counted)
    assert environment.processor_times() == environment.ProcessorTimes(busy=65.0, stolen=10.0, total=100.0)
    assert environment.steal_share() == 0.1
    monkeypatch.setattr(psutil, "cpu_times", lambda: SimpleNamespace(user=1.0, nice=0.0, system=1.0, idle=5.0))
    assert environment.processor_times() is None
    assert environment.steal_share() is None


def kernel_times():
    """Busy and stolen seconds of all processors, from the kernel's own file."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _, _, irq, soft, steal = (int(field) / os.sysconf("SC_CLK_TCK") for field in fields)
    return user + nice + system + irq + soft, steal


@LINUX
def test_the_time_of_all_processors_is_what_the_kernel_counts():
    before, times, after = kernel_times(), environment.processor_times(), kernel_times()
    assert before[0] - 1e-6 <= times.busy <= after[0] + 1e-6
    assert before[1] - 1e-6 <= times.stolen <= after[1] + 1e-6
    assert times.total > times.busy + times.stolen


def test_software_names_the_libraries_that_it_is_given_and_no_others():
    shown = environment.environment(["numpy", "surely-not-installed", "numpy"])["Software"]
    assert list(shown) == ["system", "Python", "numpy", "surely-not-installed"]
    assert (shown["numpy"], shown["surely-not-installed"]) == (np.__version__, "none")
    assert list(environment.environment()["Software"]) == ["system", "Python"]


@pytest.mark.parametrize(
    ("text", "choice"), [("always [madvise] never", "madvise"), ("[never]", "never"), ("plain", "plain"), ("", "")]
)
def test_the_selected_setting_stands_in_brackets(text, choice):
    assert environment.selected(text) == choice


def test_the_fingerprint_changes_with_what_times_depend_on(monkeypatch):
    before = environment.machine_fingerprint()
    assert before == environment.machine_fingerprint()
    assert re.fullmatch("[0-9a-f]{12}", before)
    for name, value in (("cpu_model", "another"), ("memory_bytes", 1 << 40)):
        with monkeypatch.context() as patch:
            patch.setattr(environment, name, lambda value=value: value)
            assert environment.machine_fingerprint() != before


def test_instructions_are_those_that_matter(files):
    files["/proc/cpuinfo"] = "flags\t\t: fpu avx2 sse4_2 avx512f lm\nmodel name\t: A processor\n"
    facts = environment.environment()["Machine"]
    assert facts["instructions"] == "sse4_2 avx2 avx512f"
    assert facts["processor"] == "A processor"
    assert facts["hypervisor"] == "none seen"
    files["/proc/cpuinfo"] = "flags: hypervisor"
    assert environment.environment()["Machine"]["hypervisor"] == "yes"
