"""A finished system as it starts, in batches and under load, each in a process that only loaded what is served."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import UserError
from harness.pipeline.steps.fit import open_type
from harness.pipeline.steps.index import open_index
from harness.pipeline.steps.prepare import read_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.encoders.base import Encoder, Progress
    from harness.indexes.base import Index
    from harness.measure.machine.watch import Turn, Watched


@dataclass(frozen=True)
class Served:
    """An encoder and an index, opened, and how long that took."""

    encoder: Encoder
    engine: Index
    k: int
    threads: int
    seconds: float

    @property
    def elsewhere(self) -> int:
        """How many other processes hold parts of the index."""
        return len(self.engine.elsewhere())

    def facts(self, found: Watched[Any]) -> dict[str, Any]:
        """Conditions as JSON; parts of the index in other processes are something that they tell nothing of."""
        facts = found.facts()
        if others := self.elsewhere:
            text = f"{others} other processes searched, whose threads and processor time are not counted"
            facts["violation"] = "; ".join(filter(None, (found.violation, text)))
        return facts

    def answer(self, text: str) -> None:
        """Encode and search one query."""
        self.engine.search(self.encoder.encode_queries([text]), self.k, threads=self.threads)


def open_system(
    encoder_type: str, encoder_params: dict[str, Any], model: str, index_type: str, index: str, k: int, threads: int
) -> Served:
    """Open what is served, libraries and all."""
    started = time.perf_counter()
    encoder = open_type(encoder_type, encoder_params).load(Path(model), threads=threads)
    engine = open_index(index_type, index)
    return Served(encoder, engine, k, threads, time.perf_counter() - started)


def query_texts(collection: str, queries: int | None) -> list[str]:
    """The first queries of a collection; all where None."""
    return [text for _, text in islice(read_texts(Path(collection) / "queries.jsonl"), queries)]


def cold_start(
    *, out: str, collection: str, model: str, index: str, process: int, report: Progress, **system: Any
) -> dict[str, Any]:
    """Drop model and index from the page cache, then open them and answer one query.

    Returns:
        Bytes of the files, those cached before and after, seconds of opening and of the first answer.
    """
    from harness.measure.machine.page_cache import drop_cache

    text = query_texts(collection, 1)[0]
    dropped = drop_cache([Path(model), Path(index)])
    report(0, 1, "starting cold")
    served = open_system(model=model, index=index, **system)
    if served.elsewhere:
        raise UserError(
            "other processes opened shards, perhaps from another machine's page cache, so nothing is known to be cold",
            key="index.on",
            remedy='set on = "here", or leave "cold" out of measure.also',
        )
    started = time.perf_counter()
    served.answer(text)
    first = time.perf_counter() - started
    report(1, 1, "answered")
    return {
        "size": dropped.size,
        "cached_before": dropped.before,
        "cached_after": dropped.after,
        "load_seconds": served.seconds,
        "first_query_seconds": first,
    }


def throughput(
    *,
    out: str,
    collection: str,
    queries: int | None,
    repeats: int,
    attempts: int,
    component: str,
    report: Progress,
    **system: Any,
) -> dict[str, Any]:
    """Encode all queries as one batch, and search all their vectors as one batch, several times after a first one.

    Returns:
        Seconds of each pass by side, and the conditions.
    """
    from harness.measure.machine.watch import watched

    served, texts = open_system(**system), query_texts(collection, queries)
    vectors = served.encoder.encode_queries(texts)
    served.engine.search(vectors, served.k, threads=served.threads)

    def measure(turn: Turn) -> dict[str, list[float]]:
        sides: dict[str, list[float]] = {"encode": [], "search": []}
        for number in range(repeats):
            report(number, repeats, "passes")
            turn(number)
            sides["encode"].append(_seconds(lambda: served.encoder.encode_queries(texts)))
            sides["search"].append(_seconds(lambda: served.engine.search(vectors, served.k, threads=served.threads)))
        return sides

    found = watched(measure, threads=served.threads, attempts=attempts)
    report(repeats, repeats, "passes")
    return {
        **found.value,
        "queries": len(texts),
        "threads": served.threads,
        "component": component,
        "conditions": served.facts(found),
    }


def open_loop(
    *,
    out: str,
    collection: str,
    queries: int | None,
    bound: float,
    arrivals: int,
    warmup: int,
    seed: int,
    report: Progress,
    **system: Any,
) -> dict[str, Any]:
    """Find the highest rate of arrivals at which the 99th percentile of latency keeps under a bound.

    One process answers, one query after the other; the rates tried lie between a fifth of what it answers without a
    pause and all of that. ``intended.npy``, ``latency.npy``, ... have a row for each rate tried.

    Returns:
        The rate (queries a second; 0 where even a fifth was too much), every rate tried with its percentile.
    """
    from harness.measure import open_loop
    from harness.measure.machine.watch import watched

    served, texts = open_system(**system), query_texts(collection, queries)
    for number in range(max(warmup, 1)):
        served.answer(texts[number % len(texts)])
    mean = sum(_seconds(partial(served.answer, text)) for text in texts) / len(texts)
    loads: list[open_loop.OpenLoop] = []

    def percentile(rate: float, turn: Turn) -> float:
        turn(len(loads))
        report(len(loads), None, f"at {rate:.1f} queries a second")
        due = open_loop.arrivals(rate, arrivals, seed + len(loads))
        loads.append(open_loop.serve(lambda number: served.answer(texts[number]), len(texts), due, seed=seed))
        return float(np.quantile(loads[-1].latency, 0.99))

    found = watched(
        lambda turn: open_loop.highest_load(
            lambda rate: percentile(rate, turn), bound, lowest=0.2 / mean, highest=1.0 / mean, steps=4
        ),
        threads=served.threads,
    )
    fields = ("query", "intended", "latency", "service")
    for name in fields:
        np.save(Path(out) / f"{name}.npy", np.stack([getattr(load, name) for load in loads]))
    return {
        "rate": found.value.rate,
        "tried": [list(pair) for pair in found.value.tried],
        "bound": bound,
        "arrivals": arrivals,
        "conditions": served.facts(found),
    }


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
