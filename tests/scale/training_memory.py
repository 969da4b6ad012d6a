"""What a training takes on a processor, beside its estimate: python tests/scale/training_memory.py

Trains random Llamas of small shapes for two steps, each in a process of its own, and prints how far the resident size
rose above that of a training of almost no size.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
DEEP = {"shape": (6, 256, 768, 8, 4, 2000), "texts": (16, 48), "sparse": False}
WIDE = {"shape": (2, 64, 128, 4, 2, 30_000), "texts": (32, 8), "sparse": True}
FEWER = {**WIDE, "texts": (16, 8)}
WIDER = {"shape": (2, 64, 128, 4, 2, 90_000), "texts": (16, 16), "sparse": True}
CASES = {
    "deep, dense": (DEEP, {}),
    "deep, dense, layers computed again": (DEEP, {"recompute_layers": True}),
    "wide, sparse": (WIDE, {}),
    "wide, sparse, gradient caching": (WIDE, {"cached_texts": 8}),
    "wide, sparse, three negatives": (FEWER, {"negatives": 3}),
    "wide, sparse, three negatives, gradient caching": (FEWER, {"negatives": 3, "cached_texts": 8}),
    "wider, sparse, gradient caching": (WIDER, {"cached_texts": 8}),
}
NONE = {"shape": (2, 32, 48, 4, 2, 200), "texts": (4, 4)}
RANK = 8


def params(texts, more):
    from harness.training.params import TrainingParams

    pairs, length = texts
    given = {"steps": 2, "lora_rank": RANK, "pairs_per_step": pairs, "query_length": length, "document_length": length}
    return TrainingParams(**given, **more, stop_on_collapse=False)


def train_once(case, more):
    import torch

    from harness.encoders.backbones.llama import Llama, Shape
    from harness.training.loop import train
    from harness.training.objectives import Batch, DenseObjective, SparseObjective

    names = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
    config = dict(zip((*names, "vocab_size"), case["shape"], strict=True))
    torch.manual_seed(0)
    backbone = Llama(Shape.read({**config, "model_type": "llama", "rope_theta": 1e4, "is_causal": False}))
    backbone.requires_grad_(False)
    phase, drawn = params(case["texts"], more), random.Random(1)  # noqa: S311

    def tokenise(queries, passages, symmetric):
        length, most = case["texts"][1], config["vocab_size"]
        return Batch(*([[drawn.randrange(most) for _ in range(length)] for _ in side] for side in (queries, passages)))

    def pool(states, lengths):
        return torch.nn.functional.normalize(torch.stack([part.mean(0) for part in states.split(list(lengths))]), dim=1)

    objective = DenseObjective(pool, phase)
    if case["sparse"]:
        bias = torch.nn.Parameter(torch.full((config["vocab_size"],), -15.0), requires_grad=False)
        objective = SparseObjective(backbone.embed_tokens.weight.detach(), bias, phase, 1)
        objective.parameters = list
    train(
        backbone,
        objective,
        tokenise,
        [(f"q{n}", f"p{n}", [f"n{n} {i}" for i in range(3)]) for n in range(100)],
        phase,
        seed=1,
    )


def measured(name):
    """Print what the case of this name takes, in bytes."""
    import torch

    from harness.measure.memory import peak, reset_peak, resident
    from harness.training.loop import give_back

    torch.set_num_threads(1)
    case, more = CASES[name]
    train_once({**case, **NONE}, more)
    give_back()
    reset_peak()
    before = resident().rss
    train_once(case, more)
    print(json.dumps(peak() - before))


def compared(name):
    """What the case of this name is estimated at and takes, in MB."""
    from harness.training.estimate import Shape, training_memory

    case, more = CASES[name]
    # Large blocks go back to the system at once, so that what is resident is what is in use.
    quiet = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, __file__, name]
    done = subprocess.run(command, env={**os.environ, **quiet}, capture_output=True, text=True, check=True)
    layers, hidden, inner, heads, key_heads, vocabulary = case["shape"]
    shape = Shape(layers, hidden, inner, heads, key_heads, vocabulary, tied=True)
    estimated = training_memory(shape, params(case["texts"], more), sparse=case["sparse"]).total
    return estimated / 1e6, json.loads(done.stdout.splitlines()[-1]) / 1e6


def main():
    print("| training | estimated, MB | measured, MB | difference |\n|---|---:|---:|---:|")
    for name in CASES:
        estimated, real = compared(name)
        print(f"| {name} | {estimated:.0f} | {real:.0f} | {estimated / real - 1:+.0%} |", flush=True)


if __name__ == "__main__":
    measured(sys.argv[1]) if len(sys.argv) > 1 else main()
