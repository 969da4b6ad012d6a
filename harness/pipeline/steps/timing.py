"""Latency of a finished system, in a process that only loaded what is served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.pipeline.steps.serving import open_system, query_texts

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
        Seconds of loading and of the first query, the timer's own cost, what a meter of energy said, conditions.
    """
    from harness.measure.builds import library_builds
    from harness.measure.energy import metered
    from harness.measure.latency import Samples, measure_queries
    from harness.measure.watch import watched

    served = open_system(encoder_type, encoder_params, model, index_type, index, k, threads)
    encoder, engine, texts = served.encoder, served.engine, query_texts(collection, queries)
    tries: list[Samples] = []
    energy: dict[str, Any] = {}

    def measure(between: Callable[[], object]) -> Samples:
        report(0, 1, f"timing {len(texts)} queries{', again: it was disturbed' if tries else ''}")
        with metered() as meter:
            found = measure_queries(
                lambda text: encoder.encode_queries([text]),
                lambda vector: engine.search(vector, k, threads=threads),
                texts,
                repeats=repeats,
                warmup=warmup,
                seed=seed,
                between=between,
            )
        tries.append(found)
        energy["joules"], energy["method"] = meter.joules, meter.method
        energy["queries"] = 1 + repeats * (warmup + len(texts))
        return found

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
        "load_seconds": served.seconds,
        "first_query_seconds": first.first_encode_seconds + first.first_search_seconds,
        "timer_overhead_seconds": samples.timer_overhead_seconds,
        "queries": len(texts),
        "energy": energy,
        "builds": library_builds(),
        "conditions": found.facts(),
    }
