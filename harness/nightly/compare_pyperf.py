"""Two files of pyperf, ours or those of any other suite, benchmark by benchmark."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.history.pyperf_entry import process_means, read_suite
from harness.nightly.changes import CONFIDENCE, PROCESSES, Change, word
from harness.nightly.thresholds import OF_BENCHMARKS
from harness.stats.welch import ratio_of_means

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyperf

UNITS = {"second": "seconds", "byte": "bytes", "integer": "count"}
"""Units of pyperf, and what they are called here."""
MACHINE = ("cpu_model_name", "cpu_count", "platform")
"""Metadata by which two files are of one machine."""


def compare_pyperf(base: Path, head: Path, *, force: bool = False, confidence: float = CONFIDENCE) -> list[Change]:
    """A verdict on every benchmark that either file has; lower is better, as pyperf has it.

    The means are those of pyperf: over all values, warm-ups and calibrations left out. pyperf's own test takes the
    values of one process for independent. Here the unit is the process, with the mean of its values.

    Args:
        base: The earlier file, JSON or JSON packed by gzip.
        head: The later one.
        force: Compare although the machines differ; every verdict then says so.
        confidence: Of the intervals.

    Raises:
        UserError: A file cannot be read, or the machines differ and `force` is not given.
    """
    suites = [read_suite(path) for path in (base, head)]
    machines = [_machine(suite) for suite in suites]
    different = [
        f"{name} ({machines[0][name]}, {machines[1][name]})"
        for name in MACHINE
        if name in machines[0] and name in machines[1] and machines[0][name] != machines[1][name]
    ]
    if different and not force:
        raise UserError(
            f"these files cannot be compared: the machines differ in {', '.join(different)}",
            file=head,
            remedy="compare files of one machine, or give --force; every verdict then says so",
        )
    note = f"the machines differ in {', '.join(different)}" if different else ""
    if not all(machines):
        note = "the files do not tell whether the machine is the same"
    before, after = ({item.get_name(): item for item in suite.get_benchmarks()} for suite in suites)
    verdicts = [
        _judged(name, base.name, before.get(name), after.get(name), confidence)
        for name in [*before, *(name for name in after if name not in before)]
    ]
    return [replace(change, note="; ".join(part for part in (change.note, note) if part)) for change in verdicts]


def _judged(
    name: str, file: str, old: pyperf.Benchmark | None, new: pyperf.Benchmark | None, confidence: float
) -> Change:
    key = (file, name, "mean")
    if old is None or new is None:
        before, after = (None if side is None else float(side.mean()) for side in (old, new))
        return Change(key, "not comparable", before, after, note=f"not in {'base' if old is None else 'head'}")
    unit = UNITS.get(old.get_unit(), old.get_unit())
    change = Change(key, "no change", float(old.mean()), float(new.mean()), unit=unit)
    if old.get_unit() != new.get_unit():
        return replace(change, word="not comparable", note=f"the units differ ({old.get_unit()}, {new.get_unit()})")
    processes = [process_means(side) for side in (new, old)]
    if min(map(len, processes)) < PROCESSES:
        note = "measured in one process, and processes differ (--processes of pyperf asks for more)"
        return replace(change, word="inconclusive", note=note)
    _, low, high = ratio_of_means(*processes, confidence=confidence)
    change = replace(change, low=low, high=high)
    if low <= 1 <= high:
        return change
    return replace(change, word=word(float(old.mean()), float(new.mean()), OF_BENCHMARKS, "lower"))


def _machine(suite: pyperf.BenchmarkSuite) -> Mapping[str, str]:
    metadata = suite.get_metadata()
    return {name: str(metadata[name]) for name in MACHINE if name in metadata}
