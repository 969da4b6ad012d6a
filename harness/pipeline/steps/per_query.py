"""Values by query, as a step leaves them for the run folder, and the intervals of their means."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from harness.metrics import metric
from harness.stats.means import FRACTION, mean_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FILE = "per_query.json"
"""In the folder of any step of a system, also of a measurement: {metric: {query: value}}."""


def write_per_query(folder: Path, values: Mapping[str, Mapping[str, float]]) -> None:
    """Write the values of each metric by query."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    (folder / FILE).write_text(text, encoding="utf-8", errors="surrogatepass")


def read_per_query(folder: Path) -> dict[str, dict[str, float]]:
    """{metric: {query: value}}; empty where the step left no values by query."""
    path = folder / FILE
    values: dict[str, dict[str, float]] = (
        json.loads(path.read_text(encoding="utf-8", errors="surrogatepass")) if path.is_file() else {}
    )
    return values


def intervals(values: Mapping[str, Sequence[float]], confidence: float) -> dict[str, tuple[float, float]]:
    """The interval of each metric's mean over queries; a metric with too few queries for one is left out.

    Args:
        values: One value a query, by the name of the metric.
        confidence: Of the intervals.
    """
    made = {}
    for name, numbers in values.items():
        limits = FRACTION if metric(name).unit == "fraction" else None
        ends = mean_interval(numbers, confidence=confidence, limits=limits)
        if np.isfinite(ends).all():
            made[name] = ends
    return made
