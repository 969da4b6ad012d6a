"""A killed training goes on bit by bit, and no other training's checkpoints are taken."""

import pytest
import torch
from toy_training import backbone, pool, problem, settings, tokenise

from harness.errors import UserError
from harness.training.loop import train
from harness.training.objectives import DenseObjective, SparseObjective


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

    def counted(queries, passages, symmetric):
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
