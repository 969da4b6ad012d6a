"""Memory that stages measure beside each other: as much as they measure one after the other."""

import json
import textwrap

import numpy as np
import pytest
from vector_folders import write_vectors

from harness.measure.workers.worker_process import Order, Worker, first_to_stop
from harness.pipeline.steps import index

MIB = 1 << 20
DOCUMENTS, TERMS = 20_000, 2000
MODULE = """
import time
from pathlib import Path
import harness.measure.memory as memory
from harness.pipeline.steps.footprint import served_memory
from harness.pipeline.steps.service_memory import service_memory

STEPS = {"served": served_memory, "service": service_memory}
resident = memory.resident
def weigh(step, meeting, number, others, report, **arguments):
    met = 0
    def there(*names): return any(Path(meeting, name).exists() for name in names)
    def meet():  # all are at this place, or have ended, before one goes on
        nonlocal met
        met += 1
        Path(meeting, f"{number}-{met}").touch()
        while not all(there(f"{other}-{met}", f"{other}-ended") for other in others): time.sleep(0.001)
    def read():
        meet(); found = resident(); meet()
        return found
    memory.resident = read
    result = STEPS[step](out="", report=report, **arguments)
    meet()
    Path(meeting, f"{number}-ended").touch()
    return result
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """BM25 over seeded texts, and two indexes of one set of vectors."""
    from harness.encoders.bm25 import Bm25, Bm25Params

    folder, rng = tmp_path_factory.mktemp("beside"), np.random.default_rng(5)
    (folder / "beside_memory.py").write_text(textwrap.dedent(MODULE))
    texts = [" ".join(f"w{term}" for term in rng.integers(TERMS, size=60)) for _ in range(DOCUMENTS)]
    for name, some in (("documents", texts), ("queries", texts[:20])):
        lines = [json.dumps({"id": f"{name}{number}", "text": text}) for number, text in enumerate(some)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    for name in ("model", "inverted", "scipy"):
        (folder / name).mkdir()
    bm25 = Bm25(Bm25Params())
    bm25.fit(folder / "model", corpus=texts)
    encoder = bm25.load(folder / "model")
    write_vectors(folder / "vectors/documents", "sparse", encoder.width, [encoder.encode_documents(texts)])
    write_vectors(folder / "vectors/queries", "sparse", encoder.width, [encoder.encode_queries(texts[:20])])
    for name in ("inverted", "scipy"):
        index.build(out=str(folder / name), type=name, params={}, vectors=str(folder / "vectors"), report=quiet)
    return folder


def quiet(done, total, text):
    pass


@pytest.fixture
def together(world, tmp_path, monkeypatch):
    """The results of several (step, index), whose processes read what is resident at the same time."""
    monkeypatch.syspath_prepend(str(world))

    def call(*asked):
        meeting = tmp_path / str(len(list(tmp_path.iterdir())))
        meeting.mkdir()
        orders = []
        for number, (step, name) in enumerate(asked):
            arguments = {
                "step": step, "meeting": str(meeting), "number": number, "others": list(range(len(asked))),
                "index": str(world / name), "vectors": str(world / "vectors"), "collection": str(world), "k": 10,
            }  # fmt: skip
            if step == "served":
                arguments |= {"type": name, "params": {}}
            else:
                arguments |= {
                    "encoder_type": "bm25", "encoder_params": {}, "model": str(world / "model"), "index_type": name,
                    "index_params": {}, "threads": 1, "queries": None, "process": 0,
                }  # fmt: skip
            orders.append(Order("beside_memory:weigh", arguments, timeout=100, allow=("beside_memory",)))
        workers, ended = [Worker(order) for order in orders], {}
        try:
            while len(ended) < len(workers):
                ended |= dict(first_to_stop([worker for worker in workers if worker not in ended]))
        finally:
            for worker in workers:
                worker.close()
        outcomes = [ended[worker] for worker in workers]
        assert [outcome.status for outcome in outcomes] == ["ok"] * len(workers), outcomes
        return [outcome.result for outcome in outcomes]

    return call


def near(expected, result, *parts):
    """Whether each part is as large, but for what Python's heap differs by from one process to the next."""
    return [result[part] for part in parts] == pytest.approx([expected[part] for part in parts], abs=MIB / 8)


def test_a_service_beside_another_holds_what_it_holds_alone(together):
    """Beside one of another index over the same vectors, and beside one of the same index: pages are counted whole."""
    (alone,) = together(("service", "inverted"))
    assert alone["index"] > 2 * MIB
    for neighbour in ("scipy", "inverted"):
        beside, other = together(("service", "inverted"), ("service", neighbour))
        assert near(alone, beside, "encoder", "index", "identifiers", "query")
        assert other["documents"] == alone["documents"] == DOCUMENTS


def test_an_index_beside_another_has_the_share_that_it_has_alone_and_beside_itself_less(together):
    (alone,) = together(("served", "inverted"))
    assert alone["pss"] > alone["file"] > 2 * MIB
    beside, _ = together(("served", "inverted"), ("served", "scipy"))
    assert near(alone, beside, "anonymous", "file", "pss")
    for one in together(("served", "inverted"), ("served", "inverted")):
        assert near(alone, one, "anonymous", "file")
        assert one["pss"] < alone["pss"] - alone["file"] / 4
