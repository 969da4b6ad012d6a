"""Training through the encoders' `fit`, from pairs to vectors."""

import numpy as np
import pytest

from harness.collections.base import Pair
from harness.encoders.dense_twin import DenseTwin, DenseTwinParams
from harness.encoders.laconic import Laconic, LaconicParams
from harness.errors import UserError

PAIRS = [
    Pair("sort the list", "fast sum of number"),
    Pair("find a path", "graph node tree"),
    Pair("mean of matrix", "slow passage query"),
    Pair("number of node", "list sort find"),
]


@pytest.mark.parametrize(("type", "params"), [(Laconic, LaconicParams), (DenseTwin, DenseTwinParams)])
def test_pairs_are_found_after_training(llama_folder, tmp_path, type, params):
    training = {"steps": 80, "pairs_per_step": 4, "learning_rate": 0.01, "lora_rank": 4}
    bias = {"term_bias": 0.5} if type is Laconic else {}
    maker = type(params(backbone=str(llama_folder), training=training, **bias))
    assert maker.needs() == "pairs"
    said = []
    facts = maker.fit(tmp_path, pairs=iter(PAIRS), seed=1, progress=lambda *now: said.append(now))
    assert said[-1][:2] == (80, 80) and said[-1][2].startswith("loss ")
    assert facts["steps"] == len(facts["curve"]) == 80 and facts["pairs_seen"] == 320
    encoder = maker.load(tmp_path)
    queries = encoder.encode_queries([pair.query for pair in PAIRS])
    scores = queries @ encoder.encode_documents([pair.positive for pair in PAIRS]).T
    scores = scores.toarray() if hasattr(scores, "toarray") else scores
    assert list(np.argmax(scores, axis=1)) == [0, 1, 2, 3]


@pytest.mark.parametrize(("type", "params"), [(Laconic, LaconicParams), (DenseTwin, DenseTwinParams)])
def test_training_without_pairs(llama_folder, tmp_path, type, params):
    with pytest.raises(UserError, match="needs training pairs"):
        type(params(backbone=str(llama_folder), training={"steps": 1})).fit(tmp_path, pairs=iter(()))


HARD = [Pair(pair.query, pair.positive, (PAIRS[n - 1].positive, f"{pair.query} slow")) for n, pair in enumerate(PAIRS)]
PHASE = {"steps": 6, "pairs_per_step": 2, "learning_rate": 0.01, "lora_rank": 4, "checkpoint_every": 2}


@pytest.mark.parametrize(("type", "params"), [(Laconic, LaconicParams), (DenseTwin, DenseTwinParams)])
def test_a_second_phase_starts_from_the_merged_first_and_goes_on_after_a_kill(llama_folder, tmp_path, type, params):
    def train(name, stop=None, **given):
        def progress(done, total, _):
            told.append((done, total))
            if done == stop:
                raise KeyboardInterrupt

        told = []
        maker = type(params(backbone=str(llama_folder), training=PHASE, **given))
        maker.checkpoints = tmp_path / "checkpoints" if given else None
        (tmp_path / name).mkdir()
        facts = maker.fit(tmp_path / name, pairs=iter(HARD), seed=1, progress=progress)
        return maker.load(tmp_path / name).encode_documents(["sort the list", "graph"]), facts, told

    second = {"finetuning": {**PHASE, "negatives": 2, "learning_rate": 0.005}}
    first, facts, _ = train("one")
    assert facts["steps"] == 6
    alone = facts["train_flops"]
    assert alone.keys() == {"forward", "backward"} and min(alone.values()) > 0
    with pytest.raises(KeyboardInterrupt):
        train("killed", stop=9, **second)
    resumed, facts, told = train("resumed", **second)
    assert told == [(step, 12) for step in range(9, 13)]  # the first phase and two steps of the second were kept
    assert [row["step"] for row in facts["curve"]] == list(range(1, 13)) and facts["pairs_seen"] == 24
    flops = facts["train_flops"]
    assert {part: flops[f"phase 1 {part}"] for part in alone} == alone
    assert flops["phase 2 forward"] > alone["forward"]  # its hard negatives are more texts
    maker = type(params(backbone=str(llama_folder), training=PHASE, **second))
    (tmp_path / "whole").mkdir()
    maker.fit(tmp_path / "whole", pairs=iter(HARD), seed=1)
    whole = maker.load(tmp_path / "whole").encode_documents(["sort the list", "graph"])
    assert abs(whole - resumed).max() == 0
    assert abs(whole - first).max() > 1e-3


def test_hard_negatives_that_are_not_there(llama_folder, tmp_path):
    maker = Laconic(LaconicParams(backbone=str(llama_folder), training={**PHASE, "negatives": 1}))
    with pytest.raises(UserError, match=r"have no hard negatives(.|\n)*laconic-bench mine"):
        maker.fit(tmp_path, pairs=iter(PAIRS))


def test_each_phase_has_the_pairs_that_it_asks_for(llama_folder, tmp_path, monkeypatch):
    from harness.training import loop

    seen = []
    monkeypatch.setattr(loop, "train", lambda *given, **_: seen.append([pair[0] for pair in given[3]]) or [])
    phases = {"training": {**PHASE, "only": "without negatives"}, "finetuning": {**PHASE, "only": "with negatives"}}
    pairs = [*PAIRS[:2], *HARD[2:]]
    Laconic(LaconicParams(backbone=str(llama_folder), **phases)).fit(tmp_path, pairs=iter(pairs))
    assert seen == [[pair.query for pair in PAIRS[:2]], [pair.query for pair in HARD[2:]]]


def test_what_validates_one_phase_has_trained_none(llama_folder, tmp_path, monkeypatch):
    from harness.training import loop

    seen = []
    monkeypatch.setattr(
        loop,
        "train",
        lambda *given, held, **_: seen.append(([pair[0] for pair in given[3]], [pair.query for pair in held])) or [],
    )
    phases = {"training": {**PHASE, "validation_pairs": 1}, "finetuning": {**PHASE, "validation_pairs": 2}}
    Laconic(LaconicParams(backbone=str(llama_folder), **phases)).fit(tmp_path, pairs=iter(HARD), seed=1)
    (first, held), (second, more) = seen
    assert len(held) == 1 and len(more) == 2 and set(held) <= set(more)
    assert first == second and not set(first) & set(more)


def test_a_second_phase_alone():
    with pytest.raises(ValueError, match="finetuning needs training"):
        LaconicParams(backbone="x", finetuning=PHASE)
