"""Training: gradients, losses against sentence-transformers, repeatability, and that it learns."""

import random
from itertools import pairwise

import numpy as np
import pytest
import torch

from harness.errors import UserError
from harness.training import TrainingParams
from harness.training.loop import batches, rate, train
from harness.training.max_head import MaxHead, max_logits
from harness.training.objectives import Batch, DenseObjective, SparseObjective

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


def tokenise(queries, passages):
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


def plain_max(hidden, weight, bias):
    return torch.stack([(part @ weight.T).amax(0) + bias for part in hidden.split(LENGTHS)])


def test_the_head_is_the_plain_one_and_so_are_its_gradients(monkeypatch):
    monkeypatch.setattr("harness.training.max_head.CHUNK", 7)
    torch.manual_seed(0)
    given = [torch.randn(17, 8), torch.randn(30, 8), torch.randn(30)]
    ours, theirs = ([t.clone().requires_grad_() for t in given] for _ in range(2))
    found = MaxHead.apply(ours[0], LENGTHS, ours[1], ours[2])
    expected = plain_max(*theirs)
    assert torch.allclose(max_logits(given[0], LENGTHS, given[1], given[2]), expected, atol=1e-5)
    expected = expected.relu()
    assert torch.allclose(found, expected, atol=1e-5)
    flow = torch.randn_like(expected)
    found.backward(flow)
    expected.backward(flow)
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine.grad, other.grad, atol=1e-5)


def test_the_sparse_loss_is_that_of_sentence_transformers():
    from sentence_transformers.sparse_encoder.losses import FlopsLoss, SparseMultipleNegativesRankingLoss

    states, weight = torch.randn(4 + 9 + 3 + 5, 16), torch.randn(50, 16)
    batch = Batch([[1] * 4, [2] * 9], [[3] * 3, [4] * 5])
    params = settings(regularise_queries=0.03, regularise_documents=0.07, regularise_warmup=0.5)
    vectors = torch.stack([torch.log1p((part @ weight.T).amax(0).relu()) for part in states.split(batch.lengths)])
    sides = [vectors[:2], vectors[2:]]

    class Model(torch.nn.Module):
        similarity_fn_name = "dot"

    model = Model()
    main = SparseMultipleNegativesRankingLoss(model, scale=1.0, similarity_fct=lambda a, b: a @ b.T)
    flops = [FlopsLoss(model).compute_loss_from_embeddings(side) for side in sides]
    for done, growth in ((0.0, 0.0), (0.25, 0.25), (0.5, 1.0), (0.9, 1.0)):
        expected = main.compute_loss_from_embeddings(sides, None) + growth * (0.03 * flops[0] + 0.07 * flops[1])
        found, parts = SparseObjective(weight, None, params, 0).loss(states, batch, done)
        assert found.item() == pytest.approx(float(expected), rel=1e-5)
    assert parts["flops_documents"] == pytest.approx(float(flops[1]), rel=1e-5)
    assert parts["active_query"] == pytest.approx(float((sides[0] > 0).sum() / 2))


def test_the_dense_loss_is_that_of_sentence_transformers():
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    rows = torch.nn.functional.normalize(torch.randn(8, 16), dim=1)
    batch = Batch([[1]] * 4, [[1]] * 4)
    expected = MultipleNegativesRankingLoss(torch.nn.Identity(), scale=20.0).compute_loss_from_embeddings(
        [rows[:4], rows[4:]], None
    )
    found, _ = DenseObjective(lambda states, _: states, settings(temperature=0.05)).loss(rows, batch, 0.0)
    assert found.item() == pytest.approx(float(expected), rel=1e-5)


def test_a_sample_of_terms_estimates_the_flops_of_all():
    torch.manual_seed(0)
    states, weight = torch.randn(6, 16), torch.randn(2000, 16)
    batch = Batch([[1, 2, 3]], [[4, 5, 6]])
    whole = SparseObjective(weight, None, settings(), 0).loss(states, batch, 1.0)[1]
    sampled = SparseObjective(weight, None, settings(sampled_terms=200), 0)
    found = [sampled.loss(states, batch, 1.0)[1] for _ in range(200)]
    for name in ("flops_queries", "flops_documents", "active_query", "active_document"):
        assert np.mean([parts[name] for parts in found]) == pytest.approx(whole[name], rel=0.03)


def run(kind, params, seed=1, pairs=None, bias=False):
    torch.set_num_threads(1)
    model = backbone()
    objective = dense = DenseObjective(pool, params)
    if kind == "sparse":
        start = torch.nn.Parameter(torch.full((50,), -0.5)) if bias else None
        objective = SparseObjective(model.embed_tokens.weight, start, params, seed)
    assert dense
    curve = train(model, objective, tokenise, problem() if pairs is None else pairs, params, seed=seed)
    return model, objective, curve


def pool(states, lengths):
    return torch.nn.functional.normalize(torch.stack([part.mean(0) for part in states.split(list(lengths))]), dim=1)


def accuracy(model, objective, pairs):
    batch = tokenise([q for q, _ in pairs], [p for _, p in pairs])
    with torch.no_grad():
        states = model(batch.ids, batch.lengths)
        if isinstance(objective, DenseObjective):
            rows = pool(states, batch.lengths)
        else:
            rows = max_logits(states, batch.lengths, objective.weight, objective.bias).relu().log1p()
    scores = rows[: batch.pairs] @ rows[batch.pairs :].T
    return (scores.argmax(1) == torch.arange(batch.pairs)).float().mean().item(), (rows > 0).sum(1).float().mean()


@pytest.mark.parametrize("kind", ["sparse", "dense"])
@pytest.mark.parametrize("rank", [0, 8])
def test_it_learns_32_pairs_by_heart(kind, rank):
    params = settings(steps=200, pairs_per_step=32, lora_rank=rank, regularise_queries=0, regularise_documents=0)
    model, objective, curve = run(kind, params)
    assert accuracy(backbone(), objective, problem())[0] < 0.5
    assert accuracy(model, objective, problem())[0] == 1.0
    assert curve[-1]["contrast"] < 0.5 < 2 < curve[0]["contrast"]
    assert [row["step"] for row in curve] == list(range(1, 201))


def test_a_larger_weight_of_the_flops_leaves_fewer_terms():
    counts = []
    for weight in (0.0, 0.03, 1.0):
        params = settings(steps=150, regularise_queries=weight, regularise_documents=weight)
        model, objective, _ = run("sparse", params, bias=True)
        counts.append(float(accuracy(model, objective, problem())[1]))
    assert counts[0] > 1.2 * counts[1] > 1.2 * counts[2]


def test_equal_seeds_give_equal_weights_and_others_do_not():
    params = settings(steps=5, sampled_terms=30)
    first, second, other = (run("sparse", params, seed)[0].up_proj.weight for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_both_kinds_see_the_same_texts_in_the_same_order():
    seen = {}
    for kind in ("sparse", "dense"):
        params, log = settings(steps=4), []
        model = backbone()
        objective = DenseObjective(pool, params)
        if kind == "sparse":
            objective = SparseObjective(model.embed_tokens.weight, None, params, 1)

        def watched(queries, passages, log=log):
            log.append((queries, passages))
            return tokenise(queries, passages)

        train(model, objective, watched, problem(), params, seed=1)
        seen[kind] = log
    assert seen["sparse"] == seen["dense"] and len(seen["sparse"]) == 4


def test_adapters_are_merged_and_leave_the_module_as_it_was():
    params = settings(steps=5)
    model, _, _ = run("dense", params)
    assert list(model.state_dict()) == list(backbone().state_dict())
    difference = model.up_proj.weight - backbone().up_proj.weight
    assert 0 < torch.linalg.matrix_rank(difference, atol=1e-5) <= 4
    assert torch.equal(model.embed_tokens.weight, backbone().embed_tokens.weight)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_no_text_stands_twice_in_a_batch_and_every_pair_is_seen():
    pairs = [(f"q{n}", f"p{n // 2}") for n in range(20)]
    drawn = list(batches(pairs, settings(steps=50, pairs_per_step=6), seed=0))
    assert len(drawn) == 50
    for batch in drawn:
        assert len({p for _, p in batch}) == 6
    assert {pair for batch in drawn[:5] for pair in batch} >= set(pairs[:3])
    assert {pair for batch in drawn for pair in batch} == set(pairs)


def test_the_learning_rate_rises_and_falls():
    params = settings(steps=100, warmup=0.1)
    rates = [rate(step, params) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[10] == 1.0
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[55] == pytest.approx(0.5) and rates[-1] < 0.001


@pytest.mark.parametrize(
    ("pairs", "message"),
    [(problem(4), "4 training pairs are fewer"), ([("1", "2")] * 40, "fewer than 16 different texts")],
)
def test_too_few_pairs(pairs, message):
    with pytest.raises(UserError, match=message):
        run("dense", settings(), pairs=pairs)


def test_a_loss_that_is_not_finite_stops():
    params = settings(learning_rate=1e30, clip=1e30, warmup=0)
    with pytest.raises(UserError, match="loss is"):
        run("sparse", params)
