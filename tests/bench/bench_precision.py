"""What bfloat16 costs in quality: nDCG@10 of the shipped LACONIC-mini and its twin, float32 against bfloat16.

    python tests/bench/bench_precision.py ../shared/collections/medline ../shared/collections/cranfield

Encoders as experiments/quickstart.toml has them; exact inner products; judged queries alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def read(folder: Path):
    from harness.collections.beir import Beir, BeirParams

    collection, qrels = Beir(BeirParams(path=str(folder))), {}
    for query, document, relevance in collection.judgements():
        qrels.setdefault(query, {})[document] = relevance
    return list(collection.documents()), [query for query in collection.queries() if query.id in qrels], qrels


def ndcg(encoder, documents, queries, qrels) -> tuple[float, float]:
    from harness.measure.quality import evaluate

    started = time.process_time()
    rows = encoder.encode_documents([document.full_text for document in documents])
    seconds = time.process_time() - started
    scores = encoder.encode_queries([query.text for query in queries]) @ rows.T
    scores = scores.toarray() if hasattr(scores, "toarray") else scores
    run = {
        query.id: {documents[d].id: float(scores[row, d]) for d in np.argsort(-scores[row], kind="stable")[:100]}
        for row, query in enumerate(queries)
    }
    return float(np.mean(list(evaluate(qrels, run, ["ndcg@10"])["ndcg@10"].values()))), seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    from harness.encoders import registry
    from harness.spec.toml import read_toml

    _, content = read_toml(ROOT / "experiments/quickstart.toml")
    read_ones = {folder.name: read(folder) for folder in asked.collections}
    for name in ("laconic", "twin"):
        settings = {key: value for key, value in content["encoders"][name].items() if key != "type"}
        maker = registry.get(content["encoders"][name]["type"])
        with tempfile.TemporaryDirectory() as folder:
            maker(maker.Params(**settings)).fit(Path(folder))
            for collection, given in read_ones.items():
                found = {
                    dtype: ndcg(
                        maker(maker.Params(**settings, dtype=dtype)).load(Path(folder), threads=asked.threads), *given
                    )
                    for dtype in ("float32", "bfloat16")
                }
                (exact, slow), (near, fast) = found["float32"], found["bfloat16"]
                print(
                    f"{name:8} {collection:10} float32 {exact:.4f}, bfloat16 {near:.4f} ({near - exact:+.4f}), "
                    f"{slow / fast:.2f} x the speed by processor time",
                    flush=True,
                )


if __name__ == "__main__":
    main()
