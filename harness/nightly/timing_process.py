"""One revision's part of an interleaved comparison: times the queries that it is sent, a few at a time.

Run by path, with the revision's own interpreter, so that it measures that revision's code. Of that code it uses
`harness.revision` alone; for revisions that lack it, the paths that they had. Orders come as lines on standard input,
answers leave as JSON lines on standard output.
"""

from __future__ import annotations

import gc
import json
import sys
from importlib import import_module
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from types import SimpleNamespace
from typing import TYPE_CHECKING, NotRequired, Protocol, TypedDict

if TYPE_CHECKING:
    from types import ModuleType

REGISTRIES = ("harness.pipeline.plan.registries", "harness.pipeline.axes")
OPEN_TYPE = ("harness.pipeline.steps.fit", "harness.pipeline.steps.encode")
"""Modules that had these names in revisions without `harness.revision`, the later ones first."""


class Order(TypedDict):
    """What is timed: a system of a spec with overrides, and the folders of its collection, model and index."""

    spec: str
    overrides: list[str]
    system: str
    collection: str
    collection_name: NotRequired[str]
    model: str
    index: str


class Encoder(Protocol):
    """What a revision's encoder must have."""

    def encode_queries(self, texts: list[str]) -> object:
        """Vectors of queries."""
        ...


class Engine(Protocol):
    """What a revision's index must have."""

    def search(self, queries: object, k: int, *, threads: int) -> object:
        """The top k of each query."""
        ...


class OpenSystem(Protocol):
    """A system that is ready to answer; see `harness.revision.OpenSystem`."""

    encoder: Encoder
    engine: Engine
    texts: list[str]
    k: int
    threads: int
    warmup: int


def serve(order: Order) -> None:
    """Load encoder and index, say so, then answer each line of queries' numbers with a row for each of them.

    A row is [encode, search, encode, search] in nanoseconds: by the clock, then of the processor, all threads.
    """
    opened = open_system(order)
    encoder, engine, texts = opened.encoder, opened.engine, opened.texts

    def timed(text: str) -> tuple[int, int, int, int]:
        used, begin = process_time_ns(), perf_counter_ns()
        vector = encoder.encode_queries([text])
        middle, used_middle = perf_counter_ns(), process_time_ns()
        resumed = perf_counter_ns()
        engine.search(vector, opened.k, threads=opened.threads)
        end, used_end = perf_counter_ns(), process_time_ns()
        return middle - begin, end - resumed, used_middle - used, used_end - used_middle

    warm = [sum(timed(text)[2:]) for text in (texts * 3)[: max(10, opened.warmup)]]
    gc.collect()
    gc.freeze()
    gc.disable()
    answer({"queries": len(texts), "nanoseconds": sorted(warm)[len(warm) // 2]})
    for line in sys.stdin:
        places = json.loads(line)
        timed(texts[places[0]])  # the first after a pause finds cold caches
        answer([timed(texts[place]) for place in places])
        gc.collect()


def open_system(order: Order) -> OpenSystem:
    """What `harness.revision.open_system` of this revision gives; for a revision without it the same, made here."""
    try:
        stable = import_module("harness.revision")
    except ModuleNotFoundError as error:
        if error.name != "harness.revision":
            raise
        return _open_earlier(order)
    opened: OpenSystem = stable.open_system(order)
    return opened


def _open_earlier(order: Order) -> OpenSystem:
    """Open a system with the code of a revision before `harness.revision`."""
    load_spec = import_module("harness.spec.load").load_spec
    registries = _first_with(REGISTRIES, "REGISTRIES").REGISTRIES
    spec = load_spec(Path(order["spec"]), registries, order["overrides"])
    measure = spec.head.measure
    system = next(system for system in spec.systems if system.name == order["system"])
    encoder_type = _first_with(OPEN_TYPE, "open_type").open_type(
        system.encoder.type, system.encoder.params.model_dump(mode="json")
    )
    read_texts = import_module("harness.pipeline.steps.prepare").read_texts
    texts = [text for _, text in read_texts(Path(order["collection"]) / "queries.jsonl")][: measure.queries]
    return SimpleNamespace(
        encoder=encoder_type.load(Path(order["model"]), threads=measure.threads),
        engine=import_module("harness.pipeline.steps.index").open_index(system.index.type, order["index"]),
        texts=texts, k=measure.k, threads=measure.threads, warmup=measure.warmup,
    )  # fmt: skip


def _first_with(modules: tuple[str, ...], name: str) -> ModuleType:
    """The first of these modules that exists and has this name."""
    for path in modules:
        try:
            module = import_module(path)
        except ModuleNotFoundError as error:
            # A module that exists and lacks a library is no earlier revision.
            if error.name is None or not path.startswith(error.name):
                raise
            continue
        if getattr(module, name, None) is not None:
            return module
    raise ImportError(f"none of {', '.join(modules)} has {name}")


def answer(content: object) -> None:
    """Write one line of JSON."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
