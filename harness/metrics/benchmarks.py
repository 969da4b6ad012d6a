"""Metrics of benchmarks in files of pyperf: their means, by pyperf's units."""

from __future__ import annotations

from harness.metrics.registry import define

DEFINITION = (
    "Mean over the values of a benchmark in a file of pyperf, in its unit; warm-ups and calibrations are left out. The "
    "history has it; a run has none. No claim can rest on it."
)

BENCHMARKS = ("benchmark_seconds", "benchmark_bytes", "benchmark_count")
"""Their names; no run has them."""

define("benchmark_seconds", "Mean time", "seconds", "lower", DEFINITION, decides=False)
define("benchmark_bytes", "Mean bytes", "bytes", "lower", DEFINITION, decides=False)
define("benchmark_count", "Mean count", "count", "lower", DEFINITION, decides=False)
