"""BM25 on a real collection, through our inverted index and ir_measures."""

from pathlib import Path

import numpy as np
import pytest

from harness.collections.beir import Beir, BeirParams
from harness.encoders.bm25 import Bm25, Bm25Params
from harness.indexes import create
from harness.measure.quality import evaluate, read_trec, write_trec

SHARED = Path(__file__).resolve().parents[3] / "shared" / "collections"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "low", "high"), [("scifact", 0.66, 0.70), ("cranfield", 0.33, 0.40), ("medline", 0.66, 0.73)]
)
def test_bm25_is_where_it_was_published(name, low, high, tmp_path):
    if not (SHARED / name).is_dir():
        pytest.skip(f"the collection {name} is not beside the checkout")
    collection = Beir(BeirParams(path=str(SHARED / name)))
    documents = list(collection.documents())
    queries = list(collection.queries())
    qrels: dict[str, dict[str, int]] = {}
    for query, document, relevance in collection.judgements():
        qrels.setdefault(query, {})[document] = relevance
    queries = [query for query in queries if query.id in qrels]
    maker = Bm25(Bm25Params())
    maker.fit(tmp_path, corpus=(document.full_text for document in documents))
    encoder = maker.load(tmp_path)
    index = create("inverted")
    index.build(encoder.encode_documents([document.full_text for document in documents]))
    ids, scores = index.search(encoder.encode_queries([query.text for query in queries]), 1000)
    write_trec(tmp_path / "run.trec.gz", [q.id for q in queries], [d.id for d in documents], ids, scores, "bm25")
    run = read_trec(tmp_path / "run.trec.gz")
    # The written file, read by anyone, keeps our order.
    for row, query in enumerate(queries):
        ours = [documents[d].id for d in ids[row] if d >= 0]
        assert sorted(run.get(query.id, {}), key=lambda d: -run[query.id][d]) == ours
    ndcg = float(np.mean(list(evaluate(qrels, run, ["ndcg@10"])["ndcg@10"].values())))
    assert low <= ndcg <= high, ndcg
