"""Training on a GPU against the same training on the processor: losses, vectors, waits, and what dropout leaves alone.

`checks` does it on any device; `bench_cuda.py` prints what it finds. The backbone is a random Llama in float32 with the
head of its own embedding, and texts are random tokens, so nothing is downloaded.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from harness.encoders.backbones.llama import Llama, Shape
from harness.training.devices import Devices
from harness.training.examples import Pair
from harness.training.loop import train
from harness.training.max_head import active_terms
from harness.training.objectives import Batch, SparseObjective
from harness.training.params import TrainingParams

TOLERANCE = 2e-3
"""Largest relative difference of two devices' losses after a few steps in float32; tf32 is off by default."""
RECIPES = {
    "contrast": {},
    "four micro-batches": {"accumulate": 4},
    "gradient caching": {"cached_texts": 8, "recompute_layers": True},
    "hard negatives": {"negatives": 3, "repeat_negatives": True},
    "distillation": {"negatives": 3, "distillation": {"kl": 1.0, "margin_mse": 0.01}},
    "sampled terms, IDF": {"sampled_terms": 64, "regularise_idf": True},
}
DROPOUT = {"lora_dropout": 0.1, "cached_texts": 8}
"""Each device draws numbers of its own, so two passes on one device are compared."""


@dataclass(frozen=True)
class Check:
    """One line of the report: what was checked, what came out, and whether that is right."""

    name: str
    result: str
    passed: bool


def backbone(hidden: int, layers: int, terms: int) -> Llama:
    """A random Llama."""
    torch.manual_seed(0)
    config = {
        "hidden_size": hidden, "intermediate_size": 4 * hidden, "num_hidden_layers": layers, "vocab_size": terms,
        "num_attention_heads": hidden // 16, "num_key_value_heads": hidden // 32, "is_causal": False,
        "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": 512, "model_type": "llama",
    }  # fmt: skip
    model = Llama(Shape.read(config))
    for name, parameter in model.named_parameters():
        torch.nn.init.ones_(parameter) if "norm" in name else torch.nn.init.normal_(parameter, std=0.05)
    return model


def problem(pairs: int, terms: int, length: int) -> list[Pair]:
    """Pairs of random tokens with three negatives and two teachers' scores."""
    drawn = torch.Generator().manual_seed(1)

    def text(tokens: int) -> str:
        return " ".join(map(str, torch.randint(terms, (tokens,), generator=drawn).tolist()))

    def scores() -> tuple[float, ...]:
        return tuple(torch.rand(4, generator=drawn).tolist())

    negatives = 3
    return [
        Pair(text(length // 4), text(length), tuple(text(length) for _ in range(negatives)), (), (scores(), scores()))
        for _ in range(pairs)
    ]


def tokenise(queries: list[str], passages: list[str], _: frozenset[int]) -> Batch:
    """Texts are token ids already."""
    return Batch(*([[int(word) for word in text.split()] for text in texts] for texts in (queries, passages)))


def trained(device: str, given: dict[str, object], sizes: dict[str, int], table: bool = False):
    """The losses of a training and one projection's weights after it, and seconds a step."""
    model = backbone(sizes["hidden"], sizes["layers"], sizes["terms"])
    params = TrainingParams.model_validate(
        {"steps": sizes["steps"], "pairs_per_step": sizes["pairs"], "lora_rank": 8, "learning_rate": 1e-3,
         "stop_on_collapse": False, "regularise_warmup": 0.0, **given}
    )  # fmt: skip
    head = model.embed_tokens.weight.detach().clone()
    inverse = torch.linspace(0.1, 9.0, sizes["terms"])
    own = torch.nn.Parameter(torch.zeros(sizes["terms"])) if table else None
    objective = SparseObjective(head, None, params, 0, inverse=inverse, table=own)
    pairs = problem(4 * sizes["pairs"], sizes["terms"], sizes["length"])
    started = time.perf_counter()
    curve = train(model, objective, tokenise, pairs, params, seed=1, devices=Devices(torch.device(device)))
    seconds = (time.perf_counter() - started) / sizes["steps"]
    return [row["loss"] for row in curve], dict(model.named_parameters())["layers.0.mlp.up_proj.weight"], seconds


def compared(name: str, device: str, given: dict[str, object], sizes: dict[str, int], table: bool = False) -> Check:
    """The same training on a device and on the processor."""
    (theirs, expected, slow), (ours, found, fast) = (trained(place, given, sizes, table) for place in ("cpu", device))
    losses = max(abs(a - b) / abs(a) for a, b in zip(theirs, ours, strict=True))
    weights = float((expected - found).abs().max() / expected.abs().max())
    text = f"losses differ by {losses:.1e}, weights by {weights:.1e}; {slow / fast:.1f} times the processor's speed"
    return Check(name, text, losses <= TOLERANCE and theirs[-1] == theirs[-1])


def waits(device: str, texts: int, terms: int) -> int:
    """How often the processor waits for a GPU while vectors of these texts are made and carried back."""
    lengths = [7] * texts
    hidden = torch.randn(sum(lengths), 32, device=device, requires_grad=True)
    weight = torch.randn(terms, 32, device=device)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        if device != "cpu":
            torch.cuda.set_sync_debug_mode("warn")
        try:
            active_terms(hidden, lengths, weight).sum().backward()
        finally:
            if device != "cpu":
                torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in seen)


def checks(device: str, sizes: dict[str, int]) -> Iterator[Check]:
    """Every check, as it is done.

    Args:
        device: As torch names it.
        sizes: hidden, layers, terms, length (tokens), pairs (a step) and steps.
    """
    torch.manual_seed(0)
    hidden, lengths = torch.randn(40, sizes["hidden"]), [10, 3, 20, 7]
    weight, bias = torch.randn(sizes["terms"], sizes["hidden"]), torch.randn(sizes["terms"])
    rows = []
    for place in ("cpu", device):
        own = hidden.clone().to(place).requires_grad_()
        vectors = active_terms(own, lengths, weight.to(place), bias.to(place))
        vectors.square().sum().backward()
        with torch.no_grad():
            plain = active_terms(own, lengths, weight.to(place), bias.to(place))
        rows.append([tensor.detach().cpu() for tensor in (vectors, own.grad, plain)])
    differences = [float((a - b).abs().max() / a.abs().max()) for a, b in zip(*rows, strict=True)]
    text = "vectors, gradients, vectors without gradients: " + ", ".join(f"{value:.1e}" for value in differences)
    yield Check("sparse head", text, max(differences) <= TOLERANCE)
    few, many = (waits(device, count, sizes["terms"]) for count in (4, 64))
    yield Check("waits of the sparse head", f"{few} for 4 texts, {many} for 64", few == many)
    for name, given in RECIPES.items():
        yield compared(name, device, given, sizes)
    yield compared("queries in a learnt table", device, {}, sizes, table=True)
    once, again = (trained(device, DROPOUT, sizes) for _ in range(2))
    off = trained(device, {"cached_texts": 8}, sizes)
    text = "twice the same, and another than without" if once[0] == again[0] != off[0] else "not repeatable, or off"
    yield Check("dropout with caching", text, once[0] == again[0] != off[0])
    halves = trained(device, {"precision": "bfloat16"}, sizes)[0]
    whole = trained(device, {}, sizes)[0]
    difference = max(abs(a - b) / abs(a) for a, b in zip(whole, halves, strict=True))
    yield Check("bfloat16 products", f"losses differ by {difference:.1e}", difference <= 0.1)
