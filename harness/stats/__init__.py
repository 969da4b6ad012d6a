"""Evidence: pure functions on arrays, no input or output."""

from __future__ import annotations

from harness.stats.bootstrap import bootstrap_mean, paired_difference, paired_ratio
from harness.stats.changes import Drift, Step, drift, newest, steps
from harness.stats.levels import drawn_percentiles, hierarchical, percentile_ratio, smallest_effect
from harness.stats.matching import Matched, cost_at_gain, matched_cost
from harness.stats.paired import (
    Comparison,
    Equivalence,
    Test,
    compare,
    effect_size,
    holm,
    minimum_detectable_effect,
    paired_randomisation,
    paired_t,
    randomisations,
    tost,
)
from harness.stats.pareto import pareto_front
from harness.stats.quantiles import quantile_interval
from harness.stats.samples import table

__all__ = [
    "Comparison",
    "Drift",
    "Equivalence",
    "Matched",
    "Step",
    "Test",
    "bootstrap_mean",
    "compare",
    "cost_at_gain",
    "drawn_percentiles",
    "drift",
    "effect_size",
    "hierarchical",
    "holm",
    "matched_cost",
    "minimum_detectable_effect",
    "newest",
    "paired_difference",
    "paired_randomisation",
    "paired_ratio",
    "paired_t",
    "pareto_front",
    "percentile_ratio",
    "quantile_interval",
    "randomisations",
    "smallest_effect",
    "steps",
    "table",
    "tost",
]
