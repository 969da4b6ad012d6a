"""LACONIC against a plain reference and against sentence-transformers; its contract; its departures."""

import json
import shutil

import numpy as np
import pytest
import torch

from harness.collections.base import Pair
from harness.encoders.laconic import Laconic, LaconicParams
from harness.errors import UserError


def made(folder, tmp_path, pairs=None, **params):
    maker = Laconic(LaconicParams(backbone=str(folder), document_length=20, query_length=8, **params))
    tmp_path.mkdir(exist_ok=True)
    facts = maker.fit(tmp_path, pairs=pairs, seed=3)
    return maker.load(tmp_path), facts


def reference(folder, texts, length, keep=None, scale=1.0, layers=None, bias=0.0):
    """The paper's formula, text by text, from transformers' own classes."""
    from transformers import AutoTokenizer, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder).eval()
    model.config.is_causal = False
    if layers:
        model.model.layers = model.model.layers[:layers]
        model.config.num_hidden_layers = layers
    rows = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids[:, :length]
        with torch.no_grad():
            states = model.model(inputs_embeds=model.model.embed_tokens(ids) * scale).last_hidden_state
            row = torch.log1p(torch.relu((model.lm_head(states)[0]).max(0).values + bias))
        if keep:
            row[row < row.topk(keep).values[-1]] = 0
        rows.append(row)
    return torch.stack(rows).numpy()


def close(found, expected, atol=1e-5):
    np.testing.assert_allclose(found.toarray() if hasattr(found, "toarray") else found, expected, atol=atol, rtol=1e-4)


def test_it_is_the_papers_formula(llama_folder, tmp_path, texts):
    encoder, facts = made(llama_folder, tmp_path / "m")
    assert facts["departures"] == {}
    documents = encoder.encode_documents(texts)
    assert (documents.dtype, documents.shape, documents.has_sorted_indices) == (np.float32, (7, encoder.width), 1)
    close(documents, reference(llama_folder, ["passage: " + t for t in texts], 20))
    close(encoder.encode_queries(texts), reference(llama_folder, ["query: " + t for t in texts], 8))


def test_a_model_is_made_once_and_encodes_each_task_with_its_own_prefixes(llama_folder, tmp_path, texts):
    encoder, _ = made(llama_folder, tmp_path / "m")
    prefixes = {"Quora*": {"document": "graph "}}
    params = LaconicParams(backbone=str(llama_folder), document_length=20, query_length=8, prefixes=prefixes)
    asked = Laconic(params.on("suite", "QuoraRetrieval")).load(tmp_path / "m")
    close(asked.encode_documents(texts), reference(llama_folder, ["graph " + t for t in texts], 20))
    close(asked.encode_queries(texts), encoder.encode_queries(texts).toarray())
    assert abs(asked.encode_documents(texts) - encoder.encode_documents(texts)).max() > 1e-3


def test_the_largest_terms_are_kept_queries_and_documents_apart(llama_folder, tmp_path, texts):
    encoder, _ = made(llama_folder, tmp_path / "m", query_terms=2, document_terms=5)
    close(encoder.encode_documents(texts), reference(llama_folder, ["passage: " + t for t in texts], 20, keep=5))
    close(encoder.encode_queries(texts), reference(llama_folder, ["query: " + t for t in texts], 8, keep=2))


def test_departures_are_what_they_say_and_are_named(llama_folder, tmp_path, texts):
    encoder, facts = made(llama_folder, tmp_path / "m", layers=2, embedding_scale=7.0)
    expected = reference(llama_folder, ["passage: " + t for t in texts], 20, scale=7.0, layers=2)
    close(encoder.encode_documents(texts), expected, atol=1e-4)
    assert facts["departures"] == {"layers kept of the backbone": 2.0, "scale of the input embedding": 7.0}
    assert encoder.parameters()["departure: scale of the input embedding"] == 7.0
    assert encoder.parameters()["layers"] == 2.0


def test_the_bias_is_that_of_the_background(llama_folder, tmp_path, texts):
    background = ["sort a list", "mean of a matrix", "the graph", "path"]
    encoder, _ = made(llama_folder, tmp_path / "m", [Pair("x", b) for b in background], term_bias=0.5)
    plain = np.expm1(reference(llama_folder, ["passage: " + b for b in background], 20, bias=1e3)) - 1e3
    bias = torch.tensor(-(plain.mean(0) + 0.5 * plain.std(0, ddof=1)))
    expected = reference(llama_folder, ["passage: " + t for t in texts], 20, bias=bias)
    assert 0 < (expected > 0).mean() < 0.5
    close(encoder.encode_documents(texts), expected, atol=2e-3)


@pytest.mark.parametrize("bias", [None, 1.0])
def test_the_folder_is_a_sparse_encoder(llama_folder, tmp_path, texts, bias):
    from sentence_transformers import SparseEncoder

    pairs = [Pair("sort", "the list sort"), Pair("mean", "matrix mean sum")]
    encoder, _ = made(llama_folder, tmp_path / "m", pairs, term_bias=bias, document_terms=6)
    theirs = SparseEncoder(str(tmp_path / "m"), device="cpu", local_files_only=True)
    assert theirs.max_active_dims == 6
    found = theirs.encode_document(texts, convert_to_sparse_tensor=False, batch_size=3).numpy()
    close(encoder.encode_documents(texts), found)


def test_a_text_alone_is_a_text_in_a_batch(llama_folder, tmp_path, texts):
    encoder, _ = made(llama_folder, tmp_path / "m", batch_size=3)
    together = encoder.encode_documents(texts).toarray()
    for text, row in zip(texts, together, strict=True):
        close(encoder.encode_documents([text]), row[None])


def test_batches_hold_texts_of_like_length_and_no_more_tokens_than_the_cache_takes():
    from harness.encoders.backbones.batching import by_length

    lengths = [3, 0, 9, 5, 9, 1, 40, 2]
    assert list(by_length(lengths, 3)) == [[6, 2, 4], [3, 0, 7], [5]]
    assert list(by_length(lengths, 3, 20)) == [[6], [2, 4], [3, 0, 7], [5]]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_small_batches_give_the_vectors_of_large_ones(llama_folder, tmp_path, texts, monkeypatch, dtype):
    encoder, _ = made(llama_folder, tmp_path / "m", dtype=dtype)
    whole = encoder.encode_documents(texts * 3)
    monkeypatch.setattr("harness.encoders.backbones.packed_encoder.TOKENS", 7)
    small = encoder.encode_documents(texts * 3)
    assert abs(whole - small).max() < (1e-5 if dtype == "float32" else 0.1)


def test_the_attention_of_the_spec_reaches_the_saved_model(llama_folder, tmp_path):
    for attention, same in (("bidirectional", False), ("causal", True)):
        encoder, _ = made(llama_folder, tmp_path / attention, attention=attention)
        assert json.loads((tmp_path / attention / "config.json").read_text())["is_causal"] is same
        backbone = encoder.model.backbone
        first, second = (backbone(torch.tensor([4, 5, last]), [3])[0] for last in (6, 7))
        assert torch.equal(first, second) is same


def test_all_of_the_contract_is_saved_with_the_model(llama_folder, tmp_path):
    contract = {
        "query_prefix": "q ",
        "document_prefix": "d ",
        "query_length": 7,
        "document_length": 9,
        "query_terms": 3,
        "document_terms": 4,
        "special_tokens": True,
        "dtype": "bfloat16",
        "device": "cpu",
    }
    Laconic(LaconicParams(backbone=str(llama_folder), attention="causal", **contract)).fit(tmp_path)
    saved = json.loads((tmp_path / "contract.json").read_text())
    assert {key: saved[key] for key in contract} == contract
    assert json.loads((tmp_path / "config.json").read_text())["is_causal"] is True


def test_no_special_token_and_no_more_than_the_length(llama_folder, tmp_path):
    encoder, _ = made(llama_folder, tmp_path / "m")
    assert len(encoder.tokeniser.ids(["sort"], "query")[0]) == 2
    assert 1 not in encoder.tokeniser.ids(["sort"], "query")[0]
    assert encoder.count_tokens(["a " * 100, "", "a"], "document") == [20, 1, 2]
    assert encoder.count_tokens(["a " * 100], "query") == [8]


def test_an_empty_text_without_prefix_has_no_terms(llama_folder, tmp_path):
    encoder, _ = made(llama_folder, tmp_path / "m", document_prefix="")
    rows = encoder.encode_documents(["", "sort", "  "])
    assert list(np.diff(rows.indptr) > 0) == [False, True, False]
    assert encoder.encode_documents([]).shape == (0, encoder.width)


def test_low_precision_is_near(llama_folder, tmp_path, texts):
    exact, _ = made(llama_folder, tmp_path / "m")
    for dtype in ("bfloat16", "float16"):
        near, _ = made(llama_folder, tmp_path / dtype, dtype=dtype)
        difference = np.abs(exact.encode_documents(texts) - near.encode_documents(texts)).max()
        assert 0 < difference < 0.2
        assert near.parameters()["weight bytes"] == exact.parameters()["weight bytes"] / 2


def test_operations_include_the_head(llama_folder, tmp_path):
    encoder, _ = made(llama_folder, tmp_path / "m")
    assert encoder.count_flops(10) == encoder.model.backbone.shape.flops(10) + 2 * 10 * 32 * encoder.width


def test_terms_have_names(llama_folder, tmp_path):
    encoder, _ = made(llama_folder, tmp_path / "m")
    row = encoder.encode_queries(["sort the list"])
    assert len(encoder.terms(row.indices)) == row.nnz and all(encoder.terms(row.indices))


@pytest.mark.parametrize(
    ("damage", "params", "message"),
    [
        ("tokenizer.json", {}, "ships no tokenizer"),
        ("config.json", {}, "no config.json"),
        ("model.safetensors", {}, "no .safetensors"),
        (None, {"layers": 9}, "has 3 layers, not 9"),
        (None, {"term_bias": 1.0}, "needs training pairs"),
        (None, {"device": "cuda"}, "no device 'cuda'"),
    ],
)
def test_what_a_user_can_mend(llama_folder, tmp_path, damage, params, message):
    folder = tmp_path / "broken"
    shutil.copytree(llama_folder, folder)
    if damage:
        (folder / damage).unlink()
    with pytest.raises(UserError, match=message) as error:
        made(folder, tmp_path / "m", **params)
    assert "remedy" in str(error.value)


def test_weights_that_do_not_fit_are_refused(llama_folder, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(llama_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    with pytest.raises(UserError, match="do not fit"):
        made(folder, tmp_path / "m")


def test_a_dense_model_is_not_loaded_as_sparse(llama_folder, tmp_path):
    from harness.encoders.dense_twin import DenseTwin, DenseTwinParams

    DenseTwin(DenseTwinParams(backbone=str(llama_folder))).fit(tmp_path)
    with pytest.raises(UserError, match="holds a dense model"):
        Laconic(LaconicParams(backbone=str(llama_folder))).load(tmp_path)
