"""Gradients that are computed in parts, again, or in low precision."""

import weakref

import pytest
import torch
from toy_training import backbone, pool, problem, run, settings, tokenise

from harness.training.batches import batches
from harness.training.cached import backward
from harness.training.loop import _gradients, _tokens, train
from harness.training.objectives import DenseObjective, SparseObjective


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_cached_gradients_are_those_of_the_whole_batch(kind):
    whole, cached = (settings(steps=1, cached_texts=size, negatives=2) for size in (None, 5))
    pairs = [(q, p, [f"{n % 25} {n % 7}", f"{n % 11} 3"]) for n, (q, p) in enumerate(problem())]
    found = []
    for params in (whole, cached):
        model = backbone()
        model.requires_grad_(True)
        objective = DenseObjective(pool, params)
        if kind == "sparse":
            bias = torch.nn.Parameter(torch.full((50,), -0.5))
            objective = SparseObjective(model.embed_tokens.weight, bias, settings(sampled_terms=40), 3)
        tokens = _tokens(tokenise, next(batches(pairs, params, 0)))
        value, parts = _gradients(model, objective, tokens, 1.0, params)
        # Texts of other lengths stand together, so that other places are filled up.
        assert parts.pop("forward") > 0 and parts.pop("backward") > 0
        gradients = [model.up_proj.weight.grad] + ([objective.bias.grad] if kind == "sparse" else [])
        found.append((value, parts, gradients))
    (one, parts, gradients), (other, more, others) = found
    assert one == pytest.approx(other, rel=1e-5) and parts == pytest.approx(more, rel=1e-5)
    for mine, theirs in zip(gradients, others, strict=True):
        assert mine.abs().max() > 1e-3
        assert torch.allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize("size", [5, 16])
def test_the_activations_of_one_part_are_there_at_a_time(size):
    model, states, most = backbone(), [], []

    def watched(ids, lengths):
        most.append(sum(state() is not None for state in states))
        made = model(ids, lengths)
        if made.requires_grad:
            states.append(weakref.ref(made))
        return made

    model.requires_grad_(True)
    objective = SparseObjective(model.embed_tokens.weight, None, settings(sampled_terms=40), 3)
    tokens = _tokens(tokenise, next(batches(problem(), settings(steps=1), 0)))
    backward(watched, objective, tokens, 1.0, size)
    # The graph of a part that is done may wait until the next one takes its name.
    assert len(states) == -(-len(tokens.lengths) // size) and max(most) <= 1


def test_layers_that_are_computed_again_give_the_same_gradients():
    class Layered(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed_tokens = torch.nn.Embedding(50, 8)
            self.layers = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(2))
            self.calls = 0
            for layer in self.layers:
                layer.register_forward_pre_hook(self.count)

        def count(self, *_):
            self.calls += 1

        def forward(self, ids, lengths):
            states = self.embed_tokens(ids)
            for layer in self.layers:
                states = states + layer(states)
            return states

    results = []
    for recompute in (False, True):
        torch.manual_seed(0)
        model, params = Layered(), settings(steps=3, lora_rank=0, recompute_layers=recompute)
        train(model, DenseObjective(pool, params), tokenise, problem(), params, seed=1)
        assert "forward" not in vars(model.layers[0])
        results.append(model.layers[0].weight)
    assert torch.allclose(*results, atol=1e-6)


def test_low_precision_trains_to_nearly_the_same():
    begun = backbone().up_proj.weight
    changes = []
    for name in ("float32", "bfloat16"):
        trained = run("dense", settings(steps=10, precision=name, lora_rank=0))[0].up_proj.weight
        assert trained.dtype == torch.float32
        changes.append((trained - begun).flatten())
    assert not torch.equal(*changes)
    assert torch.cosine_similarity(*changes, dim=0) > 0.9
