"""A run's times as a file of pyperf, so that ``python -m pyperf stats`` and others read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.runs.read import RunData

SIDES = ("encode", "search", "total")
KNOWN = {"processor": "cpu_model_name", "system": "platform", "Python": "python_version", "clock": "timer"}
"""Facts that pyperf has a name for."""


def write_pyperf(run: RunData, out: Path) -> None:
    """Write one benchmark a system and side, one of pyperf's runs a process.

    A value is the seconds of one timed query; values stand pass by pass. pyperf assumes that values of a process are
    independent: its mean and spread are over queries and repeats together, and its comparisons do not pair queries.

    Raises:
        UserError: The run has no times.
        OSError: The file cannot be written.
    """
    import pyperf

    facts = {name: text for group in run.facts["environment"].values() for name, text in group.items()}
    about = {KNOWN[name]: str(text) for name, text in facts.items() if name in KNOWN}
    benchmarks = []
    for (collection, system), sides in run.latency.items():
        for side in SIDES:
            named = {**about, "name": f"{system} / {collection}, {side}", "unit": "second"}
            runs = [
                pyperf.Run(times.T.ravel().tolist(), metadata=named, collect_metadata=False) for times in sides[side]
            ]
            benchmarks.append(pyperf.Benchmark(runs))
    if not benchmarks:
        raise UserError("the run has no times", file=run.folder, remedy="give a run whose systems are ok")
    pyperf.BenchmarkSuite(benchmarks).dump(str(out), replace=True)
