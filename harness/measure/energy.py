"""Energy where the machine meters it, an estimate that says so elsewhere; and what a million queries cost.

Neither decides a verdict.
"""

from __future__ import annotations

import contextlib
import csv
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import UserError
from harness.measure.machine.environment import cpu_model

if TYPE_CHECKING:
    from harness.spec.models import PowerSpec

TABLE = "codecarbon/data/hardware/cpu_power.csv"
"""Design power of processors by name, as the distribution codecarbon brings it; the file is read, nothing imported."""
POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Energy:
    """Joules, where they come from, and how."""

    joules: float
    source: Literal["measured", "estimated"]
    method: str


class Meter:
    """Adds up what the packages' RAPL counters say between `go` and `halt`, which may follow each other several times.

    `joules` is None where the machine has no meter that may be read (most systems let only root read them). RAPL meters
    whole packages, all that runs on them included.
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        self.folder = folder
        self.joules: float | None = None
        self.method = "no meter"

    def go(self) -> None:
        """Begin to add up, or go on."""
        self._before = _counters(self.folder)

    def halt(self) -> None:
        """Stop for now."""
        after = _counters(self.folder)
        used = [(after[name][0] - start) % span for name, (start, span) in self._before.items() if name in after]
        if used:
            self.joules = (self.joules or 0.0) + sum(used) * 1e-6
            self.method = f"RAPL, {len(used)} package(s)"


def estimated(cpu_seconds: float, watts_per_core: float, basis: str) -> Energy:
    """Processor seconds times watts: an estimate, whose basis is part of its name."""
    return Energy(cpu_seconds * watts_per_core, "estimated", f"processor seconds x {watts_per_core:g} W ({basis})")


def design_watts(processor: str, cores: int) -> tuple[float, str]:
    """Watts of a core, the processor's design power by codecarbon's table divided among its cores, and words for it.

    Args:
        processor: Its name; the longest name of the table that is part of it counts.
        cores: Of the whole processor.

    Raises:
        UserError: codecarbon is not installed, or does not list this processor.
    """
    remedy = "give power.processor as a data sheet has it, or power.watts_per_core and power.source"
    try:
        package = distribution("codecarbon")
    except PackageNotFoundError:
        raise UserError(
            "the table of processors is not installed",
            key="measure.power",
            remedy=f"python -m pip install --no-deps codecarbon; or {remedy}",
        ) from None
    wanted = " ".join(processor.replace("(R)", "").replace("(TM)", "").split())
    with Path(str(package.locate_file(TABLE))).open(encoding="utf-8", newline="") as file:
        listed = {row["Name"]: float(row["TDP"]) for row in csv.DictReader(file)}
    closest = max((name for name in listed if f" {name} " in f" {wanted} "), key=len, default=None)
    if closest is None:
        message = f"codecarbon {package.version} does not list the processor {wanted!r}"
        raise UserError(message, key="measure.power", remedy=remedy)
    basis = f"{listed[closest]:g} W design power of {closest} among {cores} cores, codecarbon {package.version}"
    return listed[closest] / cores, basis


def watts_of(power: PowerSpec) -> tuple[float, str]:
    """Watts of a core and where they are from.

    Raises:
        UserError: They are to be looked up, and cannot be.
    """
    if power.watts_per_core is not None and power.source is not None:
        return power.watts_per_core, power.source
    return design_watts(power.processor or cpu_model(), power.processor_cores or 1)


def cost_per_million(seconds: float, price_per_hour: float, *, cores_used: int, cores_priced: int) -> float:
    """Price of a million queries that each keep `cores_used` of the `cores_priced` cores busy for `seconds`.

    In the currency of the price. It assumes full use: nothing is idle, and there is no second copy.
    """
    if min(seconds, price_per_hour) < 0 or not 0 < cores_used <= cores_priced:
        raise ValueError("seconds and price must not be negative, and no more cores used than are paid for")
    return 1e6 * seconds * price_per_hour / 3600 * cores_used / cores_priced


def _counters(folder: Path) -> dict[str, tuple[int, int]]:
    """Microjoules and the number at which the counter begins anew, by package."""
    counters = {}
    for package in sorted(folder.glob("intel-rapl:*")):
        if package.name.count(":") == 1:  # two colons: a part of a package, counted in it already
            with contextlib.suppress(OSError, ValueError):
                counter = int((package / "energy_uj").read_text())
                counters[package.name] = counter, int((package / "max_energy_range_uj").read_text()) + 1
    return counters
