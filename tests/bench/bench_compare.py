"""Two identical revisions compared again and again, and three patches that make one of them worse.

python tests/bench/bench_compare.py [identical] [slower] [larger] [worse] [--times N]

By default all parts: the identical ones 20 times, each patch 5 times. It ends with what was wrong: a verdict on
identical revisions, or a patch that was not found, or not named.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1] / "support")]
from patched import patched  # noqa: E402
from small_specs import beir, system, write_spec  # noqa: E402

from harness.nightly.compare_revisions import compare_revisions  # noqa: E402

PATCHES = {
    "slower": ("search 5 % slower", {"slower": 0.05}, "search_cpu"),
    "larger": ("bytes 3 % more", {"larger": 0.03}, "index_bytes"),
    "worse": ("encoder that loses 0.005 nDCG", {"worse": 15}, "ndcg@10"),
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
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PATCHES, "identical", []], default=[])
    parser.add_argument("--times", type=int, help="20 for the identical ones, 5 for each patch by default")
    given = parser.parse_args()
    parts, wrong = given.parts or [*PATCHES, "identical"], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_collection(folder / "data")
        tables = {"collections": {"zipf": beir(folder / "data")}, "systems": [system("BM25")], "measure": None}
        write_spec(folder, file="spec.toml", name="compared", **tables)
        same = patched(folder / "same")
        for part in parts:
            if part == "identical":
                wrong += identical(folder, same, given.times or 20)
            else:
                wrong += worse(folder, same, *PATCHES[part], given.times or 5)
    print("\n".join(wrong) or "every patch was found and named, and nothing else")


def worse(folder, same, label, how, metric, times):
    """Compare with a patched copy; say how often it was not found."""
    head, found = patched(folder / metric.replace("@", ""), **how), 0
    for number in range(times):
        started = time.monotonic()
        changes = compared(folder, same, head)
        (one,) = [change for change in changes if change.key[2] == metric]
        found += one.word == "regressed"
        others = sorted({c.key[2] for c in changes if c.word in ("regressed", "improved") and c.key[2] != metric})
        took = f"{time.monotonic() - started:.0f} s"
        print(f"{label}, {number + 1} of {times}, {took}: {one.sentence}; also: {others or 'nothing'}", flush=True)
    print(f"{label}: found {found} times of {times}", flush=True)
    return [] if found == times else [f"{label}: missed {times - found} times of {times}"]


def identical(folder, same, times):
    """Compare a revision with itself; say how often that gave a verdict."""
    false = 0
    for number in range(times):
        started = time.monotonic()
        said = [c.sentence for c in compared(folder, same, same) if c.word in ("regressed", "improved")]
        false += bool(said)
        took = f"{time.monotonic() - started:.0f} s"
        print(f"identical, {number + 1} of {times}, {took}: {said or 'no verdict'}", flush=True)
    print(f"identical: {false} of {times} comparisons gave a verdict", flush=True)
    return [] if false <= times / 20 else [f"identical: {false} false verdicts in {times} comparisons"]


def compared(folder, base, head):
    return compare_revisions(
        str(base), str(head), folder / "spec.toml", work=folder / "work", store=folder / "store", repository=Path()
    )


if __name__ == "__main__":
    main()
