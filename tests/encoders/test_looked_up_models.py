"""Sparse models of sentence-transformers whose queries are looked up."""

import json

import numpy as np
import pytest
from families import autoencoder
from tiny_bert import WORDS, bert

from harness.encoders import registry
from harness.errors import UserError

TEXTS = ["Sorting the list.", "", "graph nodes 日 unknown", "a path " * 40, "the the sum"]


@pytest.mark.parametrize("length", [5, 30])
def test_vectors_are_those_of_the_library(tmp_path, length):
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding

    folder = bert(tmp_path / "model", "BertForMaskedLM")
    table = {word: 0.25 + place for place, word in enumerate(WORDS[4:])}
    (tmp_path / "idf.json").write_text(json.dumps(table))
    maker = registry.get("sparse-encoder")
    made = maker(
        maker.Params(model=str(folder), queries="lookup", lookup=str(tmp_path / "idf.json"), max_length=length)
    )
    (tmp_path / "out").mkdir()
    made.fit(tmp_path / "out")
    found = made.load(tmp_path / "out")
    tokenizer = SparseEncoder(str(folder), device="cpu").tokenizer
    static = SparseStaticEmbedding.from_json(str(tmp_path / "idf.json"), tokenizer=tokenizer)
    theirs = SparseEncoder(modules=[static], device="cpu")
    theirs.max_seq_length = tokenizer.model_max_length = length
    with torch.inference_mode():
        expected = theirs.encode(TEXTS, convert_to_sparse_tensor=False).numpy()
    np.testing.assert_array_equal(found.encode_queries(TEXTS).toarray(), expected)
    assert (expected > 0).any()


def test_models_that_the_library_runs_can_be_looked_up_too(tmp_path):
    bert(tmp_path / "model", "DistilBertForMaskedLM")
    maker = registry.get("sparse-encoder")
    made = maker(maker.Params(model=str(tmp_path / "model"), queries="lookup", lookup="presence"))
    (tmp_path / "out").mkdir()
    made.fit(tmp_path / "out")
    found = made.load(tmp_path / "out")
    row = found.encode_queries(["sort the the unknown"])
    assert found.terms(row.indices) == ["sort", "the"] and row.data.tolist() == [1.0, 1.0]


def test_dimensions_that_are_no_tokens_are_not_looked_up(tmp_path):
    autoencoder(tmp_path / "model")
    maker = registry.get("sparse-encoder")
    made = maker(maker.Params(model=str(tmp_path / "model"), queries="lookup", lookup="presence"))
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="no tokens"):
        made.fit(tmp_path / "out")
