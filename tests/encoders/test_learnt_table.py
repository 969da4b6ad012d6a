"""A LACONIC whose queries are looked up in a table that it learned, and the prefixes of the texts it is trained on."""

import numpy as np
import pytest
import torch

from harness.collections.base import Pair
from harness.encoders.dense_twin import DenseTwin, DenseTwinParams
from harness.encoders.laconic import Laconic, LaconicParams
from harness.encoders.sparse_encoder import SparseParams
from harness.errors import UserError

PAIRS = [
    Pair("sort the list", "fast sum of number"),
    Pair("find a path", "graph node tree"),
    Pair("mean of matrix", "slow passage query", symmetric=True),
    Pair("number of node", "list sort find"),
]
TRAINING = {"steps": 12, "pairs_per_step": 4, "learning_rate": 0.02, "lora_rank": 4, "regularise_idf": True}
LEARNT = {"queries": "lookup", "lookup": "learnt", "term_bias": 0.5}


def made(folder, llama_folder, **given):
    torch.set_num_threads(1)
    folder.mkdir()
    maker = Laconic(LaconicParams(backbone=str(llama_folder), **given))
    facts = maker.fit(folder, pairs=iter(PAIRS), seed=1)
    return maker.load(folder), facts


@pytest.fixture(scope="module")
def learnt(tmp_path_factory, llama_folder):
    return tmp_path_factory.mktemp("learnt") / "model", llama_folder


def test_a_learnt_table_answers_queries_and_is_in_the_adapter(learnt, tmp_path):
    folder, llama_folder = learnt
    encoder, facts = made(folder, llama_folder, training=TRAINING, **LEARNT)
    assert facts["departures"]["table of queries that is learnt"] == 1.0
    assert facts["departures"]["inverse document frequency in the FLOPS terms"] == 1.0
    assert facts["curve"][-1]["contrast"] < facts["curve"][0]["contrast"]
    queries = encoder.encode_queries([pair.query for pair in PAIRS])
    counted, _ = made(tmp_path / "counted", llama_folder, queries="lookup", term_bias=0.5)
    assert not np.allclose(counted.weights, encoder.weights) and (encoder.weights >= 0).all()
    assert set(queries.data) <= set(encoder.weights)
    again, _ = made(
        tmp_path / "again", llama_folder, adapter=str(folder / "adapter"), queries="lookup", lookup="learnt"
    )
    np.testing.assert_array_equal(again.weights, encoder.weights)


def test_an_adapter_without_a_table_and_models_that_learn_none_are_refused(tmp_path, llama_folder):
    few = {**TRAINING, "steps": 1, "regularise_idf": False}
    made(tmp_path / "plain", llama_folder, training=few)
    with pytest.raises(UserError, match="trained without a table") as caught:
        made(tmp_path / "a", llama_folder, adapter=str(tmp_path / "plain/adapter"), queries="lookup", lookup="learnt")
    assert caught.value.key == "lookup"
    for given in ({**LEARNT}, {**LEARNT, "training": few, "special_tokens": True}):
        with pytest.raises(ValueError, match='lookup = "learnt" needs'):
            LaconicParams(backbone=str(llama_folder), **given)
    with pytest.raises(ValueError, match="of type laconic"):
        SparseParams(model="x", queries="lookup", lookup="learnt")


@pytest.mark.parametrize("kind", ["model", "table", "dense"])
def test_training_reads_texts_as_they_are_searched(tmp_path, llama_folder, monkeypatch, kind):
    """Passages of the queries' kind have their prefix; looked-up queries have none."""
    from harness.training import loop

    seen = []

    def watched(backbone, head, tokenise, *_, **__):
        seen.append(tokenise(["list"], ["node", "tree"], frozenset({1})).texts)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train", watched)
    given = {"backbone": str(llama_folder), "training": {**TRAINING, "regularise_idf": False}}
    maker = (
        DenseTwin(DenseTwinParams(**given))
        if kind == "dense"
        else Laconic(LaconicParams(**given, **(LEARNT if kind == "table" else {})))
    )
    with pytest.raises(KeyboardInterrupt):
        maker.fit(tmp_path, pairs=iter(PAIRS), seed=1)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(llama_folder / "tokenizer.json"))
    texts = ["list" if kind == "table" else "query: list", "passage: node", "query: tree"]
    assert seen == [[tokenizer.encode(text, add_special_tokens=False).ids for text in texts]]
