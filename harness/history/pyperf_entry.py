"""A file of pyperf as the history keeps it: each benchmark is a series of its own.

The metric is `benchmark_seconds`, `benchmark_bytes` or `benchmark_count`, the system is the benchmark, and the suite
stands in place of a collection.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from datetime import UTC
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError
from harness.history.entry import Entry
from harness.records import record
from harness.stats.levels import hierarchical

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    import pyperf

    from harness.records import Record

PREFIX = "pyperf:"
"""Begins the name under which a suite stands in place of a spec; no spec can have such a name."""
METRICS = {"second": "benchmark_seconds", "byte": "benchmark_bytes", "integer": "benchmark_count"}
"""The metric of each of pyperf's units."""
OWN = "laconic_"
"""Begins the names of metadata that a script may add to those of pyperf: suite, machine, instructions, revision,
changes ("none" for a clean tree), version."""
HOST = ("hostname", "cpu_model_name", "cpu_count", "platform")
"""Metadata of pyperf that tell a machine where the file has no fingerprint of ours."""
UNKNOWN = "unknown"


def read_suite(path: Path) -> pyperf.BenchmarkSuite:
    """Read a file of pyperf, JSON or JSON packed by gzip.

    Raises:
        UserError: It cannot be read, or is none.
    """
    import pyperf

    try:
        return pyperf.BenchmarkSuite.load(str(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise UserError(
            f"not a file of pyperf: {str(error).partition(chr(10))[0]}",
            file=path,
            remedy="give a file that pyperf, `nox -s kernels` or `export --format pyperf` wrote",
        ) from None


def process_means(benchmark: pyperf.Benchmark) -> list[float]:
    """The mean of each process' values; warm-ups and calibrations are left out."""
    return [mean(run.values) for run in benchmark.get_runs() if run.values]


def entry_of_pyperf(path: Path, suite: str = "") -> Entry:
    """Read a file of pyperf.

    A file that does not tell its machine is of an unknown one, which is equal to no other. Each such file begins its
    own series.

    Args:
        path: The file.
        suite: Name of the suite; that in the file (`laconic_suite`) or else the file's name by default.

    Raises:
        UserError: It is no file of pyperf, does not say when it was measured, or a benchmark has no values, a unit that
            pyperf does not have, or a name that another one has.
    """
    benchmarks = read_suite(path)
    facts = {name: str(value) for name, value in benchmarks.get_metadata().items()}
    suite = suite or facts.get(f"{OWN}suite") or path.name.partition(".")[0]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    run = f"{suite}-{digest}"
    records = tuple(_record(run, suite, benchmark, path) for benchmark in benchmarks.get_benchmarks())
    names = [row.system for row in records]
    if len(set(names)) != len(names):
        raise UserError("two benchmarks have one name", file=path, remedy="give each a name of its own")
    return Entry(
        id=digest,
        created=_end(benchmarks, path),
        spec=PREFIX + suite,
        spec_hash="",
        run=run,
        revision=facts.get(f"{OWN}revision", ""),
        changes=facts.get(f"{OWN}changes", "none") != "none",
        version=facts.get(f"{OWN}version", ""),
        machine=_machine(facts, digest),
        conditions=json.dumps(_conditions(facts), ensure_ascii=False, sort_keys=True),
        folder=str(path.absolute()),
        systems=json.dumps(
            [{"name": name, "collection": suite, "status": "ok", "reason": ""} for name in names], ensure_ascii=False
        ),
        state="",
        confirms="",
        data={},
        definitions={benchmark.get_name(): _definition(benchmark) for benchmark in benchmarks.get_benchmarks()},
        records=records,
    )


def _end(benchmarks: pyperf.BenchmarkSuite, path: Path) -> datetime:
    """When the last process ended; pyperf writes the local time, which is taken for that of this machine."""
    try:
        dates = benchmarks.get_dates()
    except (ValueError, TypeError) as error:
        raise UserError(f"a date is wrong: {error}", file=path, remedy="measure again") from None
    if dates is None:
        raise UserError(
            "the file does not say when it was measured, so it has no place in a history",
            file=path,
            remedy="give a file in which pyperf's metadata are kept (date)",
        )
    end: datetime = dates[1]
    return end.astimezone(UTC)


def _record(run: str, suite: str, benchmark: pyperf.Benchmark, path: Path) -> Record:
    name, unit, means = benchmark.get_name(), benchmark.get_unit(), process_means(benchmark)
    if unit not in METRICS:
        raise UserError(f"{name} has the unit {unit!r}", file=path, remedy=f"known: {', '.join(METRICS)}")
    if not means or not math.isfinite(value := float(benchmark.mean())):
        raise UserError(f"{name} has no values", file=path, remedy="leave the benchmark out, or measure it again")
    interval = None
    if len(means) > 1 and min(means) > 0:
        interval = hierarchical(np.asarray(means, np.float64)[:, None], {})["mean"][1:]
    count = benchmark.get_nvalue()
    method = f"pyperf: mean over {count} values of {len(means)} processes; interval by t over processes"
    return record(run, suite, name, METRICS[unit], value, method=method, n=len(means), interval=interval)


def _definition(benchmark: pyperf.Benchmark) -> str:
    """Of what is timed: its unit, and the `size` that a script may give."""
    about = [benchmark.get_unit(), str(benchmark.get_metadata().get("size", ""))]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]


def _machine(facts: Mapping[str, str], digest: str) -> str:
    """Our own fingerprint, or one of what pyperf says of the machine; where that is not enough, one of the file."""
    if own := facts.get(f"{OWN}machine"):
        return f"{own} {facts.get(f'{OWN}instructions', '')}".strip()
    known = [facts.get(name, "") for name in HOST]
    if not all(known):
        return f"{UNKNOWN}-{digest}"
    # Of the system its series, as of our own fingerprint: an update of the kernel begins no new machine.
    known[-1] = re.sub(r"(\d+\.\d+).*", r"\1", known[-1])
    return "pyperf-" + hashlib.sha256("|".join(known).encode()).hexdigest()[:12]


def _conditions(facts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        "Machine": {
            "host": facts.get("hostname", UNKNOWN),
            "processor": facts.get("cpu_model_name", UNKNOWN),
            "cores": facts.get("cpu_count", UNKNOWN),
            "instructions": facts.get(f"{OWN}instructions", UNKNOWN),
        },
        "Software": {
            "system": facts.get("platform", UNKNOWN),
            "Python": f"{facts.get('python_implementation', UNKNOWN)} {facts.get('python_version', UNKNOWN)}",
            "pyperf": facts.get("perf_version", UNKNOWN),
        },
    }
