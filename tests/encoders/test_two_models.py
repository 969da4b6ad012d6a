"""Sparse encoders whose queries have a model of their own, in another folder."""

import json

import numpy as np
import pytest
from pydantic import ValidationError
from tiny_bert import bert

from harness.encoders import registry
from harness.errors import UserError
from harness.measure.validity import check_encoder

TEXTS = ["sorting the list", "a graph of nodes", "", "the sum of a path " * 20]
MAKER = registry.get("sparse-encoder")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A plain BERT for documents, and a DistilBERT for queries, which sentence-transformers runs."""
    folder = tmp_path_factory.mktemp("two")
    documents = bert(folder / "d", "BertForMaskedLM", num_hidden_layers=3)
    return documents, bert(folder / "q", "DistilBertForMaskedLM")


def made(folder, **params):
    model = MAKER(MAKER.Params(**params))
    folder.mkdir()
    return model, model.fit(folder)


def test_each_side_is_encoded_by_its_model(folders, tmp_path):
    documents, queries = folders
    params = {"max_length": 12, "query_prefix": "the ", "query_terms": 3}
    model, facts = made(tmp_path / "both", model=str(documents), query_model=str(queries), **params)
    encoder = model.load(tmp_path / "both")
    alone = {}
    for name, folder in (("d", documents), ("q", queries)):
        one, _ = made(tmp_path / name, model=str(folder), **params)
        alone[name] = one.load(tmp_path / name)
    found = encoder.encode_queries(TEXTS)
    assert "documents" not in vars(encoder), "queries alone open no model of documents"
    np.testing.assert_array_equal(found.toarray(), alone["q"].encode_queries(TEXTS).toarray())
    expected = alone["d"].encode_documents(TEXTS).toarray()
    np.testing.assert_array_equal(encoder.encode_documents(TEXTS).toarray(), expected)
    assert np.diff(found.indptr).max() == 3 and facts["commits"] == {} and facts["warnings"] == []
    for role, name in (("document", "d"), ("query", "q")):
        assert encoder.count_tokens(TEXTS, role) == alone[name].count_tokens(TEXTS, role)
    assert encoder.count_flops(9) == alone["d"].count_flops(9)
    assert encoder.count_query_flops(9) == alone["q"].count_query_flops(9) < encoder.count_flops(9)
    own, theirs = encoder.parameters(), [alone[name].parameters()["parameters"] for name in "dq"]
    assert own["parameters"] == sum(theirs) and own["query parameters"] == theirs[1]
    assert encoder.terms([4, 5]) == ["list", "sort"] and encoder.width == alone["d"].width
    names = [check.name for check in check_encoder(encoder, model.declared())]
    assert "alone against in a batch" in names and "alone against in a batch, queries" in names


def test_both_models_decide_the_key_and_are_pinned(folders):
    documents, queries = map(str, folders)
    prints = {
        MAKER(MAKER.Params(model=documents, query_model=name)).fingerprint() for name in (None, queries, documents)
    }
    assert len(prints) == 3
    params = MAKER.Params(model="a/d", query_model="a/q", query_revision="1" * 40)
    names = [(name.key, name.name, name.revision) for name in MAKER(params).hub_names()]
    assert names == [("revision", "a/d", None), ("query_revision", "a/q", "1" * 40)]


def test_models_of_different_vocabularies_are_refused(folders, tmp_path):
    documents, _ = folders
    other = bert(tmp_path / "other", "BertForMaskedLM")
    file = other / "tokenizer.json"
    content = json.loads(file.read_text())
    words = content["model"]["vocab"]
    words["list"], words["sort"] = words["sort"], words["list"]
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="other terms in 2 columns") as refusal:
        made(tmp_path / "a", model=str(documents), query_model=str(other))
    assert refusal.value.key == "query_model"
    wide = bert(tmp_path / "wide", "BertForMaskedLM", vocab_size=40)
    with pytest.raises(UserError, match="17 columns and 40"):
        made(tmp_path / "b", model=str(documents), query_model=str(wide))


def test_a_missing_model_of_queries_is_named(folders, tmp_path):
    with pytest.raises(UserError, match="no such model") as refusal:
        made(tmp_path / "a", model=str(folders[0]), query_model="./nowhere")
    assert refusal.value.key == "query_model"


@pytest.mark.parametrize(
    ("params", "words"),
    [({"query_model": "q", "queries": "lookup"}, "not both"), ({"query_revision": "x"}, "needs query_model")],
)
def test_settings_that_contradict_each_other(params, words):
    with pytest.raises(ValidationError, match=words):
        MAKER.Params(model="m", **params)
