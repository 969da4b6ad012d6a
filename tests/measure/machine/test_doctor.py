"""The machine as files say it is: a fit one, and one fault at a time."""

import os
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from harness.measure.machine import doctor
from harness.measure.machine import environment as env

CPUINFO = "processor : 0\nmodel name : Good CPU 9000\nmicrocode : 0x1\nflags : fpu sse4_2 avx avx2 fma\n"
FIT = {
    "/proc/cpuinfo": CPUINFO,
    "/proc/meminfo": "MemTotal: 100 kB\nSwapTotal: 2048 kB\nSwapFree: 2048 kB\n",
    "/sys/devices/system/cpu/smt/control": "off",
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
    "/sys/devices/system/cpu/intel_pstate/no_turbo": "1",
    "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
    "/sys/fs/cgroup/cpu.max": "max 100000",
    "/sys/fs/cgroup/memory.max": "max",
}


def times(steal):
    """Times of all processors as psutil tells them; the fields make 10,000 seconds with a `steal` of 10."""
    fields = {"user": 1000.0, "nice": 0.0, "system": 100.0, "idle": 8890.0, "iowait": 0.0, "irq": 0.0, "softirq": 0.0}
    return SimpleNamespace(**fields, steal=steal, guest=7.0, guest_nice=7.0)


@pytest.fixture
def machine(monkeypatch):
    files = dict(FIT)
    monkeypatch.setattr(env, "_read", lambda path: files.get(path, "").strip())
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(used=0))
    monkeypatch.setattr(psutil, "cpu_times", lambda: times(10.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    return files


def test_a_fit_machine_has_nothing_to_mend(machine):
    found = [finding for finding in doctor.examine() if finding.what != "libraries"]
    assert len(found) == 12
    assert {finding.level for finding in found} == {"ok"}


@pytest.mark.parametrize(
    ("path", "content", "what", "level"),
    [
        ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave", "frequency governor", "warn"),
        ("/sys/devices/system/cpu/intel_pstate/no_turbo", "0", "turbo", "warn"),
        ("/sys/devices/system/cpu/smt/control", "on", "threads of a core", "warn"),
        ("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never", "transparent huge pages", "warn"),
        ("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet", "clock", "warn"),
        ("/sys/fs/cgroup/cpu.max", "150000 100000", "quota", "bad"),
        ("/proc/cpuinfo", "flags : fpu hypervisor\n", "virtual machine", "warn"),
    ],
)
def test_each_fault_is_found_and_has_a_remedy(machine, path, content, what, level):
    machine[path] = content
    found = {finding.what: finding for finding in doctor.examine() if finding.level != "ok"}
    found.pop("libraries", None)
    assert set(found) == {what}
    assert found[what].level == level
    assert found[what].remedy


def test_swap_in_use_is_a_fault(machine, monkeypatch):
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(used=1 << 30))
    (found,) = [finding for finding in doctor.examine() if finding.level != "ok" and finding.what != "libraries"]
    assert (found.what, found.level, found.reading) == ("swap", "bad", "1024 MiB in use")


def test_time_that_other_guests_took_is_a_fault(machine, monkeypatch):
    monkeypatch.setattr(psutil, "cpu_times", lambda: times(1000.0))
    (finding,) = [finding for finding in doctor.examine() if finding.level != "ok" and finding.what != "libraries"]
    assert (finding.what, finding.level) == ("steal time", "warn")
    assert finding.remedy


def test_a_required_library_that_is_missing_is_a_fault_with_the_command(machine, monkeypatch):
    monkeypatch.setattr(doctor, "required", lambda: ("numpy", "surely-not-installed", "torch"))
    finding = next(finding for finding in doctor.examine() if finding.what == "libraries")
    assert finding.level == "bad"
    assert finding.remedy == "pip install surely-not-installed"
    monkeypatch.setattr(doctor, "required", lambda: ("numpy", "torch"))
    assert next(finding for finding in doctor.examine() if finding.what == "libraries").level == "ok"


@pytest.mark.parametrize(("load", "level"), [(0.5, "ok"), (1.5, "warn"), (3.0, "bad")])
def test_load(machine, monkeypatch, load, level):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0, 0))
    assert next(finding for finding in doctor.examine() if finding.what == "load").level == level


def test_one_core_and_a_forced_kernel(machine, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    levels = {finding.what: finding.level for finding in doctor.examine()}
    assert (levels["cores"], levels["BLAS"]) == ("bad", "warn")


def test_facts_of_a_known_machine(machine):
    machine["/sys/fs/cgroup/cpu.max"], machine["/sys/fs/cgroup/memory.max"] = "150000 100000", str(2 << 30)
    facts = env.environment()
    assert facts["Machine"]["processor"] == "Good CPU 9000"
    assert facts["Machine"]["instructions"] == "sse4_2 avx avx2 fma"
    assert facts["Machine"]["limits of the container"] == "1.5 cores' time, 2.0 GiB memory"
    assert facts["Conditions"]["turbo"] == "off"
    assert facts["Conditions"]["transparent huge pages"] == "madvise"


def test_facts_are_text_throughout_where_nothing_is_readable(monkeypatch):
    monkeypatch.setattr(env, "_read", lambda path: "")
    for group in env.environment().values():
        assert all(isinstance(value, str) and value for value in group.values())
    assert doctor.examine()


def test_fingerprint_follows_the_machine_and_no_reading_that_changes(machine, monkeypatch):
    first = env.machine_fingerprint()
    machine["/proc/meminfo"] = ""
    monkeypatch.setattr(psutil, "cpu_times", lambda: times(9.0))
    monkeypatch.setattr(os, "getloadavg", lambda: (9, 9, 9))
    assert env.machine_fingerprint() == first
    machine["/proc/cpuinfo"] = CPUINFO.replace("9000", "9001")
    assert env.machine_fingerprint() != first


def test_looking_imports_nothing_heavy():
    code = (
        "import sys; from harness.measure.machine import doctor, environment\n"
        "doctor.examine(); environment.environment()\n"
        "print([name for name in ('numpy', 'scipy', 'torch', 'pandas', 'faiss', 'numba') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
