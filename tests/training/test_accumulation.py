"""Micro-batches whose gradients are averaged into one step, and dropout that a kill does not change."""

import pytest
import torch
from toy_training import backbone, pool, problem, settings, tokenise

from harness.training.batches import batches
from harness.training.examples import Pair
from harness.training.loop import train
from harness.training.objectives import DenseObjective, SparseObjective

TEACH = {"kl": 1.0, "margin_mse": 0.1, "contrast": 0.0}
PLAIN = {"lora_rank": 0, "warmup": 0, "regularise_warmup": 0, "learning_rate": 1e-3}


def taught_pairs(count=32):
    drawn = torch.Generator().manual_seed(5)
    pairs = []
    for number, (query, passage) in enumerate(problem(count)):
        negatives = tuple(f"{number} {step}" for step in (3, 7))
        pairs.append(Pair(query, passage, negatives, scores=(tuple(torch.rand(3, generator=drawn).tolist()),)))
    return pairs


def trained(kind, params, pairs, **given):
    torch.set_num_threads(1)
    model = backbone()
    objective = DenseObjective(pool, params)
    if kind == "sparse":
        bias = torch.nn.Parameter(torch.full((50,), -0.5))
        objective = SparseObjective(model.embed_tokens.weight, bias, params, 1)
    curve = train(model, objective, given.pop("tokenise", tokenise), pairs, params, seed=1, **given)
    return model.up_proj.weight, curve


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_four_micro_batches_equal_a_large_one_where_queries_do_not_see_each_others_passages(kind):
    """Distillation looks at a query's own passages alone; FLOPS and InfoNCE look at the whole pool."""
    common = {**PLAIN, "steps": 2, "negatives": 2, "distillation": TEACH, "clip": 1e9}
    common |= {"regularise_queries": 0, "regularise_documents": 0}
    one, first = trained(kind, settings(**common), taught_pairs())
    four, curve = trained(kind, settings(accumulate=4, **common), taught_pairs())
    assert torch.allclose(one, four, atol=1e-6, rtol=0) and not torch.allclose(
        one, backbone().up_proj.weight, atol=1e-4
    )
    for mine, theirs in zip(first, curve, strict=True):
        assert mine["kl"] == pytest.approx(theirs["kl"], rel=1e-5)
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-5)


def test_a_step_takes_the_mean_of_the_micro_batches_gradients():
    """Written out: InfoNCE of each pool alone, averaged, in plain torch."""
    params = settings(**PLAIN, steps=1, accumulate=4, temperature=0.1, clip=0.05)
    weights, curve = trained("dense", params, problem())
    plain = backbone()
    plain.embed_tokens.requires_grad_(False)
    optimizer = torch.optim.AdamW([plain.up_proj.weight], lr=1e-3, weight_decay=0)
    losses = []
    for batch in batches(problem(), params, 1):
        tokens = tokenise([pair.query for pair in batch], [pair.positive for pair in batch])
        rows = pool(plain(tokens.ids, tokens.lengths), tokens.lengths)
        losses.append(-(rows[:4] @ rows[4:].T / 0.1).log_softmax(1).diagonal().mean())
    torch.stack(losses).mean().backward()
    torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.05)
    optimizer.step()
    assert len(losses) == 4 and curve[0]["loss"] == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)
    assert torch.allclose(weights, plain.up_proj.weight, atol=1e-6)


class KilledError(Exception):
    """As if the process had been killed within a step."""


@pytest.mark.parametrize("cached", [None, 5])
def test_a_training_that_was_killed_within_a_step_goes_on_bit_by_bit(tmp_path, cached):
    given = {"steps": 6, "accumulate": 4, "lora_dropout": 0.3, "checkpoint_every": 2, "cached_texts": cached}
    params = settings(**given, sampled_terms=30, validation_pairs=4, validate_every=3)
    pools = []

    def counted(queries, passages, symmetric):
        pools.append(len(queries))
        if killing and len(pools) == 18:  # the second of the fifth step's four, after a validation
            raise KilledError
        return tokenise(queries, passages)

    killing = False
    whole, curve = trained("sparse", params, problem(40), tokenise=counted)
    assert pools.count(4) == 24 + 2  # validations have four pairs, too
    killing, pools[:] = True, []
    with pytest.raises(KilledError):
        trained("sparse", params, problem(40), tokenise=counted, checkpoints=tmp_path)
    assert [place.name for place in tmp_path.iterdir()] == ["4"]
    torch.manual_seed(99)
    killing = False
    resumed, again = trained("sparse", params, problem(40), tokenise=counted, checkpoints=tmp_path)
    assert torch.equal(whole, resumed) and curve == again


def test_dropout_is_on_while_training_alone_and_a_second_pass_leaves_out_the_same_inputs():
    off, on, cached = (
        trained("dense", settings(steps=3, validation_pairs=8, validate_every=1, **given), problem(40))
        for given in ({}, {"lora_dropout": 0.5}, {"lora_dropout": 0.5, "cached_texts": 7})
    )
    assert off[1][0]["loss"] == on[1][0]["loss"]  # adapters begin at zero, and leave nothing out of it
    assert off[1][2]["loss"] != on[1][2]["loss"]
    none = {"lora_dropout": 0.5, "learning_rate": 1e-30}
    still = trained("dense", settings(steps=3, validation_pairs=8, validate_every=1, **none), problem(40))[1]
    assert len({row["validation_ndcg@10"] for row in still}) == 1
    assert cached[1][2]["loss"] != off[1][2]["loss"]
