"""The loop against plain torch, and where it and its checkpoints go on from."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_training import backbone, pool, problem, settings, tokenise

from harness.errors import UserError
from harness.training import checkpoint
from harness.training.batches import batches, hold_out
from harness.training.devices import ALONE, Devices, writes
from harness.training.examples import Pair
from harness.training.loop import rate, train
from harness.training.objectives import DenseObjective


def test_steps_are_those_of_plain_torch():
    """Full weights, cosines over a temperature, clipping, a warm-up and a cosine, written out once more."""
    params = settings(steps=5, lora_rank=0, temperature=0.1, clip=0.05, weight_decay=0.01, warmup=0.4)
    pairs = problem(20)
    ours = backbone()
    curve = train(ours, DenseObjective(pool, params), tokenise, pairs, params, seed=3)
    plain = backbone()
    optimizer = torch.optim.AdamW([plain.up_proj.weight], lr=params.learning_rate, weight_decay=0.01)
    plain.embed_tokens.requires_grad_(False)
    for step, batch in enumerate(batches(pairs, params, 3)):
        optimizer.param_groups[0]["lr"] = params.learning_rate * rate(step, params)
        tokens = tokenise([pair.query for pair in batch], [pair.positive for pair in batch])
        rows = pool(plain(tokens.ids, tokens.lengths), tokens.lengths)
        scores = rows[: len(batch)] @ rows[len(batch) :].T / 0.1
        loss = -scores.log_softmax(1).diagonal().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.05)
        optimizer.step()
        optimizer.zero_grad()
        assert curve[step]["loss"] == pytest.approx(loss.item(), rel=1e-5)
        assert curve[step]["learning_rate"] == optimizer.param_groups[0]["lr"]
    torch.testing.assert_close(ours.up_proj.weight.detach(), plain.up_proj.weight.detach(), atol=1e-6, rtol=1e-5)


@given(steps=st.integers(1, 60), warmup=st.floats(0, 0.99))
def test_the_rate_rises_once_and_falls_and_never_leaves_its_bounds(steps, warmup):
    params = settings(steps=steps, warmup=warmup)
    rates = [rate(step, params) for step in range(steps)]
    rise = round(warmup * steps)
    assert all(0 <= one <= 1 for one in rates)
    assert rates[:rise] == sorted(rates[:rise]) and rates[rise:] == sorted(rates[rise:], reverse=True)
    assert max(rates) == 1.0


TEXTS = st.sampled_from("abcdefgh")


OTHERS = st.lists(TEXTS, max_size=2).map(tuple)


@given(
    pairs=st.lists(st.builds(Pair, TEXTS, TEXTS, others=OTHERS), max_size=12),
    count=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_held_out_pairs_share_no_text_with_those_that_are_learned(pairs, count, seed):
    learned, held = hold_out(pairs, count, seed)
    assert len(held) <= count and all(pair in pairs for pair in learned)
    assert {pair[:2] for pair in held} <= {pair[:2] for pair in pairs}
    texts = {text for pair in held for text in pair[:2]}
    assert all(not texts & {pair.query, *pair.positives} for pair in learned)
    assert len({pair.query for pair in held}) == len(held)
    again, others = hold_out(pairs, count, seed)
    assert list(again) == list(learned) and others == held


@given(texts=st.integers(0, 30), count=st.integers(1, 5))
def test_shares_of_the_processes_are_all_texts_once(texts, count):
    shares = [list(Devices(number=number, count=count).share(texts)) for number in range(count)]
    assert sorted(place for share in shares for place in share) == list(range(texts))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_process_has_nothing_to_gather(monkeypatch):
    rows = torch.ones(3, 2)
    assert ALONE.gather(rows, 3) is rows and ALONE.total({"a": 1.0}) == {"a": 1.0}
    parameter = torch.nn.Parameter(torch.ones(2))
    ALONE.add([parameter])
    assert parameter.grad is None and ALONE.first and ALONE.kind == "cpu"
    for rank, first in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        assert writes() is first


def state(folder, step, params):
    model = backbone()
    weights = [model.up_proj.weight]
    optimizer = torch.optim.AdamW(weights)
    model.up_proj.weight.sum().backward()
    optimizer.step()
    objective = DenseObjective(pool, params)
    checkpoint.save(folder, step, weights, optimizer, objective, [{"step": float(step)}], {"seed": 1})
    return weights, optimizer, objective


def test_the_newest_whole_checkpoint_counts(tmp_path):
    params = settings()
    weights, optimizer, objective = state(tmp_path, 9, params)
    (tmp_path / "partial").mkdir()  # a kill while the next one was written
    (tmp_path / "partial" / checkpoint.ABOUT).write_text("{half")
    (tmp_path / "notes").mkdir()
    fresh = [torch.nn.Parameter(torch.zeros_like(weights[0]))]
    other = torch.optim.AdamW(fresh)
    curve = checkpoint.restore(tmp_path, fresh, other, objective, {"seed": 1})
    assert curve == [{"step": 9.0}]
    assert torch.equal(fresh[0], weights[0])
    for name, value in optimizer.state[weights[0]].items():
        assert torch.equal(other.state[fresh[0]][name], value), name
    state(tmp_path, 10, params)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["10", "notes"]


def test_no_checkpoint_and_one_of_other_settings(tmp_path):
    params = settings()
    assert checkpoint.restore(tmp_path / "none", [], torch.optim.AdamW([torch.zeros(1)]), None, {}) == []
    weights, optimizer, objective = state(tmp_path, 1, params)
    with pytest.raises(UserError, match="other settings") as error:
        checkpoint.restore(tmp_path, weights, optimizer, objective, {"seed": 2})
    assert error.value.file == tmp_path and "remove" in error.value.remedy
    assert json.loads((tmp_path / "1" / checkpoint.ABOUT).read_text())["about"] == {"seed": 1}
