"""What an index and its vectors take."""

from __future__ import annotations

from harness.metrics.registry import define

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
    "Index, on paper",
    "bytes",
    "lower",
    (
        "Arithmetic, not a measurement: vectors in the codec that the index has, with the tables that they cannot be "
        "read without (offsets, scales, code books). What an engine adds or compresses is not in it. Codecs that the "
        "arithmetic does not have give no value."
    ),
    exact=True,
)
define(
    "index_to_entropy",
    "Index over its bound",
    "ratio",
    "lower",
    (
        "Bytes of the index over what its postings take at least: for each term the logarithm of the number of ways to "
        "choose that many documents, and the weights in the bits that the codec has. No code is below 1 on average for "
        "documents in any order; an order that puts like documents together can be. Only codecs of sparse vectors that "
        "the arithmetic has."
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
define(
    "service_bytes",
    "Memory of the service",
    "bytes",
    "lower",
    (
        "Resident memory that a whole service adds to a fresh worker process: the encoder (loaded, one query "
        "encoded), the index (opened, all query vectors searched), the documents' identifiers (UTF-8 and 8 bytes a "
        "document), and the peak (VmHWM) of answering queries from their text one by one. Libraries are loaded before "
        "and not counted, nor is the memory of a GPU. Components: each of the four. A part can be smaller than the "
        "same alone, as it uses again what an earlier part has freed."
    ),
)
define("build_seconds", "Index build time", "seconds", "lower", "Wall time of building the index from stored vectors.")
define(
    "build_peak_bytes",
    "Build peak memory",
    "bytes",
    "lower",
    (
        "Highest anonymous memory of the process that built the index, above that before the build: what the engine "
        "allocates, without pages of the mapped vectors that it reads. Another process reads it every few milliseconds "
        "and at the end, so what is held for a shorter time may be missed. Component resident: the peak of the whole "
        "resident size (VmHWM), which misses nothing and counts the mapped pages as well: an upper bound."
    ),
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
    sampled=True,
)
define("dimensions", "Dimensions", "count", "neither", "Width of a dense vector.", exact=True)
define(
    "encode_documents_per_second",
    "Document encoding throughput",
    "documents/second",
    "higher",
    "Documents encoded per second of wall time while encoding the corpus, model loading not counted.",
)
