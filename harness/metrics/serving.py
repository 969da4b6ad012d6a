"""What training, loading and serving take besides."""

from __future__ import annotations

from harness.metrics.registry import define

define(
    "load_seconds",
    "Loading",
    "seconds",
    "lower",
    "Wall time in a fresh process from nothing to encoder and index opened, libraries included, files cached or not.",
    process="latency",
)
define(
    "first_query_seconds",
    "First query",
    "seconds",
    "lower",
    "Encoding and search of the first query of a fresh process; kernels may be compiled in it.",
    process="latency",
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
    process="cold",
)
define(
    "cold_first_query_seconds",
    "First query, cold",
    "seconds",
    "lower",
    "Encoding and search of the first query after a cold load.",
    process="cold",
)
define(
    "throughput_encode",
    "Query encoding in a batch",
    "queries/second",
    "higher",
    "All queries encoded as one batch, divided by the wall time. The component says with one thread or all.",
    process="throughput",
)
define(
    "throughput_search",
    "Search in a batch",
    "queries/second",
    "higher",
    "All query vectors searched as one batch, divided by the wall time. The component says with one thread or all.",
    process="throughput",
)
define(
    "highest_load",
    "Highest bearable load",
    "queries/second",
    "higher",
    (
        "Highest rate of Poisson arrivals at which the 99th percentile of latency keeps under the spec's bound. One "
        "server answers one query at a time; a number in the name says how many servers there are, in threads of one "
        "process. Latency counts from the intended start, so waiting is part of it. 0 where even a fifth of the "
        "service rate was too much. Rates above 99 % of the service rate are not tried."
    ),
    process="load",
)
define(
    "loaded_latency",
    "Latency at the highest bearable load",
    "seconds",
    "lower",
    (
        "Wall time from the intended start of a query to its answer, waiting included, at the highest bearable load. "
        "The component names the percentile, and the number of servers where there are several; p99.9 needs 4,603 "
        "queries."
    ),
    process="load",
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
    process="latency",
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
    process="latency",
)
