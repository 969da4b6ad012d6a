"""A backbone that trains in seconds, pairs that it can learn, and a run over them."""

import random

import torch

from harness.training.loop import train
from harness.training.max_head import max_logits
from harness.training.objectives import Batch, DenseObjective, SparseObjective
from harness.training.params import TrainingParams

LENGTHS = [4, 1, 6, 6]


class Backbone(torch.nn.Module):
    """An embedding and one projection with a name that adapters are put on."""

    def __init__(self, terms=50, hidden=64):
        super().__init__()
        self.embed_tokens = torch.nn.Embedding(terms, hidden)
        self.up_proj = torch.nn.Linear(hidden, hidden, bias=False)

    def forward(self, ids, lengths):
        states = self.embed_tokens(ids)
        return states + self.up_proj(states)


def backbone(seed=0):
    torch.manual_seed(seed)
    return Backbone()


def settings(**given):
    return TrainingParams(**{"steps": 40, "pairs_per_step": 16, "learning_rate": 0.02, "lora_rank": 4} | given)


def numbers(text):
    return [int(word) for word in text.split()]


def tokenise(queries, passages, symmetric=frozenset()):
    return Batch([numbers(q) for q in queries], [numbers(p) for p in passages])


def problem(size=32, seed=0):
    """Query n and passage n share no token: what belongs together must be learnt."""
    drawn = random.Random(seed)  # noqa: S311
    left, right = list(range(25)), list(range(25, 50))
    queries, passages = set(), set()
    while len(queries) < size:
        queries.add(" ".join(map(str, drawn.sample(left, 3))))
    while len(passages) < size:
        passages.add(" ".join(map(str, drawn.sample(right, 5))))
    return list(zip(sorted(queries), sorted(passages), strict=True))


def loss(objective, states, batch, done):
    objective.start(batch)
    return objective.compare(*(objective.vectors(rows, lengths) for rows, lengths in batch.sides(states)), done)


def run(kind, params, seed=1, pairs=None, bias=None, constant=False):
    torch.set_num_threads(1)
    model = backbone()
    objective = DenseObjective((lambda *given: pool(*given) * 0 + 1) if constant else pool, params)
    if kind == "sparse":
        start = None if bias is None else torch.nn.Parameter(torch.full((50,), bias))
        objective = SparseObjective(model.embed_tokens.weight, start, params, seed)
    pairs = problem() if pairs is None else pairs
    curve = train(model, objective, tokenise, pairs, params, seed=seed, terms=50 if kind == "sparse" else None)
    return model, objective, curve


def pool(states, lengths):
    return torch.nn.functional.normalize(torch.stack([part.mean(0) for part in states.split(list(lengths))]), dim=1)


def accuracy(model, objective, pairs):
    batch = tokenise([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    with torch.no_grad():
        states = model(batch.ids, batch.lengths)
        if isinstance(objective, DenseObjective):
            rows = pool(states, batch.lengths)
        else:
            rows = max_logits(states, batch.lengths, objective.weight, objective.bias).relu().log1p()
    scores = rows[: batch.pairs] @ rows[batch.pairs :].T
    return (scores.argmax(1) == torch.arange(batch.pairs)).float().mean().item(), (rows > 0).sum(1).float().mean()
