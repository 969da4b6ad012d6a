"""Published families: a tiny random model of each layout gives the vectors that the library itself gives."""

import json
import shlex

import families
import numpy as np
import pytest
from hub_client import client, hub  # noqa: F401 - fixtures

from harness.encoders import registry
from harness.errors import UserError
from harness.measure.validity import check_encoder

TEXTS = families.TEXTS


def ours(type, folder, place, **params):
    maker = registry.get(type)
    made = maker(maker.Params(model=str(folder), batch_size=2, **params))
    place.mkdir()
    made.fit(place)
    return made.load(place)


def theirs(type, folder, **given):
    """Queries and documents as the library encodes them; unit length where it compares by cosine."""
    from sentence_transformers import SentenceTransformer, SparseEncoder

    if type == "sparse-encoder":
        model, settings = SparseEncoder(str(folder), device="cpu", **given), {"convert_to_sparse_tensor": False}
    else:
        model = SentenceTransformer(str(folder), device="cpu", **given)
        settings = {"normalize_embeddings": model.similarity_fn_name == "cosine"}
    return [np.asarray(encode(TEXTS, **settings)) for encode in (model.encode_query, model.encode_document)]


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


def test_code_of_a_model_runs_only_if_its_commit_is_pinned(tmp_path):
    from sentence_transformers import SentenceTransformer

    folder = families.own_code(tmp_path)
    with pytest.raises(UserError, match=r"needs code of its own \(modeling_tiny.TinyConfig(.|\n)*0123456789") as error:
        ours("sentence-transformer", folder, tmp_path / "refused")
    assert error.value.key == "code_revision" and not list((tmp_path / "refused").rglob("*.py"))
    with pytest.raises(UserError, match=rf"which is of commit {families.COMMIT}"):
        ours("sentence-transformer", folder, tmp_path / "other", code_revision="f" * 40)
    encoder = ours("sentence-transformer", folder, tmp_path / "out", code_revision=families.COMMIT)
    model = SentenceTransformer(str(folder), device="cpu", trust_remote_code=True)
    expected = [model.encode(TEXTS, normalize_embeddings=True)] * 2
    same(encoder, expected)
    plain = SentenceTransformer(str(families.dense(tmp_path / "plain", "bert")), device="cpu")
    assert np.abs(plain.encode(TEXTS, normalize_embeddings=True) - expected[0]).max() > 0.01


def test_code_of_another_repository_is_fetched_at_its_commit(tmp_path, client):  # noqa: F811
    commit = client.hub.model("maker/code", {"modeling_tiny.py": families.CODE.encode()})
    folder = families.own_code(tmp_path, "maker/code")
    with pytest.raises(UserError, match="'COMMIT' of maker/code"):
        ours("sentence-transformer", folder, tmp_path / "refused")
    encoder = ours("sentence-transformer", folder, tmp_path / "out", code_revision=commit)
    same(encoder, theirs("sentence-transformer", tmp_path / "out" / "model", trust_remote_code=True))
    maker = registry.get("sentence-transformer")
    facts = maker(maker.Params(model=str(folder), code_revision=commit)).fit(tmp_path / "again")
    assert facts["commits"]["maker/code"] == commit


def test_code_that_is_not_there_or_of_an_unknown_commit_is_not_pinned(tmp_path):
    plain = families.dense(tmp_path / "plain", "bert")
    with pytest.raises(UserError, match="leave code_revision out"):
        ours("sentence-transformer", plain, tmp_path / "one", code_revision=families.COMMIT)
    folder = families.own_code(tmp_path).rename(tmp_path / "folder")
    with pytest.raises(UserError, match="of commit unknown"):
        ours("sentence-transformer", folder, tmp_path / "two", code_revision=families.COMMIT)


def test_a_known_type_of_another_build_is_not_filled_with_random_weights(tmp_path):
    folder = families.dense(tmp_path / "model", "bert")
    file = folder / "config.json"
    about = json.loads(file.read_text())
    pointed = {"auto_map": {"AutoModel": "maker/code--modeling.Other"}}
    file.write_text(json.dumps(about | pointed))
    same(ours("sentence-transformer", folder, tmp_path / "same"), theirs("sentence-transformer", folder))
    file.write_text(json.dumps(about | pointed | {"architectures": ["OtherBertModel"]}))
    with pytest.raises(UserError, match="needs code of its own"):
        ours("sentence-transformer", folder, tmp_path / "other")
    file.write_text(json.dumps(about | {"num_hidden_layers": 3}))
    with pytest.raises(UserError, match=r"16 weights are not there, such as encoder\.layer\.2"):
        ours("sentence-transformer", folder, tmp_path / "more")
    file.write_text(json.dumps(about | {"hidden_size": 32}))
    with pytest.raises(UserError, match="does not load the weights"):
        ours("sentence-transformer", folder, tmp_path / "wider")


@pytest.mark.parametrize("type", ["sentence-transformer", "sparse-encoder"])
@pytest.mark.parametrize("bare", [False, True])
def test_the_command_for_weights_as_pickles_makes_a_model_that_loads(tmp_path, monkeypatch, type, bare):
    sparse = type == "sparse-encoder"
    place = tmp_path / "made"
    if bare:
        families.network(place, "bert", "AutoModelForMaskedLM" if sparse else "AutoModel")
    elif sparse:
        families.splade(place, "bert")
    else:
        families.dense(place, "bert", after=[families.projection(16, 8)])
    given = {"pooling": "mean"} if bare and not sparse else {}
    before = ours(type, place, tmp_path / "before", **given)
    pickled = families.as_pickles(place)
    with pytest.raises(UserError, match=r"no \.safetensors(.|\n)*python -c") as error:
        ours(type, pickled, tmp_path / "refused", **given)
    command = shlex.split(error.value.remedy.partition(": ")[2])
    assert command[:2] == ["python", "-c"]
    monkeypatch.chdir(tmp_path)
    exec(command[2])  # noqa: S102 - the command as a user would run it
    after = ours(type, tmp_path / "models" / "made-safetensors", tmp_path / "after", **given)
    same(after, [rows(before.encode_queries(TEXTS)), rows(before.encode_documents(TEXTS))])


def test_a_single_module_with_a_pickle_is_named(tmp_path):
    folder = families.dense(tmp_path / "model", "bert", after=[families.projection(16, 8)])
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"2_Dense has no \.safetensors"):
        ours("sentence-transformer", folder, tmp_path / "out")


def test_a_module_of_the_model_s_own_runs_at_its_commit(tmp_path):
    from sentence_transformers import SentenceTransformer

    folder = tmp_path / "snapshots" / families.COMMIT
    folder.parent.mkdir()
    families.dense(folder, "bert")
    plain = theirs("sentence-transformer", folder)[0]
    (folder / "own.py").write_text(
        "from sentence_transformers.base.modules import Transformer\n\n\nclass Doubled(Transformer):\n"
        "    def forward(self, features, **kwargs):\n        features = super().forward(features, **kwargs)\n"
        "        features['token_embeddings'] = features['token_embeddings'] * 2 + 1\n        return features\n"
    )
    file = folder / "modules.json"
    file.write_text(
        file.read_text().replace("sentence_transformers.base.modules.transformer.Transformer", "own.Doubled")
    )
    with pytest.raises(UserError, match=r"needs code of its own \(own.Doubled\)"):
        ours("sentence-transformer", folder, tmp_path / "refused")
    encoder = ours("sentence-transformer", folder, tmp_path / "out", code_revision=families.COMMIT)
    model = SentenceTransformer(str(folder), device="cpu", trust_remote_code=True)
    same(encoder, [model.encode(TEXTS, normalize_embeddings=True)] * 2)
    assert np.abs(encoder.encode_queries(TEXTS) - plain).max() > 0.01


def test_code_that_only_the_library_asks_for_is_not_run_either(tmp_path):
    folder = families.dense(tmp_path / "model", "bert", "max")
    about = {"auto_map": {"AutoProcessor": "own.OwnProcessor"}}
    (folder / "processor_config.json").write_text(json.dumps(about))
    (folder / "own.py").write_text("raise SystemExit('this ran')")
    with pytest.raises(UserError, match="a part of the model needs code of its own") as error:
        ours("sentence-transformer", folder, tmp_path / "out")
    assert error.value.key == "code_revision"


def test_a_table_of_weights_in_another_format_is_refused_with_its_command(tmp_path):
    folder = families.inference_free(tmp_path / "model", "bert")
    table = folder / "query_0_SparseStaticEmbedding"
    (table / "model.safetensors").unlink()
    (table / "config.json").write_text(json.dumps({"path": "idf.json", "frozen": True}))
    with pytest.raises(UserError, match=r"query_0_SparseStaticEmbedding has no \.safetensors(.|\n)*SparseEncoder"):
        ours("sparse-encoder", folder, tmp_path / "out")
