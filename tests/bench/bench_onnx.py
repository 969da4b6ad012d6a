"""Encoding by onnxruntime against torch, each in float32 and with int8 weights: processor time, bytes and quality.

    python tests/bench/bench_onnx.py --pairs ../shared/pairs/papers/pairs.jsonl

All sides are open at once in one process, and take turns: each encodes a query, then the next side does; afterwards
batches of 32 documents. Printed are the processor time of the middle query and of the middle batch, their ratios to
torch in float32 and to torch in int8, the bytes of the weights, and nDCG@10 where the document of a pair answers its
query.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tomllib
from pathlib import Path
from statistics import median

import numpy as np
import torch
from scipy import sparse

from harness.encoders import registry
from harness.measure.machine.environment import cpu_model, instructions

ROOT = Path(__file__).resolve().parents[2]
ENCODERS = tomllib.loads((ROOT / "experiments/quickstart.toml").read_text(encoding="utf-8"))["encoders"]
SIDES = {
    "torch float32": {},
    "torch int8": {"quantise": "int8"},
    "onnxruntime float32": {"backend": "onnx"},
    "onnxruntime int8": {"backend": "onnx", "quantise": "int8"},
}
BATCH = 32


def timed(encode, texts) -> tuple[float, object]:
    begun = time.process_time()
    rows = encode(texts)
    return time.process_time() - begun, rows


def stacked(blocks) -> sparse.csr_matrix:
    return sparse.csr_matrix(sparse.vstack([sparse.csr_matrix(block) for block in blocks]))


def quality(queries, documents) -> float:
    scores = (queries @ documents.T).toarray()
    before = (scores > np.diag(scores)[:, None]).sum(1)
    return float(np.where(before < 10, 1 / np.log2(before + 2), 0).mean())


def measure(name: str, pairs: list[dict[str, str]], threads: int, root: Path) -> None:
    settings = dict(ENCODERS[name])
    maker = registry.get(settings.pop("type"))
    encoders = {}
    for number, (side, how) in enumerate(SIDES.items()):
        made = maker(maker.Params(**settings, **how))
        folder = root / f"{name}-{number}"
        folder.mkdir()
        made.fit(folder)
        encoders[side] = made.load(folder, threads=threads)
        encoders[side].encode_queries([pair["query"] for pair in pairs[:3]])
    seconds = {role: {side: [] for side in SIDES} for role in ("query", "document")}
    vectors = {role: {side: [] for side in SIDES} for role in ("query", "document")}
    for role, size in (("query", 1), ("document", BATCH)):
        texts = [pair["query" if role == "query" else "positive"] for pair in pairs]
        for turn, begin in enumerate(range(0, len(texts), size)):
            order = list(SIDES)[turn % len(SIDES) :] + list(SIDES)[: turn % len(SIDES)]
            for side in order:
                encoder = encoders[side]
                encode = encoder.encode_queries if role == "query" else encoder.encode_documents
                spent, rows = timed(encode, texts[begin : begin + size])
                vectors[role][side].append(rows)
                if len(texts[begin : begin + size]) == size:
                    seconds[role][side].append(spent)
    print(f"{name}: {len(pairs)} pairs, {threads} threads")
    for side in SIDES:
        parts = []
        for role in seconds:
            own = median(seconds[role][side])
            ratios = [own / median(seconds[role][other]) for other in ("torch float32", "torch int8")]
            parts.append(f"{role} {1e3 * own:8.2f} ms ({ratios[0]:.2f} and {ratios[1]:.2f} of torch's)")
        score = quality(stacked(vectors["query"][side]), stacked(vectors["document"][side]))
        size = encoders[side].parameters()["weight bytes"] / 1e6
        print(f"  {side:20} {'; '.join(parts)}; {size:.1f} MB; nDCG@10 {score:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, default=ROOT.parent / "shared/pairs/papers/pairs.jsonl")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", default="minilm,splade-tiny,laconic", help="encoders of the quickstart")
    asked = parser.parse_args()
    pairs = [
        json.loads(line) for line in asked.pairs.read_text(encoding="utf-8").rstrip("\n").split("\n")[-asked.count :]
    ]
    print(f"{cpu_model()} ({instructions()}); torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as name:
        for model in asked.models.split(","):
            measure(model, pairs, asked.threads, Path(name))


if __name__ == "__main__":
    main()
