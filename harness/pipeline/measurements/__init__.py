"""What a spec can ask for by `measure.also`. One module a measurement; `registry` finds them."""

from __future__ import annotations

from harness.pipeline.measurements.base import (
    Add,
    Measurement,
    MeasurementBase,
    Results,
    Subject,
    add_mean,
    results_of,
)
from harness.registry import Registry, hooks_of

registry: Registry[type[Measurement]] = Registry(
    "measurement", __name__, "laconic_bench.measurements", hooks=hooks_of(Measurement)
)
register = registry.register

__all__ = [
    "Add",
    "Measurement",
    "MeasurementBase",
    "Results",
    "Subject",
    "add_mean",
    "register",
    "registry",
    "results_of",
]
