"""mteb's own evaluation of our systems gives the figures that our path gives."""

import random

import numpy as np
import pytest

from harness.encoders import registry
from harness.indexes import create
from harness.measure.mteb_search import MtebSystem
from harness.measure.quality import evaluate

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
def test_equal_to_a_millionth(llama_folder, tmp_path, type, engine, settings):
    maker = registry.get(type)
    made = maker(maker.Params(backbone=str(llama_folder)))
    made.fit(tmp_path)
    encoder = made.load(tmp_path)
    corpus, asked, qrels = collection()
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
    # mteb rounds to five places
    assert score == pytest.approx(mine, abs=5.1e-6)


def test_mock_task(llama_folder, tmp_path):
    from mteb.mocks import MockRetrievalTask

    maker = registry.get("laconic")
    made = maker(maker.Params(backbone=str(llama_folder)))
    made.fit(tmp_path)
    system = MtebSystem("laconic-bench/toy", made.load(tmp_path), create("inverted"))
    found = mteb.evaluate(system, MockRetrievalTask(), cache=None, co2_tracker=False, overwrite_strategy="always")
    assert {"val", "test"} <= set(found.task_results[0].scores)
