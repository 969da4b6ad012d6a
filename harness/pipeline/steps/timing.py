"""Latency and resident memory of a finished system, each in a process that only loaded what is served."""

from __future__ import annotations

import gc
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.pipeline.steps.encode import open_type
from harness.pipeline.steps.index import open_index, warm
from harness.pipeline.steps.prepare import read_texts
from harness.vectors import load_vectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.encoders.base import Progress


def latency(
    *,
    out: str,
    encoder_type: str,
    encoder_params: dict[str, Any],
    model: str,
    index_type: str,
    index: str,
    collection: str,
    k: int,
    threads: int,
    queries: int | None,
    repeats: int,
    warmup: int,
    seed: int,
    pin: bool,
    attempts: int,
    report: Progress,
) -> dict[str, Any]:
    """Time every query, encoding and search apart; write ``samples.npz``.

    ``query`` (int32, number of the query), ``repeat`` (int32), ``encode`` and ``search`` (float64, seconds).

    Returns:
        Seconds of loading and of the first query, the timer's own cost, and the conditions.
    """
    from harness.measure.latency import Samples, measure_queries
    from harness.measure.watch import watched

    started = time.perf_counter()
    encoder = open_type(encoder_type, encoder_params).load(Path(model), threads=threads)
    engine = open_index(index_type, index)
    loading = time.perf_counter() - started
    texts = [text for _, text in islice(read_texts(Path(collection) / "queries.jsonl"), queries)]
    tries: list[Samples] = []

    def measure(between: Callable[[], object]) -> Samples:
        report(0, 1, f"timing {len(texts)} queries{', again: it was disturbed' if tries else ''}")
        tries.append(
            measure_queries(
                lambda text: encoder.encode_queries([text]),
                lambda vector: engine.search(vector, k, threads=threads),
                texts,
                repeats=repeats,
                warmup=warmup,
                seed=seed,
                between=between,
            )
        )
        return tries[-1]

    found = watched(measure, threads=threads, pinned=pin, attempts=attempts)
    samples, first = found.value, tries[0]  # only the first attempt's first query was this process' first
    np.savez(
        Path(out) / "samples.npz",
        query=samples.query,
        repeat=samples.repeat,
        encode=samples.encode_seconds,
        search=samples.search_seconds,
    )
    report(1, 1, "timed")
    return {
        "load_seconds": loading,
        "first_query_seconds": first.first_encode_seconds + first.first_search_seconds,
        "timer_overhead_seconds": samples.timer_overhead_seconds,
        "queries": len(texts),
        "conditions": found.facts(),
    }


def served_memory(
    *,
    out: str,
    type: str,
    params: dict[str, Any],
    index: str,
    vectors: str,
    k: int,
    report: Progress,
) -> dict[str, Any]:
    """Resident memory that loading an index and answering every query adds to a warmed, otherwise empty process.

    Returns:
        Anonymous and file-backed bytes added, and the empty process' own.
    """
    from harness.measure.memory import resident

    queries = load_vectors(Path(vectors) / "queries")
    warm(type, params, "sparse" if hasattr(queries, "indptr") else "dense")
    # Touch the queries before the first reading: they are the load, not the index.
    float(np.asarray(queries.sum()))
    gc.collect()
    before = resident()
    engine = open_index(type, index)
    for row in range(queries.shape[0]):
        engine.search(queries[row : row + 1], k)
    gc.collect()
    after = resident()
    report(1, 1, "measured")
    return {
        "anonymous": after.anonymous - before.anonymous,
        "file": after.file - before.file,
        "baseline": before.rss,
        "queries": int(queries.shape[0]),
    }
