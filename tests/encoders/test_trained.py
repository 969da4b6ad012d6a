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
