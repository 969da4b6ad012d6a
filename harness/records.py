"""The one table that everything measured ends in, and the registry of metrics that says what each row means."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.errors import UserError, allowed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Direction: TypeAlias = Literal["higher", "lower", "neither"]
Source: TypeAlias = Literal["measured", "analytic", "estimated"]


@dataclass(frozen=True)
class Metric:
    """What a metric's name means."""

    name: str
    label: str
    unit: str
    """bytes | seconds | flops | fraction | ratio | count | joules | price | documents/second | queries/second"""
    direction: Direction
    definition: str
    """Whole sentences; the report prints them."""
    exact: bool = False
    """Counted or computed: the same system on the same data gives the same value every time."""
    decides: bool = True
    """A claim may rest on it."""


@dataclass(frozen=True)
class Record:
    """One measured, computed or estimated value of one system on one collection.

    `metric` is a name of `METRICS`, with a component after a slash where one applies (``index_bytes/impacts``).
    `ci_low` and `ci_high` bound the 95 % interval, None where there is no sampling (counts, bytes).
    `n` is how many observations the value rests on.
    """

    run: str
    collection: str
    system: str
    metric: str
    value: float
    unit: str
    direction: Direction
    method: str
    source: Source
    n: int
    ci_low: float | None = None
    ci_high: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"{self.system} {self.metric}: a record's value must be finite, not {self.value}")


METRICS: dict[str, Metric] = {}


def define(
    name: str,
    label: str,
    unit: str,
    direction: Direction,
    definition: str,
    *,
    exact: bool = False,
    decides: bool = True,
) -> Metric:
    """Add a metric to the registry."""
    if name in METRICS:
        raise ValueError(f"metric {name!r} is defined twice")
    METRICS[name] = Metric(name, label, unit, direction, definition, exact, decides)
    return METRICS[name]


def metric(name: str) -> Metric:
    """The metric of this name; what follows a slash is a component and is ignored."""
    base = name.partition("/")[0]
    try:
        return METRICS[base]
    except KeyError:
        raise UserError(f"there is no metric {base!r}", remedy=allowed(base, METRICS)) from None


def record(
    run: str,
    collection: str,
    system: str,
    name: str,
    value: float,
    *,
    method: str,
    source: Source = "measured",
    n: int = 1,
    interval: tuple[float, float] | None = None,
) -> Record:
    """A record whose unit and direction come from the registry."""
    kind = metric(name)
    low, high = interval or (None, None)
    return Record(run, collection, system, name, float(value), kind.unit, kind.direction, method, source, n, low, high)


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        for row in records:
            file.write(json.dumps(asdict(row), ensure_ascii=False, allow_nan=False) + "\n")


def read_records(path: Path) -> list[Record]:
    """Read records from JSON lines.

    Raises:
        UserError: The file is missing, or a line is not a record; file and line are named.
    """
    known = {field.name for field in fields(Record)}
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(
            f"cannot read the records: {error.strerror}", file=path, remedy="give the folder of a finished run"
        ) from None
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            rows.append(Record(**{key: value for key, value in row.items() if key in known}))
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(
                f"not a record: {error}", file=path, line=number, remedy="run the experiment again"
            ) from None
    return rows


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
define(
    "index_bytes",
    "Index size",
    "bytes",
    "lower",
    (
        "Bytes of the finished index, everything that a search reads, by the engine's own components. "
        "Document identifiers are not part of it."
    ),
    exact=True,
)
define(
    "index_bytes_per_document",
    "Index bytes per document",
    "bytes",
    "lower",
    "Index size divided by the number of documents.",
    exact=True,
)
define("index_file_bytes", "Index on disk", "bytes", "lower", "Bytes of the files of the saved index.", exact=True)
define(
    "index_plain_bytes",
    "Uncompressed, on paper",
    "bytes",
    "lower",
    (
        "Arithmetic, not a measurement: documents x dimensions x 4 bytes (dense), or stored weights x 3 bytes, of a "
        "16-bit document number and an 8-bit weight (sparse). An index that compresses takes less."
    ),
    exact=True,
)
define(
    "resident_bytes",
    "Resident when served",
    "bytes",
    "lower",
    (
        "Anonymous memory (smaps_rollup) and pages of newly mapped files that loading the index and answering every "
        "query adds to a fresh worker process that never held the vectors, above the same worker before "
        "loading. Components: each kind alone, and the proportional share (PSS), which counts pages that other "
        "processes map too by halves, thirds, ..."
    ),
)
define("build_seconds", "Index build time", "seconds", "lower", "Wall time of building the index from stored vectors.")
define(
    "build_peak_bytes",
    "Build peak memory",
    "bytes",
    "lower",
    ("Highest resident size (VmHWM) of the process that built the index, above its resident size before the build."),
)
define(
    "identifier_bytes",
    "Document identifiers",
    "bytes",
    "lower",
    "UTF-8 bytes of all document identifiers; kept apart from the index for every engine.",
    exact=True,
)
define(
    "active_terms_document",
    "Active terms per document",
    "count",
    "neither",
    "Mean number of non-zero weights of a document vector.",
    exact=True,
)
define(
    "active_terms_query",
    "Active terms per query",
    "count",
    "neither",
    "Mean number of non-zero weights of a query vector.",
    exact=True,
)
define("dimensions", "Dimensions", "count", "neither", "Width of a dense vector.", exact=True)
define(
    "encode_documents_per_second",
    "Document encoding throughput",
    "documents/second",
    "higher",
    "Documents encoded per second of wall time while encoding the corpus, model loading not counted.",
)
define(
    "latency_encode",
    "Query encoding latency",
    "seconds",
    "lower",
    (
        "Wall time from a query's text to its vector, one query at a time, after warm-up. The component "
        "names the percentile or the mean."
    ),
)
define(
    "latency_search",
    "Search latency",
    "seconds",
    "lower",
    "Wall time from a query's vector to the top k, one query at a time, after warm-up.",
)
define(
    "latency_total",
    "Query latency",
    "seconds",
    "lower",
    "Encoding and search of the same query, summed before the percentile is taken.",
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
    )
define(
    "timer_overhead",
    "Timer overhead",
    "seconds",
    "lower",
    "Time from one reading of the clock to the next, with nothing in between; it is part of every latency.",
    decides=False,
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
    exact=True,
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
    exact=True,
)
define(
    "flops_query",
    "FLOPs of a query",
    "flops",
    "lower",
    "FLOPs to encode a query and FLOPs to search, together.",
    exact=True,
)
define(
    "postings_touched",
    "Postings touched",
    "count",
    "lower",
    "Postings that the engine visits for a query, mean over the queries.",
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
    exact=True,
)
define(
    "bounds_evaluated",
    "Bounds evaluated",
    "count",
    "lower",
    "Upper bounds of blocks or lists that the engine evaluates for a query to skip the rest, mean over the queries.",
    exact=True,
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
    exact=True,
)
define("train_seconds", "Training time", "seconds", "lower", "Wall time of training, evaluation not counted.")
define(
    "load_seconds",
    "Loading",
    "seconds",
    "lower",
    "Wall time in a fresh process from nothing to encoder and index opened, libraries included, files cached or not.",
)
define(
    "first_query_seconds",
    "First query",
    "seconds",
    "lower",
    "Encoding and search of the first query of a fresh process; kernels may be compiled in it.",
)
define(
    "cold_load_seconds",
    "Loading, cold",
    "seconds",
    "lower",
    (
        "As loading, after the files of model and index were dropped from the page cache (libraries were not). The "
        "method says how much stayed; caches below the page cache are not reached."
    ),
)
define(
    "cold_first_query_seconds",
    "First query, cold",
    "seconds",
    "lower",
    "Encoding and search of the first query after a cold load.",
)
define(
    "throughput_encode",
    "Query encoding in a batch",
    "queries/second",
    "higher",
    "All queries encoded as one batch, divided by the wall time. The component says with one thread or all.",
)
define(
    "throughput_search",
    "Search in a batch",
    "queries/second",
    "higher",
    "All query vectors searched as one batch, divided by the wall time. The component says with one thread or all.",
)
define(
    "highest_load",
    "Highest bearable load",
    "queries/second",
    "higher",
    (
        "Highest rate of Poisson arrivals at which the 99th percentile of latency keeps under the spec's bound, one "
        "query answered at a time. Latency counts from the intended start, so waiting is part of it. 0 where even a "
        "fifth of the service rate was too much."
    ),
)
define("encoder_file_bytes", "Encoder on disk", "bytes", "lower", "Bytes of the model's files.", exact=True)
define(
    "encoder_resident_bytes",
    "Encoder resident",
    "bytes",
    "lower",
    (
        "Memory that loading the encoder and encoding one text adds to a fresh process that has the same libraries "
        "loaded: weights, vocabulary and what libraries keep. Components: anonymous and file-backed."
    ),
)
define(
    "encoder_activation_bytes",
    "Encoder activation peak",
    "bytes",
    "lower",
    "Highest resident size (VmHWM) while a batch of documents is encoded, above the size before it.",
)
define(
    "null_ratio",
    "Null control",
    "ratio",
    "neither",
    (
        "Time of a system over its own time under a second name, in the same run and in turns. 1 is the truth; what "
        "differs from it is the machine. The component names the side and the percentile."
    ),
)
define(
    "smallest_effect",
    "Smallest effect",
    "fraction",
    "lower",
    (
        "The smallest relative difference of times that this machine could have shown in this run: the farther limit "
        "of the null control's interval from 1."
    ),
)
define(
    "energy_query",
    "Energy of a query",
    "joules",
    "lower",
    (
        "Measured where the machine lets its meter (RAPL) be read: all that ran on the package meanwhile is in it. "
        "Else estimated: mean latency times cores times the watts that the spec gives. No claim can rest on it."
    ),
    decides=False,
)
define(
    "cost_million_queries",
    "Cost of a million queries",
    "price",
    "lower",
    (
        "Estimated: mean latency times the share of the machine that a query keeps busy times the price that the spec "
        "gives; no idle time, no second machine. No claim can rest on it."
    ),
    decides=False,
)
