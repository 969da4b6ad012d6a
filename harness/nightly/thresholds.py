"""Which changes of a metric count: what the spec states, or a default by the kind of metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.metrics import METRICS
from harness.metrics.benchmarks import BENCHMARKS
from harness.metrics.named_measures import named_measure
from harness.spec.nightly import ThresholdSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

EXACT = ThresholdSpec()
ROUNDING = ThresholdSpec(absolute=1e-6)
"""Quality of the same model on the same data has no noise; what differs less is the order of additions."""
IN_TURNS = ThresholdSpec(relative=0.025)
"""Of processor time where two revisions were timed in turns; from run to run it varies too much to be judged."""
OF_BENCHMARKS = ThresholdSpec(relative=0.025)
"""Of the mean of a benchmark in a file of pyperf."""
DEFAULTS: dict[str, ThresholdSpec] = {
    **dict.fromkeys(("ndcg@10", "recall@10", "recall@100", "mrr@10"), ROUNDING),
    **dict.fromkeys(("latency_encode", "latency_search", "latency_total"), ThresholdSpec(relative=0.025)),
    **dict.fromkeys(("encode_least", "search_least", "total_least"), ThresholdSpec(relative=0.025)),
    **dict.fromkeys(BENCHMARKS, OF_BENCHMARKS),
    "resident_bytes": ThresholdSpec(relative=0.05, absolute=4 << 20),
}
PARTS = {"latency_encode": ("p50", "p95"), "latency_search": ("p50", "p95"), "latency_total": ("p50", "p95")}
"""Parts judged by default: what is beyond the 95th percentile, and the mean, follow single neighbours' bursts."""


def threshold(metric: str, given: Mapping[str, ThresholdSpec]) -> ThresholdSpec | None:
    """The threshold of a metric, None where it is not judged.

    Args:
        metric: Name with its component: ``latency_total/p50``.
        given: The spec's own, by name with or without a component.
    """
    base, _, part = metric.partition("/")
    limit = given.get(metric) or given.get(base)
    if limit is None:
        kind = METRICS.get(base)
        if base in PARTS and part not in PARTS[base]:
            return None
        limit = EXACT if kind is not None and kind.repeats else DEFAULTS.get(base)
        if limit is None and named_measure(base) is not None:
            limit = ROUNDING
    return limit if limit is not None and limit.watch else None


def inside(old: float, new: float, limit: ThresholdSpec) -> bool:
    """Whether a change is within noise: up to either bound of a threshold."""
    return abs(new - old) <= max(limit.absolute, limit.relative * abs(old))
