"""Look whether this machine is fit to time on; change nothing."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from harness.measure.machine import environment as env
from harness.versions import installed, required

Level: TypeAlias = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: Whether times taken on this machine can be trusted as far as this thing goes.
        what: The thing: cores, load, swap, ...
        reading: What the machine says of it, with its unit.
        remedy: What to do about it; "" where it is ok.
    """

    level: Level
    what: str
    reading: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """The finding for scripts. ``found`` is the name that ``reading`` had before; both hold the same text."""
        return {**asdict(self), "found": self.reading}


def examine() -> list[Finding]:
    """Look at processors, load, frequency, memory settings, the clock and libraries, one finding each."""
    looks = (
        *(_cores, _quota, _host, _load, _governor, _turbo, _siblings),
        *(_swap, _huge_pages, _steal, _clock, _blas, _libraries),
    )
    return [look() for look in looks]


def _cores() -> Finding:
    usable = env.bound_cores()
    if usable < 2:
        return Finding(
            "bad", "cores", f"{usable} usable", "the harness and what it times share one core: use two or more"
        )
    return Finding("ok", "cores", f"{usable} usable of {os.cpu_count()}")


def _quota() -> Finding:
    limits = env.container_limits()
    if "cores" in limits:
        return Finding(
            "bad",
            "quota",
            limits,
            "a quota stops a process for milliseconds at a time: give whole cores (cpuset) instead",
        )
    return Finding("ok", "quota", limits or "none")


def _host() -> Finding:
    if env.environment()["Machine"]["hypervisor"] == "yes":
        return Finding(
            "warn",
            "virtual machine",
            "yes",
            "frequency and neighbours cannot be seen from inside: use more processes, and look at the null control",
        )
    return Finding("ok", "virtual machine", "no sign of one")


def _load() -> Finding:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    reading = f"{load:.2f} over the last minute on {cores} cores"
    if load > 0.5 * cores:
        return Finding("bad", "load", reading, "other work runs: wait until the load is below a quarter of the cores")
    if load > 0.25 * cores:
        return Finding("warn", "load", reading, "other work runs: expect wider intervals")
    return Finding("ok", "load", reading)


def _governor() -> Finding:
    reading = env.environment()["Conditions"]["frequency governor"]
    if reading in {"powersave", "ondemand", "conservative", "schedutil"}:
        return Finding("warn", "frequency governor", reading, "cpupower frequency-set -g performance")
    return Finding("ok", "frequency governor", reading)


def _turbo() -> Finding:
    reading = env.turbo()
    if reading == "on":
        return Finding(
            "warn", "turbo", reading, "frequencies depend on temperature: switch it off in the firmware to compare days"
        )
    return Finding("ok", "turbo", reading)


def _siblings() -> Finding:
    reading = env.environment()["Machine"]["simultaneous multithreading"]
    if reading == "on":
        return Finding(
            "warn",
            "threads of a core",
            "simultaneous multithreading on",
            "they slow each other: boot with nosmt",
        )
    return Finding("ok", "threads of a core", f"simultaneous multithreading {reading}")


def _clock() -> Finding:
    reading = env.environment()["Machine"]["clock"]
    if reading in {"hpet", "acpi_pm", "jiffies", "refined-jiffies"}:
        return Finding(
            "warn", "clock", reading, "reading the time costs microseconds: boot with clocksource=tsc if it is stable"
        )
    return Finding("ok", "clock", reading)


def _swap() -> Finding:
    used = env.swap_used()
    if used > 64 << 20:
        return Finding("bad", "swap", f"{used >> 20} MiB in use", "free memory, then swapoff -a && swapon -a")
    return Finding("ok", "swap", f"{used >> 20} MiB in use")


def _huge_pages() -> Finding:
    reading = env.environment()["Conditions"]["transparent huge pages"]
    if reading == "always":
        return Finding(
            "warn", "transparent huge pages", reading, "resident sizes are rounded up to 2 MiB: choose madvise"
        )
    return Finding("ok", "transparent huge pages", reading)


def _steal() -> Finding:
    share = env.steal_share()
    if share is None:
        return Finding("ok", "steal time", "not readable")
    if share > 0.01:
        return Finding(
            "warn",
            "steal time",
            f"{share:.1%} since the start",
            "neighbours on the host take time: use repeats and processes",
        )
    return Finding("ok", "steal time", f"{share:.1%} since the start")


def _blas() -> Finding:
    forced = os.environ.get("OPENBLAS_CORETYPE")
    if forced:
        return Finding(
            "warn", "BLAS", f"OPENBLAS_CORETYPE={forced}", "a forced kernel may be slower than the processor's own"
        )
    return Finding("ok", "BLAS", "kernel chosen by the library")


def _libraries() -> Finding:
    missing = [name for name in required() if installed(name) == "none"]
    if missing:
        return Finding("bad", "libraries", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Finding("ok", "libraries", "all installed")
