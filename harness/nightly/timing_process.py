"""One revision's part of an interleaved comparison: times the queries that it is told to, a few at a time.

Run by path, with the revision's own interpreter, so that it measures that revision's code; it uses only what every
revision of this package has. Orders come as lines on standard input, answers leave as JSON lines on standard output.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import Any


def serve(order: dict[str, Any]) -> None:
    """Load encoder and index, say so, then answer each line of queries' numbers with a row for each of them.

    A row is [encode, search, encode, search] in nanoseconds: by the clock, then of the processor, all threads.
    """
    from harness.pipeline.plan.registries import REGISTRIES
    from harness.pipeline.steps.fit import open_type
    from harness.pipeline.steps.index import open_index
    from harness.pipeline.steps.prepare import read_texts
    from harness.spec.load import load_spec

    spec = load_spec(Path(order["spec"]), REGISTRIES, order["overrides"])
    measure = spec.head.measure
    system = next(one for one in spec.systems if one.name == order["system"])
    made = open_type(system.encoder.type, system.encoder.params.model_dump(mode="json"))
    encoder = made.load(Path(order["model"]), threads=measure.threads)
    engine = open_index(system.index.type, order["index"])
    texts = [text for _, text in read_texts(Path(order["collection"]) / "queries.jsonl")][: measure.queries]

    def one(text: str) -> tuple[int, int, int, int]:
        used, begin = process_time_ns(), perf_counter_ns()
        vector = encoder.encode_queries([text])
        middle, used_middle = perf_counter_ns(), process_time_ns()
        resumed = perf_counter_ns()
        engine.search(vector, measure.k, threads=measure.threads)
        end, used_end = perf_counter_ns(), process_time_ns()
        return middle - begin, end - resumed, used_middle - used, used_end - used_middle

    warm = [sum(one(text)[2:]) for text in (texts * 3)[: max(10, measure.warmup)]]
    gc.collect()
    gc.freeze()
    gc.disable()
    say({"queries": len(texts), "nanoseconds": sorted(warm)[len(warm) // 2]})
    for line in sys.stdin:
        places = json.loads(line)
        one(texts[places[0]])  # the first after a pause finds cold caches
        say([one(texts[place]) for place in places])
        gc.collect()


def say(answer: object) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
