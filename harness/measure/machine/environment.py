"""The machine and the software that a time depends on, read without changing anything.

psutil reads memory, swap, temperature and the processors' time. It tells nothing of the frequency governor, turbo, huge
pages, the clock, caches, instructions and control groups: those are read here from the kernel's files. It is imported
where it is needed, so that a command that measures nothing starts quickly.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.measure.machine import control_groups
from harness.versions import installed

if TYPE_CHECKING:
    from collections.abc import Iterable

Facts = dict[str, dict[str, str]]


def environment(libraries: Iterable[str] = ()) -> Facts:
    """Labelled facts by group: machine, conditions, software, thread settings.

    Args:
        libraries: Distributions whose versions are shown among the software, beside the system and the interpreter:
            what the collections, encoders, indexes, metrics and measurements of a run declare.
    """
    return {
        "Machine": {
            "processor": cpu_model(),
            "cores": f"{os.cpu_count()} ({usable_cores()} usable)",
            "simultaneous multithreading": _read("/sys/devices/system/cpu/smt/control") or "unknown",
            "caches": _caches(),
            "instructions": instructions(),
            "microcode": _cpuinfo("microcode") or "unknown",
            "memory": f"{memory_bytes() / 2**30:.1f} GiB",
            "limits of the container": container_limits() or "none seen",
            "clock": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource") or "not readable",
            "hypervisor": "yes" if "hypervisor" in _cpuinfo("flags") else "none seen",
        },
        "Conditions": {
            "frequency governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not readable",
            "turbo": turbo(),
            "transparent huge pages": selected(_read("/sys/kernel/mm/transparent_hugepage/enabled")) or "not readable",
            "swap in use": f"{swap_used() >> 20} MiB",
            "temperature": _temperature(),
            "load average": " ".join(f"{value:.2f}" for value in os.getloadavg()),
            "address randomisation": _read("/proc/sys/kernel/randomize_va_space") or "not readable",
        },
        "Software": {
            "system": f"{platform.system()} {platform.release()}",
            "Python": f"{platform.python_implementation()} {platform.python_version()}",
            **{name: installed(name) for name in sorted(set(libraries))},
        },
        "Settings": {
            name: os.environ[name]
            for name in (
                "OMP_NUM_THREADS",
                "MKL_NUM_THREADS",
                "OPENBLAS_NUM_THREADS",
                "OPENBLAS_CORETYPE",
                "MKL_ENABLE_INSTRUCTIONS",
                "NUMBA_CPU_NAME",
                "OMP_WAIT_POLICY",
            )
            if name in os.environ
        },
    }


def machine_fingerprint() -> str:
    """Short digest of what makes timings comparable: processor, cores, memory, kernel series. No volatile reading."""
    kernel = ".".join(platform.release().split(".")[:2])
    parts = (cpu_model(), str(os.cpu_count()), str(round(memory_bytes() / 2**30)), platform.machine(), kernel)
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:12]


def cpu_model() -> str:
    """The processor's name."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def bound_cores() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_cores() -> int:
    """Processors that this process can keep busy: those that it may run on, and no more than its quota of their time.

    A part of a processor counts only where there is no whole one.
    """
    quota = control_groups.limits(_read).cores
    return bound_cores() if quota is None else max(1, min(bound_cores(), int(quota)))


def container_limits() -> str:
    """What control groups allow of processors' time and of memory; "" where no limit is set or readable."""
    allowed = control_groups.limits(_read)
    limits = [] if allowed.cores is None else [f"{allowed.cores:g} cores' time"]
    if allowed.memory is not None:
        limits.append(f"{allowed.memory / 2**30:.1f} GiB memory")
    return ", ".join(limits)


def throttled_seconds() -> float:
    """Seconds in which a quota stopped processes of this control group; see `control_groups.throttled_seconds`."""
    return control_groups.throttled_seconds(_read)


def memory_bytes() -> int:
    """Physical memory."""
    import psutil

    return int(psutil.virtual_memory().total)


def available_bytes() -> int:
    """Memory that programs may still take without swapping, and that their control groups still allow."""
    import psutil

    available, left = int(psutil.virtual_memory().available), control_groups.limits(_read).memory_left
    return available if left is None else min(available, left)


def swap_used() -> int:
    """Bytes of swap in use."""
    import psutil

    return int(psutil.swap_memory().used)


def turbo() -> str:
    """Whether the processor may exceed its base frequency."""
    if no_turbo := _read("/sys/devices/system/cpu/intel_pstate/no_turbo"):
        return "off" if no_turbo == "1" else "on"
    if boost := _read("/sys/devices/system/cpu/cpufreq/boost"):
        return "on" if boost == "1" else "off"
    return "not readable"


@dataclass(frozen=True)
class ProcessorTimes:
    """Seconds of all processors since the start: at work here, taken by other guests of the host, and in all."""

    busy: float
    stolen: float
    total: float


def processor_times() -> ProcessorTimes | None:
    """What the system counts; None where it does not count what other guests took."""
    import psutil

    times = psutil.cpu_times()
    stolen = getattr(times, "steal", None)  # Linux alone
    if stolen is None:
        return None
    # The time of guests is part of user and nice.
    busy = times.user + times.nice + times.system + times.irq + times.softirq
    return ProcessorTimes(busy, stolen, busy + times.idle + times.iowait + stolen)


def steal_share() -> float | None:
    """Share of all processor time since the start that other guests of the host took; None where it is not counted."""
    times = processor_times()
    return None if times is None else times.stolen / max(times.total, 1.0)


def selected(text: str) -> str:
    """The choice in brackets: ``always [madvise] never`` gives madvise."""
    choice = re.search(r"\[(\w+)\]", text)
    return choice[1] if choice else text


def _cpuinfo(field: str) -> str:
    line = re.search(rf"^{field}\s*:\s*(.*)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return line[1].strip() if line else ""


def instructions() -> str:
    """Those of the processor's vector instructions that decide a time, by the kernel's names; "unknown" without any."""
    flags = set(_cpuinfo("flags").split())
    known = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
    return " ".join(name for name in known if name in flags) or "unknown"


def _temperature() -> str:
    """The highest reading of the first sensor that belongs to the processor."""
    import psutil

    read = getattr(psutil, "sensors_temperatures", None)  # not on every system
    sensors = read() if read is not None else {}
    for kind, readings in sorted(sensors.items()):
        if readings and any(part in kind.lower() for part in ("cpu", "core", "x86_pkg", "k10temp", "zenpower")):
            return f"{max(reading.current for reading in readings):.0f} °C ({kind})"
    return "not readable"


def _caches() -> str:
    caches = []
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = _read(str(folder / "type"))
        if kind != "Instruction":
            caches.append(f"L{_read(str(folder / 'level'))} {_read(str(folder / 'size'))}")
    return ", ".join(caches) or "not readable"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
