"""mteb's own evaluation of our systems gives the figures that our path gives."""

import json
import random

import numpy as np
import pytest

from harness.encoders import registry
from harness.indexes import create
from harness.measure.quality import evaluate
from harness.mteb_adapter import MtebSystem

mteb = pytest.importorskip("mteb")

WORDS = "the a of list sort number graph node path matrix sum mean fast slow tree find passage query".split()  # noqa: SIM905


def collection(documents=60, queries=20, seed=0):
    drawn = random.Random(seed)  # noqa: S311
    corpus = [
        {"id": f"d{n}", "title": drawn.choice(["", "graph"]), "text": " ".join(drawn.choices(WORDS, k=9))}
        for n in range(documents)
    ]
    asked = [{"id": f"q{n}", "text": " ".join(drawn.choices(WORDS, k=3))} for n in range(queries)]
    qrels = {q["id"]: {f"d{drawn.randrange(documents)}": drawn.choice([1, 2, 3]) for _ in range(12)} for q in asked}
    return corpus, asked, qrels


def from_beir(folder, corpus, asked, qrels):
    """The same, written as a BEIR folder and read as a collection of a spec."""
    from harness.collections.beir import Beir, BeirParams

    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", corpus), ("queries", asked)):
        lines = [json.dumps({"_id": row["id"], **row}) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    lines = [f"{query}\t{document}\t{grade}" for query, found in qrels.items() for document, grade in found.items()]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]))
    read = Beir(BeirParams(path=str(folder)))
    judged = {}
    for query, document, grade in read.judgements():
        judged.setdefault(query, {})[document] = grade
    documents = [{"id": d.id, "title": d.title, "text": d.text} for d in read.documents()]
    return documents, [{"id": q.id, "text": q.text} for q in read.queries()], judged


def task_of(corpus, asked, qrels):
    from datasets import Dataset
    from mteb.mocks import MockRetrievalTask

    class Own(MockRetrievalTask):
        def load_data(self, **_):
            if not self.data_loaded:
                one = {"corpus": Dataset.from_list(corpus), "queries": Dataset.from_list(asked)}
                one |= {"relevant_docs": qrels, "top_ranked": None}
                self.dataset = {"default": {"test": one, "val": one}}
                self.data_loaded = True

    return Own()


def ours(encoder, engine, corpus, asked, qrels):
    engine.build(encoder.encode_documents([f"{d['title']} {d['text']}".strip() for d in corpus]))
    ids, scores = engine.search(encoder.encode_queries([q["text"] for q in asked]), len(corpus))
    run = {
        query["id"]: {corpus[n]["id"]: float(s) for n, s in zip(ids[row], scores[row], strict=True) if n >= 0}
        for row, query in enumerate(asked)
    }
    return float(np.mean(list(evaluate(qrels, run, ["ndcg@10"])["ndcg@10"].values())))


@pytest.mark.parametrize(
    ("type", "engine", "settings"), [("laconic", "inverted", {"weights": "float32"}), ("dense-twin", "faiss-flat", {})]
)
def test_equal_to_a_millionth(llama_folder, tmp_path, monkeypatch, type, engine, settings):
    from mteb._evaluators import retrieval_evaluator

    whole, inner = [], retrieval_evaluator.calculate_retrieval_scores
    monkeypatch.setattr(
        retrieval_evaluator, "calculate_retrieval_scores", lambda *a, **k: whole.append(inner(*a, **k)) or whole[-1]
    )
    maker = registry.get(type)
    made = maker(maker.Params(backbone=str(llama_folder)))
    (tmp_path / "m").mkdir()
    made.fit(tmp_path / "m")
    encoder = made.load(tmp_path / "m")
    corpus, asked, qrels = from_beir(tmp_path / "beir", *collection())
    system = MtebSystem("laconic-bench/toy", encoder, create(engine, **settings))
    found = mteb.evaluate(
        system,
        task_of(corpus, asked, qrels),
        cache=None,
        co2_tracker=False,
        overwrite_strategy="always",
        show_progress_bar=False,
    )
    score = found.task_results[0].scores["test"][0]["ndcg_at_10"]
    mine = ours(encoder, create(engine, **settings), corpus, asked, qrels)
    assert 0.05 < mine < 0.95
    # mteb rounds what it returns to five places; before that, the figures of all queries are equal.
    assert score == pytest.approx(mine, abs=5.1e-6)
    for scores in whole:
        assert np.mean([row["ndcg_cut_10"] for row in scores.all_scores.values()]) == pytest.approx(mine, abs=1e-6)
    assert whole


def test_mock_task(llama_folder, tmp_path):
    from mteb.mocks import MockRetrievalTask

    maker = registry.get("laconic")
    made = maker(maker.Params(backbone=str(llama_folder)))
    made.fit(tmp_path)
    system = MtebSystem("laconic-bench/toy", made.load(tmp_path), create("inverted"))
    found = mteb.evaluate(system, MockRetrievalTask(), cache=None, co2_tracker=False, overwrite_strategy="always")
    assert {"val", "test"} <= set(found.task_results[0].scores)
