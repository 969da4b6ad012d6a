"""A finished system as it starts, in batches and under load, each in a process that only loaded what is served."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict, TypeVar, Unpack

import numpy as np

from harness.errors import UserError
from harness.measure.machine.watch import WatchedConditions
from harness.measure.open_loop import Offered
from harness.pipeline.steps.fit import open_type
from harness.pipeline.steps.index import open_index
from harness.pipeline.steps.observed_result import ObservedResult
from harness.pipeline.steps.passages import ENDS, DocumentSearcher, PassageNumbers, read_passages
from harness.pipeline.steps.prepare import read_rules, read_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.encoders.base import Encoder, Progress
    from harness.indexes.base import Hits, Index, Searcher
    from harness.jsonvalue import JsonTable
    from harness.measure.machine.watch import Turn, Watched
    from harness.measure.open_loop import Answer
    from harness.vectors import Vectors

T = TypeVar("T")
_SEEDS = 1000
"""Seeds from one process to the next; a process uses one for each rate that it tries."""


@dataclass(frozen=True)
class WatchedResult(ObservedResult):
    """A result of a process that took readings of the sentinel; it may be measured again where it was disturbed."""

    conditions: WatchedConditions


@dataclass(frozen=True)
class ColdTimes(WatchedResult):
    """A start with a cold page cache.

    Attributes:
        size: Bytes of the files of model and index.
        cached_before: Bytes of them in the page cache before they were dropped.
        cached_after: Bytes of them in the page cache afterwards.
        load_seconds: Wall time of opening encoder and index.
        first_query_seconds: Wall time of the first answer.
    """

    size: int
    cached_before: int
    cached_after: int
    load_seconds: float
    first_query_seconds: float


@dataclass(frozen=True)
class BatchTimes(WatchedResult):
    """All queries as one batch, several times in one process.

    Attributes:
        encode: Seconds of each pass.
        search: Seconds of each pass.
        queries: In the batch.
        threads: Of the process.
        component: Name of this number of threads in the metrics: 1 or all.
    """

    encode: tuple[float, ...]
    search: tuple[float, ...]
    queries: int
    threads: int
    component: str


@dataclass(frozen=True)
class LoadSearch(WatchedResult):
    """The highest rate of arrivals that kept latency under a bound, in one process.

    Attributes:
        rate: Queries a second; 0 where the lowest rate that was tried was too high.
        capacity: Queries a second that the process answered without a pause.
        tried: Each rate, in the order tried.
        bound: Seconds that the 99th percentile was to keep under.
        servers: Threads that answered.
    """

    rate: float
    capacity: float
    tried: tuple[Offered, ...]
    bound: float
    servers: int


class ServedSystem(TypedDict):
    """What `open_system` takes, and every step takes that serves a system."""

    collection: str
    encoder_type: str
    encoder_params: JsonTable
    model: str
    index_type: str
    index: str
    k: int
    threads: int
    index_search: NotRequired[JsonTable]


@dataclass(frozen=True)
class Served:
    """An encoder and an index, opened, what answers single queries, and how long opening took.

    Attributes:
        encoder: Of texts.
        engine: The index.
        searcher: Gives the documents of one query; by their best passages where passages are searched.
        k: Results that the engine is asked for: passages where these are searched.
        documents: Documents that are wanted of each query.
        passages: Which are of which document; None where documents are searched whole.
        threads: Of the engine.
        seconds: Wall time of opening all this.
    """

    encoder: Encoder
    engine: Index
    searcher: Searcher
    k: int
    documents: int
    passages: PassageNumbers | None
    threads: int
    seconds: float

    @property
    def elsewhere(self) -> int:
        """How many other processes hold parts of the index."""
        return len(self.engine.elsewhere())

    def conditions(self, measured: Watched[T], *, round: str = "") -> WatchedConditions:
        """What the process met; that other processes searched too is a violation, as nothing is known of them.

        Args:
            measured: With this system.
            round: Name of the round in which it took turns with others.
        """
        others = self.elsewhere
        text = f"{others} other processes searched, whose threads and processor time are not counted" if others else ""
        return measured.facts(violation=text, round=round)

    def answer(self, text: str) -> None:
        """Encode and search one query."""
        self.searcher(self.encoder.encode_queries([text]))

    def search(self, queries: Vectors) -> Hits:
        """The documents of several queries as one batch."""
        ids, scores = self.engine.search(queries, self.k, threads=self.threads)
        return (ids, scores) if self.passages is None else self.passages.best(ids, scores, self.documents)

    def beside(self, encoder: Encoder) -> Served:
        """The same index behind this encoder and a searcher of its own, for another thread."""
        return replace(self, encoder=encoder, searcher=searcher_of(self.engine, self.k, self.threads, self.passages,
                                                                   self.documents))  # fmt: skip


def searcher_of(engine: Index, k: int, threads: int, passages: PassageNumbers | None, documents: int) -> Searcher:
    """What answers single queries with documents.

    Args:
        engine: Opened.
        k: Results that it is asked for.
        threads: Of the engine.
        passages: Which are of which document; None where documents are searched whole.
        documents: Documents that are wanted of each query.
    """
    searcher = engine.searcher(k, threads=threads)
    return searcher if passages is None else DocumentSearcher(searcher, passages, documents)


def open_system(
    collection: str,
    encoder_type: str,
    encoder_params: JsonTable,
    model: str,
    index_type: str,
    index: str,
    k: int,
    threads: int,
    index_search: JsonTable | None = None,
) -> Served:
    """Open what is served, libraries and all.

    The engine is searched as deep as `searched_depth` says for k documents of the prepared collection, and with
    `index_search`, see `open_index`.
    """
    started = time.perf_counter()
    documents = k + read_rules(Path(collection)).ignore_identical_ids
    encoder = open_encoder(encoder_type, encoder_params, model, threads)
    engine = open_index(index_type, index, index_search)
    passages = read_passages(Path(collection))
    asked = documents if passages is None else passages.enough(documents)
    searcher = searcher_of(engine, asked, threads, passages, documents)
    seconds = time.perf_counter() - started
    return Served(encoder, engine, searcher, asked, documents, passages, threads, seconds)


def open_encoder(encoder_type: str, encoder_params: JsonTable, model: str, threads: int) -> Encoder:
    """A model that was made before."""
    return open_type(encoder_type, encoder_params).load(Path(model), threads=threads)


def query_texts(collection: str, queries: int | None) -> list[str]:
    """The first queries of a collection; all where None."""
    return [text for _, text in islice(read_texts(Path(collection) / "queries.jsonl"), queries)]


def cold_start(*, out: str, process: int, report: Progress, **system: Unpack[ServedSystem]) -> ColdTimes:
    """Drop model and index from the page cache, then open them and answer one query.

    Raises:
        UserError: Parts of the index are in other processes, of whose page cache nothing is known.
    """
    from harness.measure.machine.page_cache import drop_cache
    from harness.measure.machine.watch import watched

    text = query_texts(system["collection"], 1)[0]
    dropped = drop_cache([Path(system["model"]), Path(system["index"]), Path(system["collection"]) / ENDS])
    report(0, 1, "starting cold")

    def start(turn: Turn) -> tuple[Served, float]:
        served = open_system(**system)
        if served.elsewhere:
            raise UserError(
                "a cold start cannot be measured: other processes opened the shards, perhaps from a page cache",
                key="index.on",
                remedy='set on = "here", or leave "cold" out of measure.also',
            )
        return served, _seconds(lambda: served.answer(text))

    measured = watched(start, threads=system["threads"])
    served, first = measured.value
    report(1, 1, "answered")
    return ColdTimes(served.conditions(measured), dropped.size, dropped.before, dropped.after, served.seconds, first)


def throughput(
    *,
    out: str,
    queries: int | None,
    repeats: int,
    attempts: int,
    component: str,
    process: int,
    report: Progress,
    **system: Unpack[ServedSystem],
) -> BatchTimes:
    """Encode all queries as one batch, and search all their vectors as one batch, several times after a first one."""
    from harness.measure.machine.watch import watched

    served, texts = open_system(**system), query_texts(system["collection"], queries)
    vectors = served.encoder.encode_queries(texts)
    served.search(vectors)

    def measure(turn: Turn) -> dict[str, list[float]]:
        sides: dict[str, list[float]] = {"encode": [], "search": []}
        for number in range(repeats):
            report(number, repeats, "passes")
            turn(number)
            sides["encode"].append(_seconds(lambda: served.encoder.encode_queries(texts)))
            sides["search"].append(_seconds(lambda: served.search(vectors)))
        return sides

    measured = watched(measure, threads=served.threads, attempts=attempts)
    report(repeats, repeats, "passes")
    return BatchTimes(
        served.conditions(measured),
        encode=tuple(measured.value["encode"]),
        search=tuple(measured.value["search"]),
        queries=len(texts),
        threads=served.threads,
        component=component,
    )


def open_loop(
    *,
    out: str,
    queries: int | None,
    bound: float,
    arrivals: int,
    servers: int,
    warmup: int,
    seed: int,
    process: int,
    report: Progress,
    **system: Unpack[ServedSystem],
) -> LoadSearch:
    """Find the highest rate of arrivals at which the 99th percentile of latency keeps under a bound.

    Servers answer in threads of one process, each one query after the other. They share the index; each has a searcher
    and an encoder of its own, because tokenizers and buffers may serve one thread alone. ``latency.npy`` and
    ``service.npy`` (float32, seconds) have the answers of all rates tried, one after the other; ``tried.npy`` (int32)
    numbers their rates. Each process has arrivals of its own.
    """
    from harness.measure import open_loop
    from harness.measure.machine.watch import watched

    served, texts = open_system(**system), query_texts(system["collection"], queries)
    settings = system["encoder_type"], system["encoder_params"], system["model"], system["threads"]
    all_served = [served, *(served.beside(open_encoder(*settings)) for _ in range(servers - 1))]
    answers = [_by_number(each, texts) for each in all_served]
    for answer in answers:
        for number in range(max(warmup, 1)):
            answer(number % len(texts))
    capacity = open_loop.capacity(answers, len(texts))
    loads: list[open_loop.OpenLoop] = []

    def offer(rate: float, turn: Turn) -> Offered:
        turn(len(loads))
        report(len(loads), None, f"at {rate:.1f} queries a second")
        offered, load = open_loop.offer(
            answers,
            len(texts),
            rate,
            bound,
            least=arrivals,
            seed=seed + len(loads) + _SEEDS * process,
        )
        loads.append(load)
        return offered

    measured = watched(
        lambda turn: open_loop.highest_load(lambda rate: offer(rate, turn), capacity=capacity, steps=7),
        threads=served.threads * servers,
    )
    for name, columns in (("latency", [x.latency for x in loads]), ("service", [x.service for x in loads])):
        np.save(Path(out) / f"{name}.npy", np.concatenate(columns).astype(np.float32))
    tried = np.repeat(np.arange(len(loads), dtype=np.int32), [len(load.latency) for load in loads])
    np.save(Path(out) / "tried.npy", tried)
    load = measured.value
    return LoadSearch(
        served.conditions(measured),
        rate=load.rate,
        capacity=capacity,
        tried=load.tried,
        bound=bound,
        servers=servers,
    )


def _by_number(served: Served, texts: Sequence[str]) -> Answer:
    return lambda number: served.answer(texts[number])


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
