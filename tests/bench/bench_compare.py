"""Two identical revisions compared again and again, and three patches that make one of them worse.

python tests/bench/bench_compare.py [COMPARISONS]
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1] / "support")]
from patched import patched  # noqa: E402

from harness.nightly.interleave import compare_revisions  # noqa: E402

SPEC = """
name = "compared"
[collections.zipf]
type = "beir"
path = "data"
[encoders.bm25]
type = "bm25"
[indexes.inverted]
type = "inverted"
[[systems]]
name = "BM25"
encoder = "bm25"
index = "inverted"
"""
PATCHES = {
    "search 5 % slower": ({"slower": 0.05}, "latency_search/p50"),
    "bytes 3 % more": ({"larger": 1.03}, "index_bytes"),
    "some queries encoded worse": ({"worse": 20}, "ndcg@10"),
}


def write_collection(folder, documents=4000, queries=200):
    """Documents of words that are as frequent as words are; a query is six words of the document that answers it."""
    rng = np.random.default_rng(1)
    (folder / "qrels").mkdir(parents=True)
    words = [[f"w{word}" for word in np.minimum(rng.zipf(1.2, 80), 30_000)] for _ in range(documents)]
    asked = [rng.permutation(sorted(set(words[place])))[:6] for place in range(queries)]
    rows = ({"_id": f"d{i}", "title": "", "text": " ".join(text)} for i, text in enumerate(words))
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = ({"_id": f"q{i}", "text": " ".join(text)} for i, text in enumerate(asked))
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judged = "".join(f"q{i}\td{i}\t1\n" for i in range(queries))
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_collection(folder / "data")
        (folder / "spec.toml").write_text(SPEC.replace('"data"', f'"{folder}/data"'))
        same = patched(folder / "same")
        for label, (how, metric) in PATCHES.items():
            head = patched(folder / metric.replace("/", "-"), **how)
            found = compared(folder, same, head)
            (one,) = [change for change in found if change.key[2] == metric]
            others = {c.key[2] for c in found if c.word in ("regressed", "improved") and c.key[2] != metric}
            print(f"{label}: {one.sentence}; also changed: {sorted(others) or 'nothing'}", flush=True)
        false = 0
        for number in range(times):
            wrong = [c.sentence for c in compared(folder, same, same) if c.word in ("regressed", "improved")]
            false += bool(wrong)
            print(f"identical, {number + 1} of {times}: {wrong or 'no change'}", flush=True)
        print(f"{false} of {times} comparisons of identical revisions gave a verdict")


def compared(folder, base, head):
    return compare_revisions(
        str(base), str(head), folder / "spec.toml", work=folder / "work", store=folder / "store", repository=Path()
    )


if __name__ == "__main__":
    main()
