"""Records of a finished system against arithmetic by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import step_results
from step_results import ENCODED, MEMORY, WORK, stored

from harness.claims import Evidence, judge
from harness.indexes import registry as indexes
from harness.indexes.base import Work
from harness.metrics import metric
from harness.pipeline.results.finished_system import FinishedSystem
from harness.pipeline.results.system_records import SystemRecords, samples_of
from harness.pipeline.steps.fit import fitted
from harness.pipeline.store.manifest import DamagedError
from harness.spec.claim import ClaimSpec
from harness.spec.models import Part


def part(type, **params):
    """An index of a spec."""
    return Part(type, type, type, indexes.get(type).Params(**params))


INVERTED = part("inverted")


def finished(latencies=(), folder=None, index=INVERTED, **results):
    """A system with these results in place of those above."""
    given = {**step_results.RESULTS, **results}
    stages = {name: SimpleNamespace(key=name, measures="nothing") for name in given}
    done = {name: SimpleNamespace(artefact=stored(result)) for name, result in given.items()}
    timed = [SimpleNamespace(key=f"latency {number}") for number in range(len(latencies))]
    done |= {f"latency {n}": SimpleNamespace(artefact=stored(result)) for n, result in enumerate(latencies)}
    if folder is not None:
        done["summary"].artefact.files = folder
    system = SimpleNamespace(name="s", index=index)
    about = {"system": system, "collection": "c", "latency": tuple(timed), "measures": lambda _: True}
    return FinishedSystem(SimpleNamespace(**about, **stages), done)


def rows(**results):
    made = list(SystemRecords("r", finished(**results)).all())
    by_name = {row.metric: row for row in made}
    assert len(by_name) == len(made), "no metric twice"
    assert {(row.run, row.collection, row.system) for row in made} == {("r", "c", "s")}
    return by_name


def values(**results):
    return {name: row.value for name, row in rows(**results).items()}


def test_every_figure_of_a_sparse_system():
    assert values() == {
        "ndcg@10": 0.5,
        "index_bytes": 1000, "index_bytes/postings": 600, "index_bytes/offsets": 400, "index_bytes_per_document": 10.0,
        "index_file_bytes": 1040, "identifier_bytes": 350, "build_seconds": 1.25, "build_peak_bytes": 4096,
        "build_peak_bytes/resident": 8192,
        "resident_bytes": 950, "resident_bytes/anonymous": 50, "resident_bytes/file": 900, "resident_bytes/pss": 700,
        "encode_documents_per_second": 25.0, "flops_encode_query": 2e5, "flops_encode_document": 1e6,
        "index_plain_bytes": 3000 * 3 + 5001 * 4 + 5000 * 4, "active_terms_document": 30.0, "active_terms_query": 8.0,
        "flops_search": 1000.0, "flops_query": 201_000.0, "postings_touched": 600.0, "documents_scored": 70.0,
        "index_to_entropy": 1000 / (500 + 3000), "expected_overlap": 1.5, "model_parameters": 1000.0,
    }  # fmt: skip


def test_a_query_side_of_its_own_is_counted_apart():
    found = values(encode=replace(ENCODED, parameters={"parameters": 1000.0, "query parameters": 30.0}))
    assert (found["model_parameters"], found["query_parameters"]) == (1000.0, 30.0)


def test_a_dense_system_has_dimensions_and_neither_terms_nor_postings():
    dense = replace(ENCODED, kind="dense", width=64, parameters={})
    work = replace(WORK, work=Work(multiply_adds=64_000, documents=1000), expected_overlap=None)
    found = values(encode=dense, work=work, index=part("faiss-flat"))
    assert (found["dimensions"], found["index_plain_bytes"]) == (64, 100 * 64 * 4)
    assert found["flops_search"] == 12_800
    absent = {
        "index_to_entropy",
        "active_terms_document",
        "active_terms_query",
        "postings_touched",
        "expected_overlap",
        "model_parameters",
    }
    assert not absent & found.keys()


SHARDED = {"type": "sharded", "index": {"type": "inverted", "weights": "u4"}}


@pytest.mark.parametrize(
    ("index", "size", "label"),
    [
        ({"type": "inverted", "weights": "u4"}, 3000 * 2.5 + 5001 * 4 + 5000 * 4, "16-bit numbers, 4-bit weights"),
        (
            {"type": "inverted", "weights": "u16"},
            3000 * 4 + 5001 * 4 + 5000 * 4,
            "16-bit numbers, 16-bit integer weights",
        ),
        ({"type": "inverted", "weights": "float32"}, 3000 * 6 + 5001 * 4, "16-bit numbers, float32 weights"),
        ({"type": "scipy"}, 3000 * 8 + 5001 * 8, "32-bit numbers, float32 weights"),
        (SHARDED, 3000 * 2.5 + 5001 * 4 + 5000 * 4, "16-bit numbers, 4-bit weights"),
        ({"type": "bmp"}, None, ""),
    ],
)
def test_an_index_on_paper_has_its_own_codec(index, size, label):
    row = rows(index=part(**index)).get("index_plain_bytes")
    assert (row is None) == (size is None)
    if row is not None:
        assert (row.value, row.method) == (size, f"arithmetic: {label}, offsets and scales")


def test_float32_weights_are_not_less_than_half_precision_vectors():
    """128 terms of 32 + 16 bits are as much as 384 dimensions of 16 bits, and the offsets come on top."""
    one = replace(ENCODED.document, rows=1000, stored=128_000)
    sparse = replace(ENCODED, document=one)
    dense = replace(ENCODED, kind="dense", width=384, document=replace(one, stored=384_000))
    made = [
        rows(encode=sparse, index=part("inverted", weights="float32"))["index_plain_bytes"],
        rows(encode=dense, index=part("faiss", factory="SQfp16"))["index_plain_bytes"],
    ]
    assert [row.value for row in made] == [128_000 * 6 + 5001 * 4, 1000 * 384 * 2]
    cells = {("c", name, row.metric): row for name, row in zip("ab", made, strict=True)}
    codecs = {("c", "a"): "float32", ("c", "b"): "SQfp16"}
    found = Evidence(cells, {("c", name): ("ok", "") for name in "ab"}, codecs=codecs)
    asked = {
        "name": "n",
        "metric": "index_plain_bytes",
        "system": "a",
        "baseline": "b",
        "codecs": ("float32", "SQfp16"),
    }
    (verdict,) = judge(ClaimSpec(**asked, reduction_at_least=0.71), found)
    assert verdict.word == "contradicted"
    assert "16-bit numbers, float32 weights" in verdict.sentence
    (verdict,) = judge(ClaimSpec(**asked, reduction_at_least=0.71), replace(found, records={}))
    assert verdict.word == "not comparable"


def test_an_engine_that_does_not_count_has_no_work():
    found = values(work=replace(WORK, work=None))
    assert "expected_overlap" in found
    assert not {"flops_search", "flops_query", "postings_touched", "documents_scored"} & found.keys()


def test_counts_over_queries_have_an_interval_and_sizes_none():
    found = rows()
    assert (found["flops_search"].ci_low, found["flops_search"].ci_high) == (900.0, 1100.0)
    assert (found["active_terms_query"].ci_low, found["active_terms_query"].ci_high) == (7.0, 9.0)
    exact = [name for name in found if metric(name).exact]
    assert {"index_bytes", "active_terms_document", "flops_encode_document"} <= {*exact}
    assert all(found[name].ci_low is None for name in exact)


def test_a_training_has_its_operations_by_part_and_their_sum():
    facts = {"train_flops": {"forward": 1e9, "backward": 2e9}, "train_seconds": 7.5}
    found = values(fit=fitted(facts, 9.0))
    assert (found["train_flops"], found["train_seconds"]) == (3e9, 7.5)
    assert (found["train_flops/forward"], found["train_flops/backward"]) == (1e9, 2e9)
    assert not any(name.startswith("train") for name in values())


def test_memory_that_shrank_is_none_and_other_processes_are_named():
    found = rows(memory=replace(MEMORY, anonymous=-100, file=40, elsewhere=2))
    assert (found["resident_bytes"].value, found["resident_bytes/anonymous"].value) == (0, 0)
    assert found["resident_bytes"].method.endswith("fresh process, and 2 that hold shards")
    assert rows()["resident_bytes"].method.endswith("fresh process")


def test_what_follows_from_a_formula_is_labelled_so():
    analytic = {name for name, row in rows().items() if row.source == "analytic"}
    assert analytic == {
        "flops_encode_query", "flops_encode_document", "index_plain_bytes", "index_to_entropy", "flops_query",
        "expected_overlap",
    }  # fmt: skip


def test_latencies_have_intervals_and_shortest_times_none():
    found = {row.metric: row for row in SystemRecords("r", finished()).latency()}
    assert len(found) == 5 * 2 + 3
    assert (found["search_engine/mean"].value, found["search_adapter/p50"].value) == (0.02, 0.015)
    mean = found["latency_total/mean"]
    assert (mean.value, mean.ci_low, mean.ci_high, mean.n) == (0.02, 0.01, 0.03, 40)
    assert (found["search_least"].value, found["search_least"].ci_low) == (0.005, None)
    quality = rows()["ndcg@10"]
    assert (quality.ci_low, quality.ci_high, quality.n, quality.method) == (0.4, 0.6, 10, "ir_measures")


@pytest.mark.parametrize("elsewhere", [0, 2])
def test_samples_have_processor_times_unless_other_processes_searched(tmp_path, elsewhere):
    np.savez(tmp_path / "samples.npz", query=np.arange(3, dtype=np.int32), encode=np.ones(3))
    times = {} if elsewhere else {"encode_cpu": (0.1, 0.2), "search_cpu": (0.3, 0.4)}
    latencies = [step_results.latency(elsewhere=elsewhere, **times) for _ in range(2)]
    samples = samples_of(finished(latencies, tmp_path))
    assert samples["query"].tolist() == [0, 1, 2]
    if elsewhere:
        assert samples.keys() == {"query", "encode"}
    else:
        assert samples["encode_cpu"].tolist() == [[0.1, 0.2]] * 2
        assert samples["search_cpu"].tolist() == [[0.3, 0.4]] * 2


def test_a_result_that_was_damaged_is_named_when_it_is_read():
    system = finished()
    del system.done["build"].artefact.result["file_bytes"]
    with pytest.raises(DamagedError, match=r"manifest\.json: .*Built: file_bytes: missing"):
        _ = system.built
    assert system.memory == MEMORY


def test_vectors_made_elsewhere_have_no_figures_of_encoding():
    encoded = step_results.RESULTS["encode"]
    sides = {
        name: replace(getattr(encoded, name), seconds=None, tokens=None, flops=None) for name in ("document", "query")
    }
    known, unknown = values(), values(encode=replace(encoded, **sides))
    assert set(known) - set(unknown) == {
        "encode_documents_per_second", "flops_encode_query", "flops_encode_document", "flops_query",
    }  # fmt: skip
    assert all(unknown[name] == known[name] for name in unknown)


def test_a_time_that_other_stages_may_have_made_longer_says_so():
    records = {record.metric: record.method for record in SystemRecords("run", finished()).all()}
    assert records["encode_documents_per_second"] == "one pass, wall time; other stages may run beside it"
    assert records["build_seconds"] == "one build, wall time"
    system = finished()
    system.stages.encode.measures = "time"
    alone = {record.metric: record.method for record in SystemRecords("run", system).all()}
    assert alone["encode_documents_per_second"] == "one pass, wall time"
