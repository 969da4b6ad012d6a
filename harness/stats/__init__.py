"""Evidence: pure functions on arrays, no input or output."""

from __future__ import annotations

from harness.stats.bootstrap import bootstrap_mean, hierarchical, paired_difference, percentile_ratio
from harness.stats.paired import holm, paired_randomisation
from harness.stats.pareto import pareto_front

__all__ = [
    "bootstrap_mean",
    "hierarchical",
    "holm",
    "paired_difference",
    "paired_randomisation",
    "pareto_front",
    "percentile_ratio",
]
