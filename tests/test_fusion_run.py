"""A whole run with fusions: quality against an independent fusion of the written runs, claims, report and exports."""

import gzip
import json
from fractions import Fraction

import ir_measures
import numpy as np
import pytest
from small_specs import beir, system

from harness.errors import UserError
from harness.experiment import open_run, run_experiment
from harness.measure.quality import read_trec
from reports.exports.export import export

TABLES = {
    "name": "fused",
    "encoders": {"plain": {"type": "bm25"}, "odd": {"type": "bm25", "k1": 9.0, "b": 0.0}},
    "indexes": {"exact": {"type": "inverted", "weights": "float32"}, "coded": {"type": "inverted", "weights": "u4"}},
    "systems": [system("plain", "plain", "exact"), system("odd", "odd", "coded")],
    "fusions": [
        {"name": "ranks", "systems": ["plain", "odd"]},
        {"name": "scores", "systems": ["odd", "plain"], "method": "sum", "weights": [0.3, 0.7]},
    ],
    "measure": {"processes": 1, "repeats": 1, "queries": 3, "k": 20, "depth": 50},
    "claims": [
        {"name": "no worse", "metric": "ndcg@10", "system": "ranks", "baseline": "odd", "difference_at_least": -0.9},
        {"name": "sizes", "metric": "index_bytes", "system": "odd", "baseline": "ranks", "ratio_at_most": 1.0},
    ],
}  # fmt: skip
WORDS, COUNT, QUERIES = 60, 200, 40


def write_collection(folder):
    """Documents of random words, few of which are common; what has two of a query's three words is relevant."""
    rng = np.random.default_rng(3)
    share = 1 / np.arange(1, WORDS + 1)
    texts = [rng.choice(WORDS, rng.integers(5, 60), p=share / share.sum()) for _ in range(COUNT)]
    asked = [rng.choice(WORDS, 3, replace=False) for _ in range(QUERIES)]
    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", texts), ("queries", asked)):
        lines = [json.dumps({"_id": f"{name[0]}{n:03d}", "text": " ".join(f"word{w}" for w in row)})
                 for n, row in enumerate(rows)]  # fmt: skip
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    pairs = [(q, d) for q, query in enumerate(asked) for d, text in enumerate(texts) if len({*query} & {*text}) > 1]
    judged_pairs = [pair for pair in pairs if rng.random() < 0.3] + [(q, q) for q in range(QUERIES)]
    judged = "".join(f"q{q:03d}\tc{d:03d}\t1\n" for q, d in dict.fromkeys(judged_pairs))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    return {f"q{q:03d}": {f"c{d:03d}": 1 for p, d in judged_pairs if p == q} for q in range(QUERIES)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The run, the folder with its store, the spec and the qrels."""
    folder = tmp_path_factory.mktemp("fusion")
    qrels = write_collection(folder / "data")
    spec = {**TABLES, "collections": {"made": beir(folder / "data")}}
    return run_experiment(spec, store=folder / "store", out=folder / "run"), folder, spec, qrels


def trec_run(run, name):
    number = next(place for place, row in enumerate(run.data.systems) if row["name"] == name)
    return read_trec(run.folder / "runs" / f"{number:03d}.trec.gz")


def reciprocal(lists, depth):
    """{document: sum} by brute force in fractions, from {document: score} of each run."""
    sums = {}
    for hits in lists:
        for rank, document in enumerate(sorted(hits, key=hits.get, reverse=True)[:depth], start=1):
            sums[document] = sums.get(document, 0) + Fraction(1, 60 + rank)
    return {document: float(score) for document, score in sums.items()}


def weighted(lists, weights, depth):
    sums = {}
    for hits, weight in zip(lists, weights, strict=True):
        best = dict(sorted(hits.items(), key=lambda hit: -hit[1])[:depth])
        low, high = min(best.values()), max(best.values())
        for document, score in best.items():
            sums[document] = sums.get(document, 0.0) + weight * ((score - low) / (high - low) if high > low else 1.0)
    return sums


def best_first(sums):
    return sorted(sums, key=lambda document: (-sums[document], document))


def values(run, name, metric):
    return run.data.quality["made", name, metric]


@pytest.mark.parametrize(("metric", "measure", "depth"), [
    ("ndcg@10", ir_measures.nDCG @ 10, 20), ("recall@10", ir_measures.R @ 10, 20),
    ("recall@100", ir_measures.R @ 100, 50),
])  # fmt: skip
def test_quality_is_that_of_an_independent_fusion(made, metric, measure, depth):
    """Up to the timed k, the first k documents of each run are fused; beyond it all that a run holds."""
    run, _, _, qrels = made
    plain, odd = (trec_run(run, name) for name in ("plain", "odd"))
    ranks = {query: reciprocal([plain[query], odd[query]], depth) for query in qrels}
    scores = {query: weighted([odd[query], plain[query]], [0.3, 0.7], depth) for query in qrels}
    outcomes = set()
    for name, fused in (("ranks", ranks), ("scores", scores)):
        # Equal sums come by document number, as the names of the documents do; trec_eval wants it the other way round.
        orders = {query: best_first(sums)[:depth] for query, sums in fused.items()}
        ordered = {query: {document: -place for place, document in enumerate(row)} for query, row in orders.items()}
        expected = {row.query_id: row.value for row in ir_measures.iter_calc([measure], qrels, ordered)}
        ours = values(run, name, metric)
        assert ours == pytest.approx(expected, abs=1e-6)
        assert run.data.cells()["made", name, metric].value == pytest.approx(sum(ours.values()) / len(ours))
        outcomes.add(tuple(ours.values()))
    if metric == "ndcg@10":
        assert len(outcomes | {tuple(values(run, name, metric).values()) for name in ("plain", "odd")}) == 4


def test_claims_name_a_fusion(made):
    run, *_ = made
    better, sizes = run.verdicts()
    assert (better.word, sizes.word) == ("supported", "supported")
    assert "sum over plain + odd" not in better.sentence
    assert run.data.cells()["made", "ranks", "index_bytes"].value == sum(
        run.data.cells()["made", name, "index_bytes"].value for name in ("plain", "odd")
    )


def test_times_of_a_fusion_are_those_of_its_systems_together(made):
    run, *_ = made
    own, first, second = (run.data.latency["made", name]["total"] for name in ("ranks", "plain", "odd"))
    assert own == pytest.approx(first + second)
    means = [run.data.cells()["made", name, "latency_total/mean"] for name in ("ranks", "plain", "odd")]
    assert means[0].value == pytest.approx(means[1].value + means[2].value)
    assert [row.source for row in means] == ["estimated", "measured", "measured"]


def test_the_page_says_what_is_fused_and_what_is_estimated(made):
    run, folder, *_ = made
    page = run.report(folder / "page.html").read_text()
    assert "<dt>ranks</dt><dd>reciprocal rank fusion (k = 60) of plain and odd" in page
    assert "<dt>scores</dt><dd>sum of the min-max normalised scores of 0.3 x odd and 0.7 x plain" in page
    assert ">estimated<" in page


def test_a_fused_run_is_exported_as_any_other(made, tmp_path):
    run, *_ = made
    export(open_run(run.folder).data, "trec", out=tmp_path)
    lines = (tmp_path / "002.trec").read_text().splitlines()
    about = json.loads(next(line for line in lines if line.startswith("# method")).partition(": ")[2])
    (system,) = about["retrieval"]
    assert system["interpolation"] == "reciprocal rank fusion (k = 60) of plain and odd"
    with gzip.open(run.folder / "runs" / "002.trec.gz", "rt") as file:
        assert [line for line in lines if not line.startswith("#")] == file.read().splitlines()


def test_a_fusion_alone_reuses_all_that_its_systems_made(made, tmp_path):
    run, folder, spec, _ = made
    again = run_experiment(spec, store=folder / "store", out=tmp_path / "run", only=["scores"])
    assert [row["name"] for row in again.data.systems] == ["plain", "odd", "scores"]
    assert (again.data.facts["only"], again.data.facts["null"], run.data.facts["only"]) == (["scores"], False, [])
    assert all(done.reused for done in again.outcomes.values())
    assert values(again, "scores", "ndcg@10") == values(run, "scores", "ndcg@10")


def test_an_unknown_name_is_answered_by_the_nearest(made, tmp_path):
    with pytest.raises(UserError, match="did you mean 'scores'"):
        run_experiment(made[2], store=tmp_path / "store", out=tmp_path / "run", only=["score"])
