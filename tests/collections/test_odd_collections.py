"""Small collections that went wrong in tools of the field, from their files to the scores of BM25 (k1 0.9, b 0.4)."""

import importlib.util
import json

import numpy as np
import pytest

from harness.encoders import registry as encoders
from harness.indexes import create
from harness.measure.quality import evaluate, read_trec, write_trec
from harness.pipeline.steps.prepare import prepare, read_qrels, read_texts
from harness.pipeline.steps.ranking import Ranking

ENGINES = {
    "inverted": {},
    "scipy": {},
    "sharded": {"index": {"type": "scipy"}, "documents": 2},
    "bmp": {},
    "seismic": {},
}


@pytest.fixture
def scores(tmp_path):
    """Score a collection: {query: value} of a metric; `about` gets what the preparation says."""

    def of(corpus, queries, qrels, metric="ndcg@10", engine="inverted", about=None, **params):
        if importlib.util.find_spec({"bmp": "bmp", "seismic": "seismic"}.get(engine, "json")) is None:
            pytest.skip(f"the engine {engine} is not installed")
        data, out, model = (tmp_path / name for name in ("data", "prepared", "model"))
        for folder in (data / "qrels", out, model):
            folder.mkdir(parents=True)
        for name, rows in (("corpus", corpus), ("queries", queries)):
            lines = [json.dumps({"_id": key, "text": text}, ensure_ascii=False) for key, text in rows.items()]
            (data / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        judged = [f"{query}\t{document}\t{grade}\n" for query, document, grade in qrels]
        (data / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judged), encoding="utf-8")
        made = prepare(out=str(out), type="beir", params={"path": str(data), **params}, report=lambda *_: None)
        if about is not None:
            about.append(made)
        kind = encoders.get("bm25")
        maker = kind(kind.Params(k1=0.9, b=0.4))
        texts = {name: [text for _, text in read_texts(out / f"{name}.jsonl")] for name in ("documents", "queries")}
        maker.fit(model, corpus=iter(texts["documents"]))
        encoder = maker.load(model)
        index = create(engine, **ENGINES[engine])
        index.build(encoder.encode_documents(texts["documents"]))
        vectors = encoder.encode_queries(texts["queries"])
        ranking = Ranking(out, 10)
        found = ranking.of_search(lambda rows, k: index.search(vectors[rows], k), len(ranking.queries), exact=True)
        write_trec(tmp_path / "run.trec.gz", ranking.queries, ranking.documents, *found, "BM25")
        assert not np.isnan(found[1]).any()
        return evaluate(read_qrels(out / "qrels.tsv"), read_trec(tmp_path / "run.trec.gz"), [metric])[metric]

    return of


@pytest.mark.parametrize("sign", ["\f", "\x85", "\u2028", "\u2029", "\v", "\x1c", "\r", " ", '"', ",", "%", "#"])
def test_only_a_line_feed_ends_a_line_and_only_a_tab_a_field(scores, sign):
    corpus = {f"doc{sign}one": "cats purr", "doc two": "dogs bark", f"{sign}3": "fish swim"}
    queries = {f"q{sign}1": "cats purr", f"{sign}2": "fish swim"}
    qrels = [(f"q{sign}1", f"doc{sign}one", 1), (f"{sign}2", f"{sign}3", 1)]
    assert scores(corpus, queries, qrels) == dict.fromkeys(queries, 1.0)


def test_identifiers_that_are_formulas_comments_or_quoted(scores):
    names = ["IPCC_report,_1992", 'say "x"', "=1+1", "#4_12", "msmarco#3_1", "-1", "0", "None", "null", "NaN"]
    words = ["cats", "dogs", "parrots", "fish", "birds", "bees", "cows", "ants", "mice", "hens"]
    corpus = dict(zip(names, words, strict=True))
    queries = dict(zip(reversed(names), words, strict=True))
    qrels = [(query, document, 1) for query, document in zip(reversed(names), names, strict=True)]
    assert scores(corpus, queries, qrels) == dict.fromkeys(queries, 1.0)


@pytest.mark.parametrize(("metric", "value"), [("ndcg@10", 0.6309), ("recall@10", 1.0), ("mrr@10", 0.5)])
def test_a_negative_grade_gains_nothing_and_is_not_relevant(scores, metric, value):
    """As trec_eval: the spam stands first, the answer second."""
    corpus = {"d1": "cheap pills cats purr cats purr", "d2": "cats purr", "d3": "trains"}
    qrels = [("q1", "d1", -2), ("q1", "d2", 1)]
    found = scores(corpus, {"q1": "cheap cats purr pills"}, qrels, metric)
    assert found == {"q1": pytest.approx(value, abs=1e-4)}


@pytest.mark.parametrize("engine", list(ENGINES))
def test_what_has_no_terms_is_counted_and_never_found(scores, engine):
    corpus = {"d1": "", "d2": "   ", "d3": "。", "d4": "cats purr"}
    queries = {"q1": "?!", "q2": "cats purr", "q3": ""}
    found = scores(corpus, queries, [(query, "d4", 1) for query in queries], engine=engine)
    assert found == {"q1": 0.0, "q2": 1.0, "q3": 0.0}


UNIFORMS = {
    "a": "school uniforms should be required",
    "b": "school uniforms limit how pupils express themselves and should not be required",
    "c": "trains are late",
}


@pytest.mark.parametrize(
    ("ignored", "metric", "value"),
    [(True, "ndcg@10", 1.0), (True, "mrr@10", 1.0), (False, "ndcg@10", 0.6309), (False, "mrr@10", 0.5)],
)
def test_a_query_that_is_a_document_itself(scores, ignored, metric, value):
    about = []
    query = {"a": UNIFORMS["a"]}
    found = scores(UNIFORMS, query, [("a", "b", 1)], metric, about=about, ignore_identical_ids=ignored)
    assert found == {"a": pytest.approx(value, abs=1e-4)}
    assert about[0].same_identifiers == 1


def test_identifiers_that_only_coincide_drop_nothing(scores):
    corpus = {"0": "red apples", "1": "green pears", "2": "blue plums", "3": "yellow lemons"}
    assert scores(corpus, {"3": "yellow lemons", "0": "red apples"}, [("3", "3", 1), ("0", "0", 1)]) == {"3": 1, "0": 1}


@pytest.mark.parametrize("engine", list(ENGINES))
def test_copies_stand_in_one_order_on_every_engine(scores, engine):
    """Three copies of the relevant text, and the last one is judged."""
    about = []
    corpus = {"z": "cats purr", "x": "dogs bark", "y": "cats purr", "w": "cats purr"}
    found = scores(corpus, {"q": "cats"}, [("q", "w", 1)], "mrr@10", engine, about)
    assert found == {"q": pytest.approx(1 / 3)}
    assert about[0].copies == 2
