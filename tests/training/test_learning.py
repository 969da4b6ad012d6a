"""That training learns, repeats itself, and gives both kinds the same data."""

from itertools import pairwise

import pytest
import torch
from toy_training import accuracy, backbone, pool, problem, run, settings, tokenise

from harness.errors import UserError
from harness.training.batches import batches, hold_out
from harness.training.cached import ndcg
from harness.training.loop import rate, train
from harness.training.max_head import max_logits
from harness.training.objectives import DenseObjective, SparseObjective


@pytest.mark.parametrize("kind", ["sparse", "dense"])
@pytest.mark.parametrize("rank", [0, 8])
def test_it_learns_32_pairs_by_heart(kind, rank):
    none = {"regularise_queries": 0, "regularise_documents": 0, "stop_on_collapse": False}
    params = settings(steps=200, pairs_per_step=32, lora_rank=rank, **none)
    model, objective, curve = run(kind, params)
    assert accuracy(backbone(), objective, problem())[0] < 0.5
    assert accuracy(model, objective, problem())[0] == 1.0
    assert curve[-1]["contrast"] < 0.5 < 2 < curve[0]["contrast"]
    assert [row["step"] for row in curve] == list(range(1, 201))


def test_a_larger_weight_of_the_flops_leaves_fewer_terms():
    counts = []
    for weight in (0.0, 0.03, 1.0):
        params = settings(steps=150, regularise_queries=weight, regularise_documents=weight, stop_on_collapse=False)
        model, objective, _ = run("sparse", params, bias=-0.5)
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

        def watched(queries, passages, symmetric, log=log):
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
        assert len({pair.positive for pair in batch}) == 6
    assert {pair[:2] for batch in drawn[:5] for pair in batch} >= set(pairs[:3])
    assert {pair[:2] for batch in drawn for pair in batch} == set(pairs)


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


def test_hard_negatives_are_drawn_and_stand_once():
    pairs = [(f"q{n}", f"p{n}", [f"p{(n + 1) % 20}", f"n{n}", f"n{n}", "n", f"m{n}"]) for n in range(20)]
    for batch in batches(pairs, settings(steps=30, pairs_per_step=6, negatives=2), seed=0):
        texts = [text for pair in batch for text in (pair.positive, *pair.negatives)]
        assert len(set(texts)) == len(texts)
        assert all(len(pair.negatives) == 2 for pair in batch)
        assert all(set(pair.negatives) <= set(pairs[int(pair.query[1:])][2]) for pair in batch)


def test_a_hard_negative_is_what_a_query_learns_to_leave():
    """It shares two of three tokens with the query, the right passage none."""
    pairs = [(q, p, [f"{q.rsplit(' ', 1)[0]} {n % 25}"]) for n, (q, p) in enumerate(problem())]
    beaten = []
    for negatives in (0, 1):
        params = settings(steps=150, pairs_per_step=32, negatives=negatives, lora_rank=0)
        model, _, _ = run("dense", params, pairs=pairs)
        batch = tokenise([q for q, _, _ in pairs], [p for _, p, _ in pairs] + [n for *_, (n,) in pairs])
        rows = pool(model(batch.ids, batch.lengths), batch.lengths).detach()
        scores = rows[:32] @ rows[32:].T
        beaten.append((scores[:, :32].diagonal() > scores[:, 32:].diagonal()).float().mean().item())
    assert beaten[0] < 0.95 < beaten[1]


def test_validation_is_the_ndcg_of_ir_measures():
    import ir_measures

    model, params = backbone(), settings()
    objective = SparseObjective(model.embed_tokens.weight, None, params, 0)
    pairs = problem(32)
    batch = tokenise([q for q, _ in pairs], [p for _, p in pairs])
    rows = max_logits(model(batch.ids, batch.lengths), batch.lengths, model.embed_tokens.weight).relu().log1p()
    scores = (rows[:32] @ rows[32:].T).tolist()
    run_ = {str(q): {str(d): score for d, score in enumerate(row)} for q, row in enumerate(scores)}
    expected = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], {str(n): {str(n): 1} for n in range(32)}, run_)
    assert ndcg(model, objective, batch, 7) == pytest.approx(expected[ir_measures.nDCG @ 10], abs=1e-6)


def test_what_is_held_out_is_not_trained_on_and_is_logged():
    pairs = [*problem(40), (problem(40)[0][0], "1 2 3")]
    rest, held = hold_out(pairs, 8, seed=3)
    texts = {text for pair in held for text in pair[:2]}
    assert len(held) == 8 and not texts & {text for pair in rest for text in pair[:2]}
    params = settings(steps=20, validation_pairs=8, validate_every=8, pairs_per_step=8)
    _, _, curve = run("dense", params, pairs=pairs)
    assert [row["step"] for row in curve if "validation_ndcg@10" in row] == [8, 16, 20]
