"""How well a system ranks."""

from __future__ import annotations

from typing import ClassVar

from harness.metrics.base import Metric, QualityMetricBase
from harness.metrics.named_measures import LIBRARIES
from harness.metrics.registry import METRICS, define, register


@register("ndcg@10")
class NdcgAt10(QualityMetricBase):
    """Of the first 10 documents, with grades."""

    definition: ClassVar[Metric] = Metric(
        "ndcg@10",
        "nDCG@10",
        "fraction",
        "higher",
        (
            "Normalised discounted cumulative gain of the first 10 documents with linear gain and log2 "
            "discount, as trec_eval computes it; a query without results counts 0."
        ),
    )
    libraries: ClassVar[tuple[str, ...]] = LIBRARIES
    measure: ClassVar[str] = "nDCG@10"
    method: ClassVar[str] = "ir_measures nDCG@10"


@register("recall@100")
class RecallAt100(QualityMetricBase):
    """Of the first 100 documents."""

    definition: ClassVar[Metric] = Metric(
        "recall@100",
        "Recall@100",
        "fraction",
        "higher",
        "Share of a query's relevant documents that are among the first 100.",
    )
    libraries: ClassVar[tuple[str, ...]] = LIBRARIES
    measure: ClassVar[str] = "R@100"
    method: ClassVar[str] = "ir_measures R@100"


@register("recall@10")
class RecallAt10(QualityMetricBase):
    """Of the first 10 documents."""

    definition: ClassVar[Metric] = Metric(
        "recall@10",
        "Recall@10",
        "fraction",
        "higher",
        "Share of a query's relevant documents that are among the first 10.",
    )
    libraries: ClassVar[tuple[str, ...]] = LIBRARIES
    measure: ClassVar[str] = "R@10"
    method: ClassVar[str] = "ir_measures R@10"


@register("mrr@10")
class MrrAt10(QualityMetricBase):
    """Of the first 10 documents."""

    definition: ClassVar[Metric] = Metric(
        "mrr@10",
        "MRR@10",
        "fraction",
        "higher",
        "Reciprocal rank of the first relevant document, 0 where it is not among the first 10.",
    )
    libraries: ClassVar[tuple[str, ...]] = LIBRARIES
    measure: ClassVar[str] = "RR@10"
    method: ClassVar[str] = "ir_measures RR@10"


for _kind in (NdcgAt10, RecallAt100, RecallAt10):
    METRICS[_kind.definition.name] = _kind.definition
for _cut in (10, 100, 1000):
    define(
        f"recall_vs_exact@{_cut}",
        f"Recall@{_cut} against exact",
        "fraction",
        "higher",
        (
            f"Share of the {_cut} best documents by brute force over the encoder's float32 vectors that the index "
            f"returns among its first {_cut}, mean over queries. What is missing, the index lost: by skipping, or by "
            "rounding weights."
        ),
        sampled=True,
    )
define(
    "ndcg_exact@10",
    "nDCG@10 without an index",
    "fraction",
    "higher",
    "nDCG@10 of brute force over the encoder's float32 vectors; nDCG@10 less this is what the index changes.",
    sampled=True,
)
METRICS[MrrAt10.definition.name] = MrrAt10.definition
