"""Memory of a whole service: parts of known size are found where they belong, and identifiers survive packing."""

import json
import tempfile
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vector_folders import write_vectors

from harness.measure.workers.isolated import run_isolated
from harness.pipeline.steps.service_memory import Identifiers

MIB = 1 << 20
MODULE = """
import numpy as np
from harness.pipeline.steps import service_memory as step
import harness.indexes

MIB = 1 << 20
class Encoder:
    def load(self, directory, threads):
        import heavy_library  # 60 MiB, but not the encoder's
        self.weights = np.ones(50 * MIB, np.uint8); return self
    def encode_queries(self, texts):
        np.ones((40 if texts[0] == "large" else 1) * MIB, np.uint8)
        return np.ones((1, 4), np.float32)
class Engine:
    def __init__(self):
        self.rows = np.ones(30 * MIB, np.uint8)
        self.late = np.empty(20 * MIB, np.uint8)
    def searcher(self, k, threads):
        def search(query):
            if query[0, 0] == 7:  # a stored vector, the last of all, reaches pages that nothing reached before
                self.late[:] = 1
            return np.array([[1, -1]]), None
        return search
    def reach(self): pass
    def elsewhere(self): return SHARES
SHARES = ()
def weigh(collection, vectors, elsewhere, report):
    global SHARES
    before, after = "Anonymous: 1024 kB", "Anonymous: 11264 kB"
    SHARES = ((before, after),) * elsewhere
    step.open_type = lambda type, params: Encoder()
    step.open_index = lambda type, path, search: Engine()
    step.warm = lambda *given: None
    harness.indexes.create = lambda type, **params: Engine()
    return step.service_memory(out="", encoder_type="", encoder_params={}, model=collection, index_type="",
        index_params={}, index="", vectors=vectors, collection=collection, k=2, threads=1, queries=None, process=0,
        report=report)
"""


@pytest.fixture
def weigh(tmp_path, monkeypatch):
    (tmp_path / "heavy_library.py").write_text("import numpy\nHELD = numpy.ones(60 << 20, numpy.uint8)\n")
    (tmp_path / "weigh_service.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(str(tmp_path))
    write_vectors(tmp_path / "vectors" / "queries", "dense", 4, [np.array([[1] * 4, [7] * 4], np.float32)])

    def call(documents, elsewhere=0):
        ids = [f"d{number:09d}" for number in range(documents)]
        for name, texts in (("documents", zip(ids, ids, strict=True)), ("queries", [("1", "small"), ("2", "large")])):
            lines = [json.dumps({"id": identifier, "text": text}) for identifier, text in texts]
            (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        arguments = {"collection": str(tmp_path), "vectors": str(tmp_path / "vectors"), "elsewhere": elsewhere}
        outcome = run_isolated("weigh_service:weigh", arguments, allow=("weigh_service",))
        assert outcome.status == "ok", outcome.reason
        return outcome.result

    return call


def test_each_part_has_what_it_holds_and_libraries_are_no_part(weigh):
    parts = weigh(500_000)
    assert parts["encoder"] == pytest.approx(50 * MIB, rel=0.1)
    assert parts["index"] == pytest.approx(50 * MIB, rel=0.1), "pages that only a later search reaches count too"
    assert parts["identifiers"] == pytest.approx(9_000_000, rel=0.1)
    assert parts["query"] == pytest.approx(40 * MIB, rel=0.1), "that of the largest query"
    assert (parts["documents"], parts["queries"]) == (500_000, 2)


def test_what_other_processes_hold_of_the_index_is_part_of_it(weigh):
    assert weigh(3, elsewhere=2)["index"] == pytest.approx((50 + 2 * 10) * MIB, rel=0.1)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_identifiers_are_those_that_went_in(identifiers):
    with tempfile.TemporaryFile() as text, tempfile.TemporaryFile() as ends:
        Identifiers.write(identifiers, text, ends)
        packed = Identifiers.read(text, ends)
    assert [packed[number] for number in range(len(packed))] == identifiers
