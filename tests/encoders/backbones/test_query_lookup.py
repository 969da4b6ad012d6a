"""Queries out of a table: whose weights, in which columns, and what is never opened for them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from harness.collections.base import Pair
from harness.encoders import registry
from harness.encoders.backbones.query_lookup import LookupEncoder, read_weights
from harness.errors import UserError
from harness.measure.validity import check_encoder

CORPUS = ["sort the list fast", "sort a graph", "graph node path", "the the sum"]
QUERIES = ["sort the the graph", "", "unseen 日", "passage"]


def laconic(folder, out, corpus=None, pairs=None, **params):
    maker = registry.get("laconic")
    made = maker(maker.Params(backbone=str(folder), document_prefix="", query_prefix="", queries="lookup", **params))
    out.mkdir()
    facts = made.fit(out, corpus=corpus, pairs=pairs)
    return made, facts, made.load(out)


def columns(encoder):
    """Column of each token."""
    return encoder._tokenizer.get_vocab()


@pytest.fixture(scope="module")
def presence(llama_folder, tmp_path_factory):
    return laconic(llama_folder, tmp_path_factory.mktemp("models") / "presence", lookup="presence")


@pytest.mark.parametrize(("lookup", "power"), [("root-idf", 0.5), ("idf", 1.0)])
def test_weights_are_those_of_document_frequencies(llama_folder, tmp_path, lookup, power):
    made, facts, encoder = laconic(llama_folder, tmp_path / "out", iter(CORPUS), lookup=lookup)
    assert made.needs() == "corpus" and made.learned()
    rows, place = encoder.encode_queries(QUERIES).toarray(), columns(encoder)
    idf = {n: np.log(1 + (len(CORPUS) - n + 0.5) / (n + 0.5)) ** power for n in (0, 1, 2)}
    expected = np.zeros_like(rows)
    for word, n in (("sort", 2), ("the", 2), ("graph", 2)):
        expected[0, place[word]] = idf[n]
    expected[2, place["日"]] = expected[3, place["passage"]] = idf[0]  # a document may have them by expansion
    np.testing.assert_allclose(rows, expected, rtol=1e-6)
    assert facts["lookup"] == lookup and facts["lookup_documents"] == 4


def test_a_trained_model_counts_in_the_passages_it_learned_from(llama_folder, tmp_path):
    pairs = [Pair("sort", "sort the list"), Pair("graph", "the node of a graph")]
    made, facts, encoder = laconic(llama_folder, tmp_path / "out", pairs=iter(pairs), term_bias=0.5)
    assert made.needs() == "pairs" and facts["lookup_documents"] == 2
    rows, place = encoder.encode_queries(["the list"]).toarray()[0], columns(encoder)
    assert 0 < rows[place["the"]] < rows[place["list"]]


def test_documents_are_those_of_the_model_and_queries_open_none(llama_folder, tmp_path, presence, texts, monkeypatch):
    _, _, encoder = presence
    maker = registry.get("laconic")
    plain = maker(maker.Params(backbone=str(llama_folder), document_prefix="", query_prefix=""))
    (tmp_path / "plain").mkdir()
    plain.fit(tmp_path / "plain")
    expected = plain.load(tmp_path / "plain")
    fresh = LookupEncoder(encoder.folder, lambda: pytest.fail("a query opened the model"), None)
    assert fresh.encode_queries(texts).shape == (len(texts), expected.width)
    assert fresh.count_tokens(["sort the list"], "query") == [3] and fresh.count_query_flops(3) == 0.0
    fresh.expect(texts, "query")
    assert (encoder.encode_documents(texts) != expected.encode_documents(texts)).nnz == 0
    assert encoder.count_flops(5) == expected.count_flops(5) > 0
    assert encoder.terms([3, 4]) == expected.terms([3, 4])
    assert encoder.parameters()["parameters"] == expected.parameters()["parameters"]
    assert encoder.count_tokens(texts, "document") == expected.count_tokens(texts, "document")


def test_the_checks_look_at_the_model_of_the_documents(presence):
    made, _, encoder = presence
    names = {check.name for check in check_encoder(encoder, made.declared())}
    assert {"attention", "special tokens", "alone against in a batch"} <= names


def test_no_text_at_all_and_at_most_some_terms(llama_folder, tmp_path, presence):
    _, _, encoder = presence
    empty = encoder.encode_queries([])
    assert empty.shape == (0, encoder.width) and empty.dtype == np.float32
    weights = {"sort": 3.0, "the": 1.0, "list": 2.0}
    (tmp_path / "table.json").write_text(json.dumps(weights))
    table = str(tmp_path / "table.json")
    made, _, cut = laconic(llama_folder, tmp_path / "out", lookup=table, query_terms=2)
    row, place = cut.encode_queries(["the list sort graph"]), columns(cut)
    assert dict(zip(row.indices.tolist(), row.data.tolist(), strict=True)) == {place["sort"]: 3.0, place["list"]: 2.0}
    before = made.fingerprint()
    (tmp_path / "table.json").write_text(json.dumps(weights | {"the": 2.0}))
    assert made.fingerprint() != before


def test_a_table_that_is_not_the_models_is_refused(tmp_path):
    from safetensors.numpy import save_file

    vocabulary, file = {"a": 0, "b": 1}, tmp_path / "t.json"
    for content, what in (
        ('{"a": 1, "zz": 2}', "1 of 2 tokens are not in the vocabulary: 'zz'"),
        ('{"a": -1}', "below 0"),
        ('{"a": NaN}', "not finite"),
        ("[1, 2]", "no table"),
        ("{", "no table"),
    ):
        file.write_text(content)
        with pytest.raises(UserError, match=what) as refused:
            read_weights(file, vocabulary, 2)
        assert refused.value.key == "lookup" and refused.value.remedy
    file.write_text('{"b": 2}')
    assert read_weights(file, vocabulary, 3).tolist() == [0, 2, 0]
    tensors = tmp_path / "t.safetensors"
    save_file({"weight": np.array([1, 2, 3], np.float32)}, tensors)
    assert read_weights(tensors, vocabulary, 3).tolist() == [1, 2, 3]
    with pytest.raises(UserError, match="one tensor of 2 weights"):
        read_weights(tensors, vocabulary, 2)
    tensors.write_bytes(b"no")
    with pytest.raises(UserError, match="no table of weights"):
        read_weights(tensors, vocabulary, 2)


def test_settings_that_do_not_fit_are_refused(llama_folder, tmp_path):
    params = registry.get("laconic").Params
    with pytest.raises(ValidationError, match="lookup needs queries"):
        params(backbone=str(llama_folder), lookup="idf")
    missing = params(backbone=str(llama_folder), queries="lookup", lookup=str(tmp_path / "none.json"))
    with pytest.raises(UserError, match="no such table"):
        registry.get("laconic")(missing).fingerprint()
    with pytest.raises(UserError, match="no documents to count"):
        laconic(llama_folder, tmp_path / "out", iter(()))


def test_nothing_of_a_query_needs_torch(presence):
    made, _, encoder = presence
    script = (
        "import sys, json; from pathlib import Path; from harness.pipeline.steps.fit import open_type;"
        "e = open_type('laconic', json.loads(sys.argv[1])).load(Path(sys.argv[2]));"
        "assert e.encode_queries(['sort the list']).nnz == 3; print(json.dumps(sorted(sys.modules)))"
    )
    arguments = [made.params.model_dump_json(), str(encoder.folder)]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    modules = json.loads(done.stdout)
    assert "tokenizers" in modules and "torch" not in modules
