"""The sparse head and both losses against plain formulas and sentence-transformers."""

import numpy as np
import pytest
import torch
from toy_training import LENGTHS, loss, settings

from harness.training.max_head import MaxHead, _with_sources, active_terms, max_logits
from harness.training.objectives import Batch, DenseObjective, SparseObjective


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


@pytest.mark.parametrize("shift", [-30.0, 0.0, 30.0])
def test_the_largest_bfloat16_logits_are_those_of_the_plain_maximum(shift):
    """All negative, mixed and all positive."""
    torch.manual_seed(0)
    hidden, weight = torch.randn(17, 8).bfloat16(), torch.randn(30, 8).bfloat16()
    hidden[:, 0], weight[:, 0] = 1.0, shift
    expected = torch.stack([torch.nn.functional.linear(part, weight).amax(0) for part in hidden.split(LENGTHS)])
    found = max_logits(hidden, LENGTHS, weight)
    assert torch.equal(found, expected.float())
    assert (bool((found < 0).any()), bool((found > 0).any())) == (shift <= 0, shift >= 0)


def test_a_bias_takes_away_no_more_than_itself_in_bfloat16():
    """Logits near 100 are rounded to halves; what is left of them after the bias is not."""
    torch.manual_seed(0)
    hidden, weight = torch.randn(17, 8).bfloat16(), torch.randn(30, 8).bfloat16()
    hidden[:, 0], weight[:, 0] = 10.0, 10.0
    bias = -100.3 + torch.rand(30)
    expected = torch.stack([(part.float() @ weight.float().T).amax(0) for part in hidden.split(LENGTHS)]) + bias
    assert torch.allclose(max_logits(hidden, LENGTHS, weight, bias), expected, atol=0.03)


def test_what_is_not_a_number_stays_so_in_bfloat16():
    hidden, weight = torch.randn(17, 8).bfloat16(), torch.randn(30, 8).bfloat16()
    hidden[5] = -float("nan")
    assert max_logits(hidden, LENGTHS, weight)[2].isnan().all()


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
        found, parts = loss(SparseObjective(weight, None, params, 0), states, batch, done)
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
    found, _ = loss(DenseObjective(lambda states, _: states, settings(temperature=0.05)), rows, batch, 0.0)
    assert found.item() == pytest.approx(float(expected), rel=1e-5)


def test_a_sample_of_terms_estimates_the_flops_of_all():
    torch.manual_seed(0)
    states, weight = torch.randn(6, 16), torch.randn(2000, 16)
    batch = Batch([[1, 2, 3]], [[4, 5, 6]])
    whole = loss(SparseObjective(weight, None, settings(), 0), states, batch, 1.0)[1]
    sampled = SparseObjective(weight, None, settings(sampled_terms=200), 0)
    found = [loss(sampled, states, batch, 1.0)[1] for _ in range(200)]
    for name in ("flops_queries", "flops_documents", "active_query", "active_document"):
        assert np.mean([parts[name] for parts in found]) == pytest.approx(whole[name], rel=0.03)


def test_vectors_without_gradients_look_for_no_sources(monkeypatch):
    """Equal to those with gradients, in float32 and under autocast."""
    torch.manual_seed(0)
    hidden, weight, bias = torch.randn(17, 8), torch.randn(30, 8), torch.randn(30)
    scale = torch.rand(30)
    wanted = hidden.clone().requires_grad_()
    for halves in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=halves):
            expected = active_terms(wanted, LENGTHS, weight, bias, scale).detach()
            with monkeypatch.context() as patched:
                patched.setattr(MaxHead, "apply", None)
                assert torch.equal(active_terms(hidden, LENGTHS, weight, bias, scale), expected)
                with torch.no_grad():
                    assert torch.equal(active_terms(wanted, LENGTHS, weight, bias, scale), expected)


def test_a_gpu_finds_the_same_tokens_with_the_maximum(monkeypatch):
    torch.manual_seed(0)
    logits = torch.randn(4, 6, 30)
    text, term = torch.nonzero(torch.randn(4, 30) > 0, as_tuple=True)
    largest, tokens_of = _with_sources(logits)

    class Elsewhere(torch.Tensor):
        device = torch.device("cuda")

    theirs, at_once = _with_sources(logits.as_subclass(Elsewhere))
    assert torch.equal(largest, theirs.as_subclass(torch.Tensor))
    assert torch.equal(tokens_of(text, term), at_once(text, term).as_subclass(torch.Tensor))
