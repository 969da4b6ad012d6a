"""Published families: a tiny random model of each layout gives the vectors that the library itself gives."""

import families
import numpy as np
import pytest

from harness.encoders import registry
from harness.measure.validity import check_encoder

TEXTS = families.TEXTS


def ours(type, folder, place, **params):
    maker = registry.get(type)
    made = maker(maker.Params(model=str(folder), batch_size=2, **params))
    place.mkdir()
    made.fit(place)
    return made.load(place)


def theirs(type, folder):
    """Queries and documents as the library encodes them; unit length where it compares by cosine."""
    from sentence_transformers import SentenceTransformer, SparseEncoder

    if type == "sparse-encoder":
        model, given = SparseEncoder(str(folder), device="cpu"), {"convert_to_sparse_tensor": False}
    else:
        model = SentenceTransformer(str(folder), device="cpu")
        given = {"normalize_embeddings": model.similarity_fn_name == "cosine"}
    return [np.asarray(encode(TEXTS, **given)) for encode in (model.encode_query, model.encode_document)]


def rows(vectors):
    return vectors if isinstance(vectors, np.ndarray) else vectors.toarray()


def same(encoder, expected):
    for found, wanted in zip((encoder.encode_queries(TEXTS), encoder.encode_documents(TEXTS)), expected, strict=True):
        found = rows(found)
        assert found.dtype == np.float32 and found.shape == (len(TEXTS), encoder.width)
        np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max(), rtol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
def test_queries_that_are_looked_up_cost_nothing_and_are_checked_by_themselves(tmp_path, activation):
    folder = families.inference_free(tmp_path / "model", "bert", activation)
    encoder = ours("sparse-encoder", folder, tmp_path / "out")
    same(encoder, theirs("sparse-encoder", folder))
    assert encoder.count_query_flops(10) == 0 < encoder.count_flops(10)
    assert encoder.count_tokens(["sort the lists"], "query") == [4]
    assert encoder.count_tokens(["sort the lists"], "document") == [6]
    facts = encoder.parameters()
    assert facts["query parameters"] == encoder.width == len(families.WORDS)
    assert facts["parameters"] > facts["query parameters"]
    assert encoder.terms([3, 5]) == ["[SEP]", "list"]
    checks = {check.name: check for check in check_encoder(encoder)}
    assert checks["alone against in a batch"].passed and checks["alone against in a batch, queries"].passed
    assert checks["fewest active terms of a text, queries"].figure == 1


def test_a_table_of_weights_that_is_broken_fails_the_checks_of_queries_alone(tmp_path):
    import torch

    folder = families.inference_free(tmp_path / "model", "bert")
    encoder = ours("sparse-encoder", folder, tmp_path / "out")
    table = encoder.queries.first
    before = {check.name for check in check_encoder(encoder) if not check.passed}
    table.weight.data = torch.zeros_like(table.weight)
    failed = {check.name for check in check_encoder(encoder) if not check.passed} - before
    assert failed == {"fewest active terms of a text, queries"}
    table.weight.data[3] = torch.nan
    assert [check.name for check in check_encoder(encoder)] == ["values not finite"]


def test_long_queries_of_a_table_are_cut_at_the_length_of_the_spec(tmp_path):
    folder = families.inference_free(tmp_path / "model", "bert")
    encoder = ours("sparse-encoder", folder, tmp_path / "out", max_length=2)
    whole, cut = encoder.encode_queries(["sort the list", "sort the"]).toarray()
    np.testing.assert_array_equal(whole, cut)
    assert encoder.count_tokens(["sort the list"], "query") == [2]


def test_two_encoders_have_their_own_sizes(tmp_path):
    folder = families.two_encoders(tmp_path / "model")
    encoder = ours("sparse-encoder", folder, tmp_path / "out")
    same(encoder, theirs("sparse-encoder", folder))
    assert 0 < encoder.count_query_flops(10) < encoder.count_flops(10)
    facts = encoder.parameters()
    assert facts["query parameters"] < facts["parameters"] / 2


def test_the_latent_dimensions_of_an_autoencoder_are_the_width(tmp_path):
    folder = families.autoencoder(tmp_path / "model")
    encoder = ours("sparse-encoder", folder, tmp_path / "out")
    same(encoder, theirs("sparse-encoder", folder))
    assert encoder.width == 64 and encoder.terms([63]) == ["dimension 63"]
    assert (encoder.encode_documents(TEXTS) != 0).sum(axis=1).max() == 8
    layers = 2 * (2 * 10 * (4 * 16 * 16 + 2 * 16 * 24) + 4 * 10 * 10 * 16)
    assert encoder.count_flops(10) == layers + 2 * 16 * 64


@pytest.mark.parametrize("model2vec", [False, True])
def test_static_vectors(tmp_path, model2vec):
    folder = families.static(tmp_path / "model", model2vec)
    encoder = ours("sentence-transformer", folder, tmp_path / "out")
    same(encoder, theirs("sentence-transformer", folder))
    assert encoder.count_flops(10) == encoder.count_query_flops(10) == 0
    assert encoder.count_tokens(["sort the lists", ""], "document") == [4, 0]
    assert encoder.parameters()["parameters"] == 16 * len(families.WORDS)
    (tmp_path / "out").rename(tmp_path / "before")
    short = ours("sentence-transformer", folder, tmp_path / "out", max_length=2)
    whole, cut = short.encode_documents(["sort the list", "sort the"])
    np.testing.assert_array_equal(whole, cut)


@pytest.mark.parametrize("mode", ["mean", "cls", "last"])
def test_a_network_alone_is_pooled_as_the_spec_says(tmp_path, mode):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    folder = families.network(tmp_path / "model", "distilbert")
    encoder = ours("sentence-transformer", folder, tmp_path / "out", pooling=mode)
    pooled = Pooling(16, pooling_mode={"last": "lasttoken"}.get(mode, mode))
    model = SentenceTransformer(modules=[Transformer(str(folder)), pooled], device="cpu")
    same(encoder, [model.encode(TEXTS, normalize_embeddings=True)] * 2)
