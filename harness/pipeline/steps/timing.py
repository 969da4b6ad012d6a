"""Latency of a finished system, in a process that only loaded what is served."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.pipeline.steps.serving import WatchedResult, open_system, query_texts
from harness.vectors import load_vectors

if TYPE_CHECKING:
    from harness.encoders.base import Progress
    from harness.jsonvalue import JsonTable
    from harness.measure.machine.watch import Turn
    from harness.measure.workers.messages import Ask
    from harness.vectors import Vectors


@dataclass(frozen=True)
class MeteredEnergy:
    """What a meter of energy showed over the passes.

    Attributes:
        joules: Of all that ran on the package; None where the machine has no meter that may be read.
        method: Which meter.
        queries: How many were answered meanwhile, warming up included.
    """

    joules: float | None
    method: str
    queries: int


@dataclass(frozen=True)
class TimedLatency(WatchedResult):
    """The latency of one process; the samples are in its files.

    Attributes:
        load_seconds: Wall time of opening encoder and index.
        first_query_seconds: Wall time of this process' very first query, encoding and search; None where it was not
            encoded.
        timer_overhead_seconds: Median of reading the clock twice; it is part of every latency.
        queries: How many different ones were timed.
        elsewhere: How many other processes searched. Of these nothing is known, so the next three are None.
        encode_cpu: Processor seconds of a query in each pass, all threads, mean over queries.
        search_cpu: The same of searching.
        energy: What a meter showed.
        builds: How the libraries were built that this process had loaded, by library.
    """

    load_seconds: float
    first_query_seconds: float | None
    timer_overhead_seconds: float
    queries: int
    elsewhere: int
    encode_cpu: tuple[float, ...] | None
    search_cpu: tuple[float, ...] | None
    energy: MeteredEnergy | None
    builds: dict[str, str]


def latency(
    *,
    out: str,
    encoder_type: str,
    encoder_params: JsonTable,
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
    index_search: JsonTable | None = None,
    vectors: str | None = None,
) -> TimedLatency:
    """Time every query, encoding and search apart; write ``samples.npz``.

    ``query`` (int32, number of the query), ``repeat`` (int32), ``encode``, ``search`` and ``engine``, the engine's part
    of the search (float64, seconds; NaN where it is not known).

    Where the queries' vectors were made elsewhere, `vectors` is their folder: the search alone is timed, and
    ``encode`` is NaN.

    It asks for turns with `ask` (None where it is timed alone); what was timed in one `round` was timed in turns.
    """
    from harness.measure.energy import Meter
    from harness.measure.latency import Samples, measure_queries
    from harness.measure.machine.library_builds import library_builds
    from harness.measure.machine.watch import watched

    served = open_system(collection, encoder_type, encoder_params, model, index_type, index, k, threads, index_search)
    searcher, texts, encode_query = served.searcher, query_texts(collection, queries), served.encoder.encode_queries
    stored = None if vectors is None else load_vectors(Path(vectors) / "queries")

    ready: dict[str, Vectors] = {}
    if stored is not None:
        ready = {str(number): stored[number : number + 1] for number in range(len(texts))}
        texts = list(ready)
    tries: list[Samples] = []
    energy: list[MeteredEnergy] = []

    def measure(turn: Turn) -> Samples:
        report(0, 1, f"timing {len(texts)} queries{', again: it was disturbed' if tries else ''}")
        meter = Meter()

        def take_turn(number: int) -> None:
            meter.halt()
            turn(number)
            meter.go()

        meter.go()
        samples = measure_queries(
            (lambda text: encode_query([text])) if stored is None else ready.__getitem__,
            searcher,
            texts,
            repeats=repeats,
            warmup=warmup,
            seed=seed,
            turn=take_turn,
            engine=lambda: searcher.engine_ns,
        )
        meter.halt()
        tries.append(samples)
        energy.append(MeteredEnergy(meter.joules, meter.method, samples.asked))
        return samples

    measured = watched(measure, threads=threads, pinned=pin, attempts=attempts, ask=ask)
    samples, first = measured.value, tries[0]  # only the first attempt's first query was this process' first
    np.savez(
        Path(out) / "samples.npz",
        query=samples.query,
        repeat=samples.repeat,
        encode=samples.encode_seconds if stored is None else np.full_like(samples.encode_seconds, np.nan),
        search=samples.search_seconds,
        engine=samples.engine_seconds,
    )
    report(1, 1, "timed")
    # Processor time and energy are not of all that searched where others search as well; and what it takes to look a
    # stored vector up says nothing of encoding.
    alone = not served.elsewhere and stored is None
    return TimedLatency(
        served.conditions(measured, round=round),
        load_seconds=served.seconds,
        first_query_seconds=None if stored is not None else first.first_encode_seconds + first.first_search_seconds,
        timer_overhead_seconds=samples.timer_overhead_seconds,
        queries=len(texts),
        elsewhere=served.elsewhere,
        encode_cpu=tuple(samples.encode_cpu.tolist()) if alone else None,
        search_cpu=tuple(samples.search_cpu.tolist()) if alone else None,
        energy=energy[-1] if alone else None,
        builds=library_builds(),
    )
