"""Teachers' scores, IDF-aware FLOPS and looked-up queries against plain formulas, number by number."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_training import backbone, problem, settings, tokenise

from harness.errors import UserError
from harness.training.cached import backward, ndcg
from harness.training.distillation import distil, mixed, taught
from harness.training.loop import train
from harness.training.objectives import Batch, DenseObjective, SparseObjective
from harness.training.params import Distillation

VALUES = st.floats(-50, 50, width=32)


@st.composite
def batches_of_scores(draw):
    """Of each query, scores by two teachers of its positive and its negatives, or none; and the model's scores."""
    negatives = draw(st.lists(st.integers(0, 3), min_size=2, max_size=4))
    scores = []
    for count in negatives:
        own = st.lists(VALUES, min_size=count + 1, max_size=count + 1)
        scores.append(draw(st.tuples(own, own)) if draw(st.booleans()) else ())
    columns = len(negatives) + sum(negatives)
    row = st.lists(VALUES, min_size=columns, max_size=columns)
    return negatives, scores, draw(st.lists(row, min_size=len(negatives), max_size=len(negatives)))


def softmax(values):
    powers = np.exp(values - np.max(values))
    return powers / powers.sum()


def plainly(negatives, scores, model, params):
    """KL and margin-MSE, query by query."""
    divergences, squares, column = [], [], len(negatives)
    for query, count in enumerate(negatives):
        places = [query, *range(column, column + count)]
        column += count
        if not scores[query] or not count:
            continue
        teachers = np.array(scores[query], np.float64)
        if params.normalise == "min-max":
            low, high = teachers.min(1, keepdims=True), teachers.max(1, keepdims=True)
            teachers = (teachers - low) / np.maximum(high - low, 1e-9)
        target = params.scale * np.average(teachers, axis=0, weights=params.teachers or None)
        own = np.array([model[query][place] for place in places])
        ours, theirs = softmax(own / params.temperature), softmax(target / params.temperature)
        logs = np.log(np.maximum(theirs, 1e-300)) - np.log(np.maximum(ours, 1e-300))
        divergences.append(float((theirs * logs).sum()))
        squares += [((own[0] - own[i]) - (target[0] - target[i])) ** 2 for i in range(1, count + 1)]
    return np.mean(divergences), np.mean(squares)


@pytest.mark.parametrize(
    "params",
    [
        Distillation(kl=1.0, margin_mse=0.5, normalise="none", scale=1.0),
        Distillation(kl=2.0, margin_mse=0.1, temperature=3.0, scale=7.0),
        Distillation(kl=1.0, margin_mse=1.0, teachers=(1.0, 3.0)),
    ],
)
@given(drawn=batches_of_scores())
def test_both_losses_are_those_of_the_formulas(params, drawn):
    negatives, scores, model = drawn
    given = taught(negatives, scores)
    if given is None:
        assert not any(own and count for own, count in zip(scores, negatives, strict=True))
        return
    total, parts = distil(torch.tensor(model), given, params)
    divergence, square = plainly(negatives, scores, model, params)
    assert parts["kl"].item() == pytest.approx(divergence, rel=1e-3, abs=2e-3)
    assert parts["margin_mse"].item() == pytest.approx(square, rel=1e-3, abs=1e-2)
    assert total.item() == pytest.approx(params.kl * divergence + params.margin_mse * square, rel=1e-3, abs=2e-2)


def test_margin_mse_is_that_of_sentence_transformers():
    from sentence_transformers.sentence_transformer.losses import MarginMSELoss

    torch.manual_seed(0)
    queries, positives, negatives = torch.randn(3, 4, 8)
    labels = torch.rand(4)
    theirs = MarginMSELoss(torch.nn.Identity(), similarity_fct=lambda a, b: (a * b).sum(1))
    expected = theirs.compute_loss_from_embeddings([queries, positives, negatives], labels)
    given = taught([1] * 4, [[[float(label), 0.0]] for label in labels])
    params = Distillation(kl=0, margin_mse=1, normalise="none", scale=1)
    found, _ = distil(queries @ torch.cat([positives, negatives]).T, given, params)
    assert found.item() == pytest.approx(float(expected), rel=1e-5)


def test_teachers_that_say_the_same_in_other_units_give_what_one_gives():
    one = taught([2, 2], [[[3.0, 1.0, 2.0]], [[0.0, 5.0, 1.0]]])
    many = taught([2, 2], [[[3.0, 1.0, 2.0], [60.0, 20.0, 40.0]], [[0.0, 5.0, 1.0], [-7.0, 3.0, -5.0]]])
    assert torch.allclose(mixed(one, Distillation()), mixed(many, Distillation()))
    assert mixed(one, Distillation())[0].tolist() == pytest.approx([30.0, 0.0, 15.0])


def test_teachers_that_do_not_fit():
    with pytest.raises(UserError, match="scores of 1 to 2 teachers"):
        taught([1, 1], [[[1.0, 2.0]], [[1.0, 2.0], [1.0, 2.0]]])
    with pytest.raises(UserError, match="scores of 1 teachers, and there are 2 weights") as caught:
        mixed(taught([1], [[[1.0, 2.0]]]), Distillation(teachers=(1.0, 1.0)))
    assert caught.value.key == "training.distillation.teachers"
    for wrong in ({"kl": 0}, {"teachers": (0.0,)}, {"teachers": (1.0, -1.0)}):
        with pytest.raises(ValueError, match="weight"):
            Distillation(**wrong)


def test_the_loss_is_the_weighted_sum_and_pairs_without_scores_only_contrast():
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(7, 16), dim=1)
    params = settings(temperature=0.2, distillation={"kl": 0.5, "margin_mse": 0.25, "contrast": 2.0})
    objective = DenseObjective(lambda *_: rows, params)
    given = taught([1, 0, 0], [[[2.0, 1.0]], [], []])
    scores = rows[:3] @ rows[3:].T / 0.2
    alone, parts = objective.compare(rows[:3], rows[3:], 1.0)
    contrast = -scores.log_softmax(1)[range(3), range(3)].mean()
    assert alone.item() == pytest.approx(contrast.item()) and set(parts) == {"contrast", "similarity"}
    total, parts = objective.compare(rows[:3], rows[3:], 1.0, given)
    expected = 2 * contrast + 0.5 * parts["kl"] + 0.25 * parts["margin_mse"]
    assert total.item() == pytest.approx(float(expected), rel=1e-5)
    margin = float(scores[0, 0] - scores[0, 3])
    assert parts["margin_mse"] == pytest.approx((margin - 30) ** 2, rel=1e-4)


def test_idf_aware_flops_are_those_of_weights_without_their_frequencies():
    """Queries whose weights are the frequencies, and documents whose FLOPS do not count them: the paper's way."""
    torch.manual_seed(0)
    weight, inverse = torch.randn(30, 8), torch.rand(30) * 9 + 0.2
    vectors = torch.rand(6, 30)
    with_idf = vectors * inverse
    params = settings(regularise_idf=True, regularise_warmup=0)
    _, parts = SparseObjective(weight, None, params, 0, inverse=inverse).compare(with_idf[:2], with_idf[2:], 1.0)
    assert parts["flops_documents"] == pytest.approx(vectors[2:].mean(0).square().sum().item(), rel=1e-4)
    rare = SparseObjective(weight, None, params, 0, inverse=torch.full((30,), 1e-6))
    _, parts = rare.compare(with_idf[:2], with_idf[2:], 1.0)
    assert parts["flops_documents"] == pytest.approx((with_idf[2:] / 0.1).mean(0).square().sum().item(), rel=1e-4)
    _, plain = SparseObjective(weight, None, settings(), 0, inverse=inverse).compare(with_idf[:2], with_idf[2:], 1.0)
    assert plain["flops_documents"] == pytest.approx(with_idf[2:].mean(0).square().sum().item(), rel=1e-4)


@pytest.mark.parametrize("sampled", [None, 20])
def test_looked_up_queries_have_the_weight_of_each_of_their_terms_once(sampled):
    columns = torch.arange(50) - 10  # the first ten tokens are no terms
    table = torch.nn.Parameter(torch.randn(40))
    objective = SparseObjective(
        torch.randn(40, 8), None, settings(sampled_terms=sampled), 0, columns=columns.clamp(min=-1), table=table
    )
    batch = Batch([[12, 3, 12, 40], [5, 6], [49]], [[20, 21], [22], [30]])
    objective.start(batch)
    rows = objective.looked_up(batch.ids[: batch.query_tokens], batch.lengths[: batch.pairs])
    expected = torch.zeros(3, 40)
    for query, term in ((0, 2), (0, 30), (2, 39)):
        expected[query, term] = math.exp(table[term].item())
    terms = slice(None) if objective.terms is None else objective.terms
    assert torch.allclose(rows, expected[:, terms])
    assert [factor for _, factor in objective.parameters()] == [settings().table_learning_rate]
    rows.sum().backward()
    assert set(table.grad.nonzero().flatten().tolist()) == {2, 30, 39}


@pytest.mark.parametrize("size", [None, 5])
def test_a_table_is_trained_with_the_passages_and_the_backbone_reads_no_query(size):
    params, read = settings(steps=30, pairs_per_step=32, cached_texts=size, stop_on_collapse=False), []
    model = backbone()
    model.register_forward_hook(lambda module, given, out: read.append(len(given[1])))
    table = torch.nn.Parameter(torch.zeros(50))
    objective = SparseObjective(model.embed_tokens.weight, None, params, 0, table=table)
    pairs = problem()
    batch = tokenise(*zip(*pairs, strict=True))
    before = ndcg(model, objective, batch, 7)
    read.clear()
    train(model, objective, tokenise, pairs, params, seed=1)
    assert sum(read) == 30 * 32 * (1 if size is None else 2)
    assert ndcg(model, objective, batch, 7) > before + 0.3
    assert (table.detach()[:25] != 0).any() and (table.detach()[25:] == 0).all()  # queries have the first 25 tokens


def test_cached_gradients_of_a_table_are_those_of_the_whole_batch():
    found = []
    for size in (None, 4):
        torch.manual_seed(0)
        model = backbone().requires_grad_(True)
        table = torch.nn.Parameter(torch.zeros(50))
        objective = SparseObjective(model.embed_tokens.weight, None, settings(), 0, table=table)
        backward(model, objective, tokenise(*zip(*problem(8), strict=True)), 1.0, size)
        found.append((table.grad, model.up_proj.weight.grad))
    for mine, theirs in zip(*found, strict=True):
        assert mine.abs().max() > 0 and torch.allclose(mine, theirs, atol=1e-6)


def test_targets_of_several_teachers_are_not_rounded_where_products_are():
    scores = [(tuple(np.linspace(0, 1, 4) ** 2), tuple(np.linspace(0, 1, 4))) for _ in range(2)]
    given = taught([3, 3], scores)
    plain = mixed(given, Distillation(kl=1.0))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = mixed(given, Distillation(kl=1.0))
    assert rounded.dtype == torch.float32
    assert torch.equal(rounded, plain)
