"""All metrics: one table, defined by subject in the modules of this package, in the order of the imports below."""

from __future__ import annotations

# isort: off
from harness.metrics import quality as _quality  # noqa: F401
from harness.metrics import index as _index  # noqa: F401
from harness.metrics import queries as _queries  # noqa: F401
from harness.metrics import serving as _serving  # noqa: F401
from harness.metrics import benchmarks as _benchmarks  # noqa: F401
from harness.metrics.base import Direction, Metric, Qrels, QualityMetric, QualityMetricBase, Run
from harness.metrics.combined import Combination, over_suite
from harness.metrics.groups import GROUPS, Group, group_of
from harness.metrics.registry import METRICS, define, metric, quality_metric, quality_metrics, register

__all__ = [
    "GROUPS",
    "METRICS",
    "Combination",
    "Direction",
    "Group",
    "Metric",
    "Qrels",
    "QualityMetric",
    "QualityMetricBase",
    "Run",
    "define",
    "group_of",
    "metric",
    "over_suite",
    "quality_metric",
    "quality_metrics",
    "register",
]
