"""From hits to quality, and from samples to latencies."""

import gzip
import json

import ir_measures
import numpy as np
import pytest
from scipy import sparse
from vector_folders import write_vectors

from harness.metrics import quality_metrics
from harness.metrics.named_measures import cut_off
from harness.pipeline.steps.evaluate import latencies, quality


def quiet(*_):
    """Progress that nobody reads."""


@pytest.fixture
def evaluated(tmp_path):
    """Twelve queries over thirty documents, seeded, and the result of evaluating them."""
    rng = np.random.default_rng(5)
    texts, vectors, hits, out = (tmp_path / name for name in ("texts", "vectors", "hits", "out"))
    for folder in (texts, hits, out, vectors):
        folder.mkdir()
    for name, count in (("documents", 30), ("queries", 12)):
        lines = [json.dumps({"id": f"{name[0]}{n}", "text": f"text {n}"}) + "\n" for n in range(count)]
        (texts / f"{name}.jsonl").write_text("".join(lines))
        rows = rng.random((count, 5)).astype(np.float32)
        write_vectors(vectors / name, "sparse", 5, [sparse.csr_matrix(rows * (rows > 0.4))])
    (vectors / "terms.json").write_text(json.dumps([[n, f"term{n}"] for n in range(5)]))
    qrels = {(q, int(d)): int(rng.integers(0, 3)) for q in range(12) for d in rng.choice(30, 6, replace=False)}
    qrels |= {(q, q): 1 for q in range(12)}
    (texts / "qrels.tsv").write_text("".join(f"q{q}\td{d}\t{r}\n" for (q, d), r in qrels.items()))
    ids = np.stack([rng.permutation(30)[:20] for _ in range(12)]).astype(np.int64)
    scores = np.sort(rng.random((12, 20)).astype(np.float32))[:, ::-1]
    np.save(hits / "ids.npy", ids)
    np.save(hits / "scores.npy", scores)
    metrics = {name: quality_metrics.get(name).measure for name in quality_metrics.names()}
    result = quality(
        out=str(out), collection=str(texts), vectors=str(vectors), hits=str(hits), tag="a system", metrics=metrics,
        confidence=0.95, report=quiet,
    )  # fmt: skip
    by_hand = [ir_measures.Qrel(f"q{q}", f"d{d}", r) for (q, d), r in qrels.items()]
    return result, out, by_hand, ids


def test_every_metric_is_what_ir_measures_gives_for_the_written_run(evaluated):
    result, out, qrels, _ = evaluated
    with gzip.open(out / "run.trec.gz", "rt") as lines:
        run = list(ir_measures.read_trec_run(lines.read()))
    assert len(run) == 12 * 20
    checked = 0
    for name, metric in result.metrics.items():
        measure = quality_metrics.get(name).measure
        if measure:
            wanted = ir_measures.calc_aggregate([ir_measures.parse_measure(measure)], qrels, run)
            assert metric.value == pytest.approx(next(iter(wanted.values())), abs=1e-9), name
            checked += 1
        assert metric.low <= metric.value <= metric.high
        assert metric.n == 12
        assert metric.method.endswith("Student's t over queries")
    assert checked > 3


def test_values_by_query_have_the_mean_that_is_the_result(evaluated):
    result, out, _, _ = evaluated
    by_query = json.loads((out / "per_query.json").read_text())
    assert by_query.keys() == result.metrics.keys()
    for name, values in by_query.items():
        assert len(values) == 12
        assert result.metrics[name].value == pytest.approx(np.mean(list(values.values())))


def test_the_run_keeps_the_order_of_the_hits_and_the_name_of_the_system(evaluated):
    _, out, _, ids = evaluated
    with gzip.open(out / "run.trec.gz", "rt") as lines:
        rows = [line.split() for line in lines]
    first = [row for row in rows if row[0] == "q0"]
    assert [row[2] for row in sorted(first, key=lambda row: -float(row[4]))] == [f"d{number}" for number in ids[0]]
    assert {row[5] for row in rows} == {"a%20system"}
    assert (out / "explain.jsonl").is_file()
    assert (out / "active.npz").is_file()


def test_metrics_up_to_the_timed_k_come_from_the_timed_search(evaluated, tmp_path):
    deep, _, _, ids = evaluated
    for name in ("timed", "both", "short"):
        (tmp_path / name).mkdir()
    np.save(tmp_path / "timed" / "ids.npy", ids[:, 10:20])
    np.save(tmp_path / "timed" / "scores.npy", np.tile(np.arange(10, 0, -1, dtype=np.float32), (12, 1)))
    metrics = {name: quality_metrics.get(name).measure for name in deep.metrics}

    def result(out, hits, **more):
        given = {"collection": str(tmp_path / "texts"), "vectors": str(tmp_path / "vectors"), "tag": "a system"}
        return quality(
            out=str(tmp_path / out), hits=str(tmp_path / hits), metrics=metrics, confidence=0.95, report=quiet, **given,
            **more,
        )  # fmt: skip

    both, short = result("both", "hits", timed=str(tmp_path / "timed")), result("short", "timed")
    assert list(both.metrics) == list(deep.metrics)
    for name, metric in both.metrics.items():
        wanted, other = (short, deep) if name.endswith("@10") else (deep, short)
        assert metric == wanted.metrics[name]
        assert metric != other.metrics[name]
    with gzip.open(tmp_path / "both" / "run.trec.gz", "rt") as lines:
        assert len(lines.readlines()) == 12 * 20, "the run is that of the deep search"


@pytest.mark.parametrize(
    ("name", "cut"),
    [("nDCG@10", 10), ("ndcg@1000", 1000), ("nDCG(dcg='exp-log2')@20", 20), ("AP", np.inf), ("a@b", np.inf)],
)
def test_a_metric_looks_at_as_many_documents_as_its_name_says(name, cut):
    assert cut_off(name) == cut


def samples(folder, seed, queries=20, repeats=3, *, engine=True):
    """Write the samples of one process and return its seconds of encoding and of search."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    query = np.tile(np.arange(queries, dtype=np.int32), repeats)
    repeat = np.repeat(np.arange(repeats, dtype=np.int32), queries)
    sides = {name: rng.gamma(2.0, 0.01, queries * repeats) for name in ("encode", "search")}
    engine = 0.75 * sides["search"] if engine else np.full(queries * repeats, np.nan)
    np.savez(folder / "samples.npz", query=query, repeat=repeat, engine=engine, **sides)
    return sides["encode"], sides["search"], query


def test_latencies_are_those_of_all_processes_in_the_order_of_their_numbers(tmp_path):
    (tmp_path / "out").mkdir()
    given = [samples(tmp_path / f"p{number}", number) for number in range(3)]
    folders = {f"process{number}": str(tmp_path / f"p{number}") for number in (2, 0, 1)}
    summary = latencies(out=str(tmp_path / "out"), confidence=0.9, seed=1, report=quiet, **folders)
    encode, search, query = (np.concatenate(arrays) for arrays in zip(*given, strict=True))
    assert summary.n == 180
    sides = {"encode": encode, "search": search, "total": encode + search}
    for name, seconds in sides.items():
        value, low, high = summary.sides()[name]["mean"]
        assert value == pytest.approx(seconds.mean())
        assert low <= value <= high
        medians = [np.quantile(part, 0.5) for part in np.split(seconds, 3)]
        assert summary.sides()[name]["p50"][0] == pytest.approx(np.mean(medians))
        assert summary.least[name] == pytest.approx(np.mean([seconds[query == q].min() for q in range(20)]))
    with np.load(tmp_path / "out" / "samples.npz") as joined:
        assert joined["process"].tolist() == [0] * 60 + [1] * 60 + [2] * 60
        np.testing.assert_array_equal(joined["encode"], encode)
    assert summary.engine["mean"][0] == pytest.approx(0.75 * search.mean())
    assert summary.adapter["mean"][0] == pytest.approx(0.25 * search.mean())
    assert summary.adapter["p50"] == pytest.approx(tuple(np.asarray(summary.search["p50"]) / 4))


def test_parts_of_a_search_that_one_process_does_not_know_are_not_given(tmp_path):
    (tmp_path / "out").mkdir()
    for number in range(2):
        samples(tmp_path / f"p{number}", number, engine=number == 0)
    folders = {f"process{number}": str(tmp_path / f"p{number}") for number in range(2)}
    summary = latencies(out=str(tmp_path / "out"), confidence=0.9, seed=1, report=quiet, **folders)
    assert summary.engine is summary.adapter is None


def test_processes_that_timed_other_queries_are_no_sample(tmp_path):
    (tmp_path / "out").mkdir()
    samples(tmp_path / "p0", 0)
    samples(tmp_path / "p1", 1, queries=10)
    folders = {f"process{number}": str(tmp_path / f"p{number}") for number in range(2)}
    with pytest.raises(ValueError, match="every query"):
        latencies(out=str(tmp_path / "out"), confidence=0.9, seed=1, report=quiet, **folders)
