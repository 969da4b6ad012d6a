"""How well a system ranks."""

from __future__ import annotations

from harness.metrics.registry import define

define(
    "ndcg@10",
    "nDCG@10",
    "fraction",
    "higher",
    (
        "Normalised discounted cumulative gain of the first 10 documents with linear gain and log2 "
        "discount, as trec_eval computes it; a query without results counts 0."
    ),
)
define(
    "recall@100",
    "Recall@100",
    "fraction",
    "higher",
    "Share of a query's relevant documents that are among the first 100.",
)
define(
    "recall@10", "Recall@10", "fraction", "higher", "Share of a query's relevant documents that are among the first 10."
)
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
        exact=True,
    )
define(
    "ndcg_exact@10",
    "nDCG@10 without an index",
    "fraction",
    "higher",
    "nDCG@10 of brute force over the encoder's float32 vectors; nDCG@10 less this is what the index changes.",
    exact=True,
)
define(
    "mrr@10",
    "MRR@10",
    "fraction",
    "higher",
    "Reciprocal rank of the first relevant document, 0 where it is not among the first 10.",
)
