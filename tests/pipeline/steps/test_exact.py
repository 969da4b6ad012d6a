"""Exact results by brute force, and indexes held against them."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from scipy import sparse
from step_results import stored
from tests_support import write_collection
from vector_folders import write_vectors

from harness.pipeline.measurements import Subject, registry
from harness.pipeline.results.optional_records import extra_records
from harness.pipeline.stage import Stage
from harness.pipeline.stage_outcome import Done
from harness.pipeline.steps import exact
from harness.pipeline.steps.per_query import read_per_query
from harness.spec.models import MeasureSpec


def quiet(*_):
    """Progress that nobody reads."""


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_truth_is_the_exact_order_with_ties_by_number(kind, tmp_path):
    rng = np.random.default_rng(3)
    documents = rng.integers(0 if kind == "sparse" else -2, 3, (50, 6)).astype(np.float32)
    queries = rng.integers(0, 3, (40, 6)).astype(np.float32)
    documents[7] = 0
    for name, rows in (("documents", documents), ("queries", queries)):
        write_vectors(tmp_path / name, kind, 6, [sparse.csr_matrix(rows) if kind == "sparse" else rows])
    exact.truth(out=str(tmp_path), vectors=str(tmp_path), collection=str(tmp_path), depth=60, report=quiet)
    ids, scores = np.load(tmp_path / "ids.npy"), np.load(tmp_path / "scores.npy")
    all_scores = queries @ documents.T
    for row in range(40):
        order = sorted(range(50), key=lambda d: (-all_scores[row, d], d))
        if kind == "sparse":
            order = [d for d in order if all_scores[row, d] > 0]
        assert ids[row].tolist() == order + [-1] * (60 - len(order))
        np.testing.assert_array_equal(scores[row, : len(order)], all_scores[row, order])


def test_an_index_is_held_against_it(tmp_path):
    from harness.pipeline.steps import prepare

    paths = {name: tmp_path / name for name in ("collection", "truth", "hits", "out")}
    for path in paths.values():
        path.mkdir()
    at = {name: str(path) for name, path in paths.items()}
    source = {"path": str(write_collection(tmp_path))}
    prepare.prepare(out=at["collection"], type="beir", params=source, report=quiet)
    count = len((paths["collection"] / "queries.jsonl").read_text().splitlines())
    wanted = np.tile(np.arange(10), (count, 1)) % 6
    wanted[:, 6:] = -1
    np.save(paths["truth"] / "ids.npy", wanted)
    np.save(paths["truth"] / "scores.npy", np.tile(np.arange(10, 0, -1, dtype=np.float32), (count, 1)))
    hits = wanted.copy()
    hits[0, :3] = -1
    np.save(paths["hits"] / "ids.npy", hits)
    result = exact.compare(report=quiet, confidence=0.95, **at)
    assert result.recall == {"10": pytest.approx((count - 0.5) / count)}
    assert 0 < result.ndcg_at_10 <= 1
    assert result.queries == count
    by_query = read_per_query(paths["out"])
    assert list(by_query["recall_vs_exact@10"].values()) == [0.5] + [1.0] * (count - 1)
    assert np.mean(list(by_query["ndcg_exact@10"].values())) == result.ndcg_at_10
    low, high = result.intervals["recall_vs_exact@10"]
    assert 0 <= low < result.recall["10"] < high <= 1


def test_recall_up_to_the_timed_k_is_that_of_the_timed_search(tmp_path):
    from harness.pipeline.steps import prepare

    paths = {name: tmp_path / name for name in ("collection", "truth", "hits", "timed", "out")}
    for path in paths.values():
        path.mkdir()
    at = {name: str(path) for name, path in paths.items()}
    source = {"path": str(write_collection(tmp_path))}
    prepare.prepare(out=at["collection"], type="beir", params=source, report=quiet)
    count = len((paths["collection"] / "queries.jsonl").read_text().splitlines())
    wanted = np.full((count, 100), -1)
    wanted[:, :5] = np.arange(5)
    np.save(paths["truth"] / "ids.npy", wanted)
    np.save(paths["truth"] / "scores.npy", np.tile(np.arange(100, 0, -1, dtype=np.float32), (count, 1)))
    np.save(paths["hits"] / "ids.npy", wanted)
    short = wanted[:, :10].copy()
    short[:, 0] = 5
    np.save(paths["timed"] / "ids.npy", short)
    result = exact.compare(report=quiet, confidence=0.95, **at)
    assert result.recall == {"10": pytest.approx(0.8), "100": 1.0}
    del at["timed"]
    assert exact.compare(report=quiet, confidence=0.95, **at).recall == {"10": 1.0, "100": 1.0}


def test_queries_without_exact_results_have_no_recall():
    hits, exact_ids = np.asarray([[1, 2], [3, -1], [5, 6]]), np.asarray([[2, 9], [-1, -1], [6, 5]])
    assert exact.recalls(hits, exact_ids) == {0: 0.5, 2: 1.0}


def test_its_stages_and_records():
    vectors, search, prepare = (Stage(kind, kind, "m:f", {"depth": 100}) for kind in ("encode", "search", "prepare"))
    measurement, latency = registry.get("exact")(), Stage("latency", "latency", "m:f", {})
    subject = Subject("a system", MeasureSpec(), latency, vectors, search, prepare, latency, exact=True)
    truth, held = measurement.stages(subject)
    assert "timed" not in held.inputs
    _, at_k = measurement.stages(replace(subject, timed_search=Stage("search", "s", "m:f", {"depth": 10})))
    assert at_k.inputs["timed"].arguments == {"depth": 10}
    different = Stage("search", "other", "m:f", {"depth": 100, "x": 1})
    other = measurement.stages(replace(subject, label="another", search=different))
    assert truth.key == other[0].key
    assert held.key != other[1].key

    class One:
        collection, system, latency = "c", type("S", (), {"name": "s"}), ()
        measurements: ClassVar = {"exact": (truth, held)}

    ends = {"recall_vs_exact@10": (0.4, 0.6)}
    results = [(truth, exact.ExactSearch(4, 100)), (held, exact.ExactComparison({"10": 0.5}, 0.25, 4, ends))]
    done = {stage.key: Done(stage, "ok", stored(result)) for stage, result in results}
    rows = {row.metric: (row.value, row.n, row.ci_low, row.ci_high) for row in extra_records("run", One, done, 0.95)}
    assert rows == {"recall_vs_exact@10": (0.5, 4, 0.4, 0.6), "ndcg_exact@10": (0.25, 4, None, None)}


def test_only_an_index_that_is_not_exact_gets_it_unasked():
    stage = Stage("s", "s", "m:f", {"depth": 10})
    subject = Subject("a", MeasureSpec(), stage, stage, stage, stage, stage, exact=True)
    assert not registry.get("exact")().implied(subject)
    assert registry.get("exact")().implied(replace(subject, exact=False))
    assert not any(registry.get(name)().implied(replace(subject, exact=False)) for name in ("cold", "load"))
