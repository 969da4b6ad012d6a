"""A text's encoding with the screened head against the whole head in float32: processor time, one thread.

    python tests/bench/bench_query_head.py --queries ../shared/collections/scifact/queries.jsonl
    python tests/bench/bench_query_head.py --documents ../shared/collections/scifact/corpus.jsonl --count 200

Both sides take turns: one encodes all texts, then the other does, after one turn that is not counted. A query is
encoded alone, documents in batches. Printed are the median over the turns, the ratio of each turn, and the largest
difference of a weight; terms must be the same.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tomllib
from pathlib import Path
from statistics import median

import torch
from scipy import sparse

from harness.encoders import registry
from harness.measure.machine.environment import cpu_model, instructions

ROOT = Path(__file__).resolve().parents[2]
ENCODERS = tomllib.loads((ROOT / "experiments/quickstart.toml").read_text(encoding="utf-8"))["encoders"]


def opened(name: str, folder: Path):
    table = {key: value for key, value in ENCODERS[name].items() if key not in ("type", "pairs")}
    maker = registry.get(ENCODERS[name]["type"])
    encoder = maker(maker.Params(**table))
    encoder.fit(folder)
    return encoder.load(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    texts_of = parser.add_mutually_exclusive_group(required=True)
    texts_of.add_argument("--queries", type=Path, help="queries.jsonl in BEIR's layout")
    texts_of.add_argument("--documents", type=Path, help="corpus.jsonl in BEIR's layout")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--turns", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = (given.queries or given.documents).read_text(encoding="utf-8").split("\n")
    entries = [json.loads(line) for line in lines[: given.count] if line]
    texts = [f"{entry.get('title', '')} {entry['text']}".strip() for entry in entries]
    print(f"{cpu_model()} ({instructions()})")
    for name in ("splade-tiny", "laconic"):
        with tempfile.TemporaryDirectory() as folder:
            encoder = opened(name, Path(folder))
            screen, times = encoder.screen, {"whole": [], "screened": []}
            if screen is None:
                print(f"{name}: this processor has no kernel for a rough head")
                continue
            for turn in range(given.turns + 1):
                rows = {}
                for side, its_screen in (("whole", None), ("screened", screen)):
                    encoder.screen = its_screen
                    begun = time.process_time()
                    if given.queries:
                        rows[side] = sparse.vstack([encoder.encode_queries([text]) for text in texts], format="csr")
                    else:
                        rows[side] = encoder.encode_documents(texts)
                    if turn:
                        times[side].append((time.process_time() - begun) / len(texts) * 1e3)
            whole, screened = rows["whole"], rows["screened"]
            assert whole.indptr.tolist() == screened.indptr.tolist()
            assert whole.indices.tolist() == screened.indices.tolist()
            ratios = sorted(b / a for a, b in zip(times["whole"], times["screened"], strict=True))
            print(
                f"{name}, {type(screen.rough).__name__}: whole {median(times['whole']):.2f} ms a text, screened "
                f"{median(times['screened']):.2f}; ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}); "
                f"largest difference of a weight {abs(whole - screened).max():.1e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
