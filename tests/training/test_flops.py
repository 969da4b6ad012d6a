"""Training operations by torch's counter against arithmetic on a Llama of known shape."""

import weakref
from contextlib import nullcontext

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from harness.encoders.backbones.llama import Llama, Shape
from harness.training.flops import counter
from harness.training.loop import train
from harness.training.objectives import Batch, DenseObjective
from harness.training.params import TrainingParams

CONFIG = {
    "model_type": "llama", "vocab_size": 64, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
    "num_attention_heads": 4,
}  # fmt: skip
LENGTH = 16


def trained(rank, steps=2, pairs=4):
    """A curve over texts of equal length, so that nothing is padded."""
    torch.manual_seed(0)
    shape = Shape.read({**CONFIG, "is_causal": False})
    params = TrainingParams(steps=steps, pairs_per_step=pairs, lora_rank=rank)
    objective = DenseObjective(lambda states, lengths: torch.stack([s.mean(0) for s in states.split(lengths)]), params)
    texts = iter(range(10_000))

    def tokenise(queries, passages, symmetric):
        return Batch(*([[next(texts) % 64 for _ in range(LENGTH)] for _ in side] for side in (queries, passages)))

    examples = [(f"q{i}", f"p{i}") for i in range(pairs)]
    curve = train(Llama(shape), objective, tokenise, examples, params, seed=0)
    return curve, 2 * pairs * shape.flops(LENGTH), shape


def test_a_step_with_all_weights_is_three_times_a_forward_pass():
    curve, expected, _ = trained(rank=0)
    assert len(curve) == 2
    for row in curve:
        assert row["forward"] == pytest.approx(expected, rel=0.01)
        # Both operands of every product have a gradient, but for the first layer's input; attention's backward pass
        # computes the scores again (5 products for the forward pass's 2).
        assert 1.9 * expected < row["backward"] < 2.2 * expected


def test_adapters_spare_the_gradients_of_the_weights():
    rank = 4
    curve, expected, shape = trained(rank=rank)
    sizes = {"q": (64, 64), "k": (64, 64), "v": (64, 64), "o": (64, 64), "g": (64, 128), "u": (64, 128), "d": (128, 64)}
    adapters = 8 * LENGTH * shape.layers * sum(2 * rank * (a + b) for a, b in sizes.values())
    assert curve[0]["forward"] == pytest.approx(expected + adapters, rel=0.01)
    assert curve[0]["backward"] < 1.5 * expected + 2 * adapters


def test_attention_is_counted_both_ways():
    q, k, v = (torch.randn(2, 3, 8, 16, requires_grad=True) for _ in range(3))
    with counter() as forward:
        mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    with counter() as backward:
        mixed.sum().backward()
    assert forward.get_total_flops() == 2 * 3 * (4 * 8 * 8 * 16)
    assert backward.get_total_flops() == 2 * 3 * (10 * 8 * 8 * 16)


class Live(TorchDispatchMode):
    """Bytes of the tensors that were made inside and are there at the same time."""

    def __init__(self):
        super().__init__()
        self.bytes = self.most = 0
        self.known = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else [made]:
            if isinstance(tensor, torch.Tensor) and (storage := tensor.untyped_storage())._cdata not in self.known:
                self.known.add(storage._cdata)
                self.bytes += storage.nbytes()
                self.most = max(self.most, self.bytes)
                weakref.finalize(storage, self.gone, storage._cdata, storage.nbytes())
        return made

    def gone(self, name, size):
        self.known.discard(name)
        self.bytes -= size


@pytest.mark.parametrize("counted", [False, True])
def test_counting_does_not_hold_what_layers_compute_again(counted):
    layers = [torch.nn.Sequential(*(torch.nn.Linear(8, 8) for _ in range(6))) for _ in range(8)]
    most = []
    for again in (False, True):
        states = torch.ones(200, 8, requires_grad=True)
        with Live() as live:
            for layer in layers:
                states = checkpoint(layer, states, use_reentrant=False) if again else layer(states)
            with counter() if counted else nullcontext():
                states.sum().backward()
        most.append(live.most)
    assert most[1] < 0.6 * most[0]
