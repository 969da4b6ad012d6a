"""Training: gradients, losses against sentence-transformers, repeatability, and that it learns."""

import random
from itertools import pairwise

import numpy as np
import pytest
import torch

from harness.errors import UserError
from harness.training import TrainingParams
from harness.training.cached import ndcg
from harness.training.loop import _gradients, _tokens, batches, hold_out, rate, train
from harness.training.max_head import MaxHead, max_logits
from harness.training.objectives import Batch, DenseObjective, SparseObjective, similarity
from harness.training.watch import Watch

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


def loss(objective, states, batch, done):
    objective.start(batch)
    return objective.compare(*(objective.vectors(rows, lengths) for rows, lengths in batch.sides(states)), done)


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


class KilledError(Exception):
    """As if the process had been killed between two steps."""


def killed_and_resumed(folder, kind, step, **given):
    """Train, die after `step` steps, and train again in a new process's stead."""
    params = settings(steps=20, checkpoint_every=6, sampled_terms=30, validation_pairs=4, validate_every=7, **given)

    def start(checkpoints, stop=None):
        def progress(done, *_):
            if done == stop:
                raise KilledError

        torch.set_num_threads(1)
        model = backbone()
        objective = DenseObjective(pool, params)
        if kind == "sparse":
            bias = torch.nn.Parameter(torch.full((50,), -0.5))
            objective = SparseObjective(model.embed_tokens.weight, bias, params, 1)
        more = {"seed": 1, "progress": progress, "checkpoints": checkpoints}
        curve = train(model, objective, tokenise, problem(40), params, **more)
        return model.up_proj.weight, getattr(objective, "bias", None), curve

    whole = start(None)
    with pytest.raises(KilledError):
        start(folder, step)
    assert [place.name for place in folder.iterdir()] == [str(step // 6 * 6)]
    torch.manual_seed(99)  # what else a new process has drawn does not matter
    return whole, start(folder)


@pytest.mark.parametrize(("kind", "rank"), [("sparse", 4), ("dense", 0)])
def test_a_killed_training_goes_on_bit_by_bit(tmp_path, kind, rank):
    whole, resumed = killed_and_resumed(tmp_path, kind, 14, lora_rank=rank)
    assert torch.equal(whole[0], resumed[0])
    assert whole[1] is None or torch.equal(whole[1], resumed[1])
    assert whole[2] == resumed[2] and [row["step"] for row in resumed[2]] == list(range(1, 21))


def test_a_finished_training_is_not_repeated(tmp_path):
    params, calls = settings(steps=4), []

    def counted(queries, passages):
        calls.append(len(queries))
        return tokenise(queries, passages)

    weights = []
    for _ in range(2):
        model = backbone()
        train(model, DenseObjective(pool, params), counted, problem(), params, seed=1, checkpoints=tmp_path)
        weights.append(model.up_proj.weight)
    assert len(calls) == 4 and torch.equal(*weights)


def test_checkpoints_of_another_training_are_refused(tmp_path):
    def start(speed):
        params = settings(steps=2, learning_rate=speed)
        train(backbone(), DenseObjective(pool, params), tokenise, problem(), params, seed=1, checkpoints=tmp_path)

    start(0.02)
    with pytest.raises(UserError, match="other settings"):
        start(0.03)


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


def test_hard_negatives_are_drawn_and_stand_once():
    pairs = [(f"q{n}", f"p{n}", [f"p{(n + 1) % 20}", f"n{n}", f"n{n}", "n", f"m{n}"]) for n in range(20)]
    for batch in batches(pairs, settings(steps=30, pairs_per_step=6, negatives=2), seed=0):
        texts = [text for q, p, negatives in batch for text in (p, *negatives)]
        assert len(set(texts)) == len(texts)
        assert all(len(negatives) == 2 for _, _, negatives in batch)
        assert all(set(negatives) <= set(pairs[int(q[1:])][2]) for q, _, negatives in batch)


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


def test_collapses_are_told_apart():
    with pytest.raises(UserError, match="the ReLU died"):
        run("sparse", settings(steps=300, regularise_queries=1e3, regularise_documents=1e3), bias=-0.5)
    watch = Watch(settings(steps=100, regularise_warmup=0.2, collapse_patience=3), terms=50)
    everywhere = {"active_query": 30.0, "active_document": 26.0, "similarity": 0.5}
    for step in (10, 20, 40, 46, 47):
        watch.see(step, everywhere)
    watch.see(48, everywhere | {"active_document": 24.0})
    for step in (49, 50):
        watch.see(step, everywhere)
    with pytest.raises(UserError, match=r"from step 49 to 51: 52% of all terms are active in every passage"):
        watch.see(51, everywhere)
    with pytest.raises(UserError, match="the same everywhere") as error:
        run("dense", settings(steps=60), constant=True)
    assert "stop_on_collapse = false" in str(error.value)
    _, _, curve = run("dense", settings(steps=60, stop_on_collapse=False), constant=True)
    assert len(curve) == 60


def test_a_sound_training_is_let_alone():
    for kind in ("sparse", "dense"):
        run(kind, settings(steps=60, collapse_patience=1, warmup=0.3), bias=-30.0)


def test_similarity_is_the_mean_cosine_of_different_rows():
    rows = torch.randn(7, 5)
    unit = torch.nn.functional.normalize(rows, dim=1)
    plain = [float(unit[a] @ unit[b]) for a in range(7) for b in range(7) if a != b]
    assert similarity(rows) == pytest.approx(np.mean(plain), abs=1e-6)
    assert similarity(rows[:1]) == 0.0
