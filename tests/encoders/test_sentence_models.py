"""Models of sentence-transformers: plain BERT pipelines in our own BERT, all others in the library; equal vectors."""

import json
import shutil

import numpy as np
import pytest
import torch
from tiny_bert import WORDS, bert

from harness.encoders import registry
from harness.errors import UserError

TEXTS = ["Sorting the list.", "", "graph nodes 日 unknown", "a path " * 40, "sum"]


def dense(tmp_path, mode="mean", normalise=True, prompts=None, model="BertModel", similarity=None, **config):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    transformer = Transformer(str(bert(tmp_path / "bare", model, **config)), max_seq_length=30)
    modules = [transformer, Pooling(16, pooling_mode=mode), *([Normalize()] if normalise else [])]
    made = SentenceTransformer(modules=modules, prompts=prompts, similarity_fn_name=similarity, device="cpu")
    made.save(str(tmp_path / "model"))
    return made


def ours(type, tmp_path, **params):
    maker = registry.get(type)
    made = maker(maker.Params(model=str(tmp_path / "model"), batch_size=2, **params))
    (tmp_path / "out").mkdir()
    made.fit(tmp_path / "out")
    return made.load(tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ({}, True),
        ({"mode": "cls", "normalise": False}, True),
        ({"normalise": False, "similarity": "dot"}, True),
        ({"mode": "max", "normalise": False, "similarity": "dot"}, False),
        ({"mode": "max"}, False),
        ({"hidden_act": "gelu_new"}, False),
        ({"model": "DistilBertModel"}, False),
    ],
)
def test_dense_models_are_those_of_the_library(tmp_path, given, own):
    theirs = dense(tmp_path, **given)
    found = ours("sentence-transformer", tmp_path)
    assert (type(found).__name__ == "PackedDense") is own
    assert found.width == 16 and found.kind == "dense" and found.terms([0]) == []
    for rows in (found.encode_documents(TEXTS), found.encode_queries(TEXTS)):
        assert rows.dtype == np.float32
        unit = given.get("similarity") != "dot"
        expected = theirs.encode(TEXTS, normalize_embeddings=unit)
        np.testing.assert_allclose(rows, expected, atol=2e-6, rtol=1e-5)
    assert found.encode_documents([]).shape == (0, 16)
    assert found.count_tokens(TEXTS, "document") == [7, 2, 7, 30, 3]


def test_products_are_those_of_cosines_unless_the_spec_wants_the_plain_product(tmp_path):
    theirs = dense(tmp_path, normalise=False)
    queries, documents = TEXTS[:2], TEXTS[2:]
    found = ours("sentence-transformer", tmp_path)
    products = found.encode_queries(queries) @ found.encode_documents(documents).T
    expected = theirs.similarity(theirs.encode_query(queries), theirs.encode_document(documents))
    np.testing.assert_allclose(products, expected, atol=2e-6)
    (tmp_path / "out").rename(tmp_path / "before")
    plain = ours("sentence-transformer", tmp_path, similarity="dot")
    np.testing.assert_allclose(plain.encode_queries(queries), theirs.encode_query(queries), atol=2e-6, rtol=1e-5)


def test_a_model_that_compares_by_distance_is_refused(tmp_path):
    dense(tmp_path, similarity="euclidean")
    with pytest.raises(UserError, match="compares vectors by 'euclidean'") as error:
        ours("sentence-transformer", tmp_path)
    assert error.value.key == "similarity"


@pytest.mark.parametrize("mode", ["mean", "max"])
def test_prompts_are_the_models_own_unless_the_spec_says_otherwise(tmp_path, mode):
    theirs = dense(tmp_path, mode, prompts={"query": "sort ", "document": "graph "})
    found = ours("sentence-transformer", tmp_path, document_prefix="sum ")
    np.testing.assert_allclose(found.encode_queries(["a path"]), theirs.encode(["sort a path"]), atol=2e-6)
    np.testing.assert_allclose(found.encode_documents(["a path"]), theirs.encode(["sum a path"]), atol=2e-6)
    assert found.count_tokens(["a path"], "query") == [5]


def splade(tmp_path, how, model="BertForMaskedLM"):
    from sentence_transformers import SparseEncoder

    folder = bert(tmp_path / ("model" if how == "bare" else "bare"), model)
    made = SparseEncoder(str(folder), device="cpu", max_active_dims=None if how == "bare" else 5)
    if how != "bare":
        made.save(str(tmp_path / "model"))
    return made


@pytest.mark.parametrize(
    ("how", "model", "own"),
    [
        ("bare", "BertForMaskedLM", True),
        ("modules", "BertForMaskedLM", True),
        ("modules", "DistilBertForMaskedLM", False),
    ],
)
def test_sparse_models_are_those_of_the_library(tmp_path, how, model, own):
    theirs = splade(tmp_path, how, model)
    theirs.max_seq_length = 30
    found = ours("sparse-encoder", tmp_path, max_length=30)
    assert (type(found).__name__ == "PackedSparse") is own
    expected = theirs.encode(TEXTS, convert_to_sparse_tensor=False).numpy()
    assert 0 < (expected > 0).mean() < 1
    for rows in (found.encode_documents(TEXTS), found.encode_queries(TEXTS)):
        assert rows.dtype == np.float32 and rows.shape == (5, len(WORDS)) and found.width == len(WORDS)
        np.testing.assert_allclose(rows.toarray(), expected, atol=2e-6, rtol=1e-5)
    assert found.encode_documents([]).shape == (0, len(WORDS))
    assert all(found.terms(rows.indices))


@pytest.mark.parametrize("model", ["BertForMaskedLM", "DistilBertForMaskedLM"])
def test_the_largest_weights_are_kept(tmp_path, model):
    splade(tmp_path, "bare", model)
    whole = ours("sparse-encoder", tmp_path, max_length=30).encode_documents(TEXTS).toarray()
    (tmp_path / "out").rename(tmp_path / "whole")
    cut = ours("sparse-encoder", tmp_path, max_length=30, document_terms=2, query_terms=1)
    found = cut.encode_documents(TEXTS).toarray()
    assert ((found > 0).sum(axis=1) <= 2).all()
    assert (cut.encode_queries(TEXTS).toarray() > 0).sum(axis=1).max() == 1
    for row, all_of_it in zip(found, whole, strict=True):
        np.testing.assert_allclose(np.sort(row)[-2:], np.sort(all_of_it)[-2:], atol=2e-6)


@pytest.mark.parametrize("mode", ["mean", "max"])
def test_the_first_dimensions_are_kept_at_unit_length(tmp_path, mode):
    theirs = dense(tmp_path, mode)
    found = ours("sentence-transformer", tmp_path, dimensions=5)
    expected = theirs.encode(TEXTS)[:, :5]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert found.width == 5
    np.testing.assert_allclose(found.encode_queries(TEXTS), expected, atol=2e-6, rtol=1e-5)
    with pytest.raises(UserError, match="16"):
        (tmp_path / "out").rename(tmp_path / "before")
        ours("sentence-transformer", tmp_path, dimensions=17)


def test_norms_named_as_tensorflow_did(tmp_path):
    from safetensors.torch import load_file, save_file

    theirs = dense(tmp_path)
    file = str(tmp_path / "model" / "model.safetensors")
    old = {"weight": "gamma", "bias": "beta"}
    renamed = {}
    for name, tensor in load_file(file).items():
        first, _, last = name.rpartition(".")
        renamed[f"{first}.{old[last]}" if "LayerNorm" in name else name] = tensor
    save_file(renamed, file)
    found = ours("sentence-transformer", tmp_path)
    assert type(found).__name__ == "PackedDense"
    np.testing.assert_allclose(found.encode_documents(TEXTS), theirs.encode(TEXTS), atol=2e-6)


def test_a_tokenizer_that_contradicts_its_folder_is_left_to_the_library(tmp_path):
    dense(tmp_path)
    file = tmp_path / "model" / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"do_lower_case": False}))
    assert type(ours("sentence-transformer", tmp_path)).__name__ == "DenseEncoder"


def test_operations_of_unknown_architectures_are_counted(tmp_path):
    dense(tmp_path, "max")
    found = ours("sentence-transformer", tmp_path)
    config = found.model[0].auto_model.config
    config.model_type = "unheard-of"
    counted = found.count_flops(20)
    config.model_type = "bert"
    pooler = 2 * 16 * 16  # computed by the library, used by nothing
    assert counted == pytest.approx(found.count_flops(20) + pooler, rel=1e-6)


def in_dtype(tmp_path, made, dtype):
    """The model saved again with its weights in another dtype."""
    made.to(dtype)
    shutil.rmtree(tmp_path / "model")
    made.save(str(tmp_path / "model"))


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("kind", "own"), [("dense", True), ("dense", False), ("sparse", True), ("sparse", False)])
def test_weights_in_half_precision_are_computed_in_the_dtype_that_is_asked_for(
    tmp_path, monkeypatch, stored, kind, own
):
    import sentence_transformers

    from harness.encoders import hardware
    from harness.measure.validity import check_encoder

    if kind == "dense":
        in_dtype(tmp_path, dense(tmp_path, mode="mean" if own else "max"), stored)
        type, library = "sentence-transformer", sentence_transformers.SentenceTransformer
    else:
        in_dtype(tmp_path, splade(tmp_path, "bare", "BertForMaskedLM" if own else "DistilBertForMaskedLM"), stored)
        type, library = "sparse-encoder", sentence_transformers.SparseEncoder
    monkeypatch.setattr(hardware, "multiplies_bfloat16", lambda: True)
    name = str(stored).removeprefix("torch.")
    auto = name if stored == torch.bfloat16 else "float32"  # no processor multiplies float16 by itself
    for asked, dtype in (("float32", "float32"), (name, name), ("auto", auto)):
        encoder = ours(type, tmp_path, dtype=asked, max_length=30)
        shutil.rmtree(tmp_path / "out")
        theirs = library(
            str(tmp_path / "model"), device="cpu", model_kwargs={"dtype": getattr(torch, dtype)}, local_files_only=True
        )
        more = {} if kind == "dense" else {"convert_to_sparse_tensor": False}
        theirs.max_seq_length = 30
        expected = theirs.encode(TEXTS, convert_to_tensor=True, **more).float().numpy()
        rows = encoder.encode_documents(TEXTS)
        rows = rows if kind == "dense" else rows.toarray()
        close = 2e-6 if dtype == "float32" else 0.05
        np.testing.assert_allclose(rows, expected, atol=close * max(1.0, expected.max()))
        facts = encoder.parameters()
        assert (facts["dtype"], facts["device"]) == (dtype, "cpu")
        assert facts["weight bytes"] == facts["parameters"] * (4 if dtype == "float32" else 2)
        assert encoder.probe().dtype == dtype
        padding = next(check for check in check_encoder(encoder) if check.name == "alone against in a batch")
        assert padding.passed and padding.high == {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.02}[dtype]


@pytest.mark.parametrize(("kind", "own"), [("dense", True), ("dense", False), ("sparse", True), ("sparse", False)])
def test_batches_have_no_more_tokens_than_the_spec_allows(tmp_path, kind, own):
    if kind == "dense":
        dense(tmp_path, mode="mean" if own else "max")
        type = "sentence-transformer"
    else:
        splade(tmp_path, "modules", "BertForMaskedLM" if own else "DistilBertForMaskedLM")
        type = "sparse-encoder"
    texts = [text for text in TEXTS * 3 if text]
    whole = ours(type, tmp_path, max_length=30).encode_documents(texts)
    shutil.rmtree(tmp_path / "out")
    encoder = ours(type, tmp_path, max_length=30, batch_tokens=33)
    sizes = []

    def note(module, args):
        ids = args[0] if own else args[0]["input_ids"]
        sizes.append(ids.numel())

    handle = (encoder.model.backbone if own else encoder.model).register_forward_pre_hook(note)
    rows = encoder.encode_documents(texts)
    handle.remove()
    assert len(sizes) > 3 and max(sizes) <= 33
    assert abs(rows - whole).max() < 1e-5


def test_a_device_that_is_not_there_is_refused_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    dense(tmp_path)
    with pytest.raises(UserError, match="no device 'cuda:1' here"):
        ours("sentence-transformer", tmp_path, device=["cpu", "cuda:1"])


def test_weights_are_taken_over_and_settings_copied(tmp_path):
    dense(tmp_path)
    ours("sentence-transformer", tmp_path)
    for file in (tmp_path / "model").rglob("*.*"):
        copied = tmp_path / "out" / file.relative_to(tmp_path)
        if file.is_file() and copied.exists():
            assert copied.samefile(file) == (file.suffix == ".safetensors")
