"""What a query takes: time, and work done."""

from __future__ import annotations

from harness.metrics.registry import define

define(
    "latency_encode",
    "Query encoding latency",
    "seconds",
    "lower",
    (
        "Wall time from a query's text to its vector, one query at a time, after warm-up. The component "
        "names the percentile or the mean."
    ),
    process="latency",
)
define(
    "latency_search",
    "Search latency",
    "seconds",
    "lower",
    "Wall time from a query's vector to the top k, one query at a time, after warm-up.",
    process="latency",
)
define(
    "latency_total",
    "Query latency",
    "seconds",
    "lower",
    "Encoding and search of the same query, summed before the percentile is taken.",
    process="latency",
)
define(
    "search_engine",
    "Search, the engine's own part",
    "seconds",
    "lower",
    (
        "Wall time of the engine's own calls in a search: what its library would take without this program. The clock "
        "is read just before and after them. The component names the percentile or the mean."
    ),
    process="latency",
)
define(
    "search_adapter",
    "Search, the adapter's part",
    "seconds",
    "lower",
    (
        "Search latency less the engine's own part: checks, conversions of the query and of the hits. It belongs to "
        "this program, not to the engine. Where it is large against the engine's part, the order of two engines by "
        "search latency may be that of their adapters."
    ),
    decides=False,
    process="latency",
)
for _side, _label in (("encode", "Query encoding"), ("search", "Search"), ("total", "Query")):
    define(
        f"{_side}_cpu",
        f"{_label}, processor time",
        "seconds",
        "lower",
        (
            "Processor time of all threads of the process for one query, one at a time, after warm-up: time that it "
            "stood ready while others had the processor is not in it, slower memory and a slower processor are. Read "
            "around each query where reading costs less than 1 %, else around blocks of queries in passes of their own."
        ),
        process="latency",
    )
    define(
        f"{_side}_least",
        f"{_label}, shortest time",
        "seconds",
        "lower",
        (
            "Wall time: of each query the shortest over all processes and passes, mean over queries. Other work only "
            "ever adds to a time, so this moves least from night to night; it is not what a user waits for."
        ),
        decides=False,
        process="latency",
    )
define(
    "timer_overhead",
    "Timer overhead",
    "seconds",
    "lower",
    "Time from one reading of the clock to the next, with nothing in between; it is part of every latency.",
    decides=False,
    process="latency",
)
define(
    "flops_encode_query",
    "FLOPs to encode a query",
    "flops",
    "lower",
    (
        "Analytic floating point operations (2 per multiply-add) of the encoder's forward pass, mean over"
        " the queries at their own lengths, padding not counted."
    ),
    sampled=True,
)
define(
    "flops_encode_document",
    "FLOPs to encode a document",
    "flops",
    "lower",
    "As for a query, mean over the documents.",
    exact=True,
)
define(
    "flops_search",
    "FLOPs to search",
    "flops",
    "lower",
    ("2 x the multiply-adds that the engine really does for a query, mean over the queries, counted by the engine."),
    sampled=True,
)
define(
    "flops_query",
    "FLOPs of a query",
    "flops",
    "lower",
    "The sum of FLOPs to encode a query and FLOPs to search.",
    sampled=True,
)
define(
    "postings_touched",
    "Postings touched",
    "count",
    "lower",
    "Postings that the engine visits for a query, mean over the queries.",
    sampled=True,
)
define(
    "query_parameters",
    "Encoder parameters of queries",
    "count",
    "neither",
    "Number of weights of what encodes queries, where that is a model or a table of its own.",
    exact=True,
)
define("model_parameters", "Encoder parameters", "count", "neither", "Number of weights of the encoder.", exact=True)
define(
    "train_flops",
    "Training FLOPs",
    "flops",
    "lower",
    (
        "Floating point operations (2 per multiply-add) of all steps, forward and backward, counted by torch while it "
        "trained: matrix products and attention with its padding; the optimizer and additions by index are not counted."
    ),
    exact=True,
)
define(
    "documents_scored",
    "Documents scored",
    "count",
    "lower",
    "Documents whose score the engine computes for a query, mean over the queries.",
    sampled=True,
)
define(
    "bounds_evaluated",
    "Bounds evaluated",
    "count",
    "lower",
    "Upper bounds of blocks or lists that the engine evaluates for a query to skip the rest, mean over the queries.",
    sampled=True,
)
define(
    "expected_overlap",
    "SPLADE's FLOPS",
    "count",
    "lower",
    (
        "Expected number of terms that a query and a document share: the sum over the vocabulary of the share of "
        "queries that have a term times the share of documents that have it (Formal and others, 2021). It belongs to "
        "the vectors; what an engine really does is in FLOPs to search."
    ),
    sampled=True,
)
define("train_seconds", "Training time", "seconds", "lower", "Wall time of training, evaluation not counted.")
