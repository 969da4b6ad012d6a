"""Latency of a finished system, in a process that only loaded what is served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.pipeline.steps.serving import open_system, query_texts

if TYPE_CHECKING:
    from harness.encoders.base import Progress
    from harness.measure.machine.watch import Turn
    from harness.measure.workers.messages import Ask


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
    round: str = "",
    ask: Ask | None = None,
) -> dict[str, Any]:
    """Time every query, encoding and search apart; write ``samples.npz``.

    ``query`` (int32, number of the query), ``repeat`` (int32), ``encode`` and ``search`` (float64, seconds).

    It asks for turns with `ask` (None where it is timed alone); what was timed in one `round` was timed in turns.

    Returns:
        Seconds of loading and of the first query, the timer's own cost, conditions; processor time and what a meter of
        energy said, or the number of other processes that searched, as nothing is known of theirs.
    """
    from harness.measure.energy import Meter
    from harness.measure.latency import Samples, measure_queries
    from harness.measure.machine.library_builds import library_builds
    from harness.measure.machine.watch import watched

    served = open_system(encoder_type, encoder_params, model, index_type, index, k, threads)
    encoder, engine, texts = served.encoder, served.engine, query_texts(collection, queries)
    tries: list[Samples] = []
    energy: dict[str, Any] = {}

    def measure(turn: Turn) -> Samples:
        report(0, 1, f"timing {len(texts)} queries{', again: it was disturbed' if tries else ''}")
        meter = Meter()

        def take_turn(number: int) -> None:
            meter.halt()
            turn(number)
            meter.go()

        meter.go()
        found = measure_queries(
            lambda text: encoder.encode_queries([text]),
            lambda vector: engine.search(vector, k, threads=threads),
            texts,
            repeats=repeats,
            warmup=warmup,
            seed=seed,
            turn=take_turn,
        )
        meter.halt()
        tries.append(found)
        energy["joules"], energy["method"], energy["queries"] = meter.joules, meter.method, found.asked
        return found

    found = watched(measure, threads=threads, pinned=pin, attempts=attempts, ask=ask)
    samples, first = found.value, tries[0]  # only the first attempt's first query was this process' first
    np.savez(
        Path(out) / "samples.npz",
        query=samples.query,
        repeat=samples.repeat,
        encode=samples.encode_seconds,
        search=samples.search_seconds,
    )
    report(1, 1, "timed")
    # Of this process and machine, which is not all where others search as well.
    cpu = {"encode_cpu": samples.encode_cpu.tolist(), "search_cpu": samples.search_cpu.tolist(), "energy": energy}
    return {
        "load_seconds": served.seconds,
        "first_query_seconds": first.first_encode_seconds + first.first_search_seconds,
        "timer_overhead_seconds": samples.timer_overhead_seconds,
        "queries": len(texts),
        **(cpu if not served.elsewhere else {"elsewhere": served.elsewhere}),
        "builds": library_builds(),
        "conditions": {**served.facts(found), "round": round},
    }
