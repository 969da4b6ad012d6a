"""Graphs for onnxruntime: the vectors of torch, any batch, int8 weights, and what is refused."""

import sys
from functools import cache

import numpy as np
import pytest
from scipy import sparse
from tiny_bert import bert

from harness.encoders import registry
from harness.encoders.backbones import onnx_export
from harness.encoders.backbones.onnx_backbone import FILE
from harness.errors import UserError
from harness.measure.validity import check_encoder

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TEXTS = ["sort the list", "a graph", "", "the sum of a path in the graph. " * 3, "e"]
KINDS = ["sentence-transformer", "sparse-encoder", "dense-twin", "causal"]


def made(kind, **settings):
    maker = registry.get(kind)
    return maker(maker.Params(**settings))


@pytest.fixture(scope="module")
def settings(tmp_path_factory, llama_folder):
    folder = tmp_path_factory.mktemp("berts")
    llama = {"backbone": str(llama_folder), "document_length": 20}
    return {
        "sentence-transformer": {"model": str(bert(folder / "dense")), "pooling": "mean"},
        "sparse-encoder": {"model": str(bert(folder / "sparse", "BertForMaskedLM"))},
        "dense-twin": llama,
        "causal": {**llama, "attention": "causal"},
    }


@pytest.fixture(scope="module")
def encoders(settings, tmp_path_factory):
    """Kind and how it is computed -> facts of the making, the type, and the encoder; each is made once."""

    @cache
    def open_one(kind, *how):
        model = made({"causal": "laconic"}.get(kind, kind), **settings[kind], **dict(how))
        folder = tmp_path_factory.mktemp("made")
        return model.fit(folder), model, model.load(folder, threads=2)

    return open_one


ONNX, INT8 = ("backend", "onnx"), ("quantise", "int8")


def rows(vectors):
    return vectors.toarray() if sparse.issparse(vectors) else vectors


def documents(encoder):
    return rows(encoder.encode_documents(TEXTS)), np.concatenate([rows(encoder.encode_documents([t])) for t in TEXTS])


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_those_of_torch_in_any_batch(encoders, kind):
    (_, _, torch), (facts, _, onnx) = encoders(kind), encoders(kind, ONNX)
    expected, (found, alone) = rows(torch.encode_documents(TEXTS)), documents(onnx)
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
    np.testing.assert_allclose(alone, found, atol=2e-5 * np.abs(expected).max())
    assert facts["onnx"]["difference"]["float32"] < 1e-5 and "opset 17" in facts["onnx"]["version"]
    ours, theirs = onnx.parameters(), torch.parameters()
    assert ours["parameters"] == theirs["parameters"] and ours["dtype"] == "float32"
    assert ours["backend"] == facts["onnx"]["version"] and "backend" not in theirs
    assert onnx.model.backbone.session.get_session_options().intra_op_num_threads == 2


@pytest.mark.parametrize("kind", ["sparse-encoder", "dense-twin"])
def test_int8_is_near_and_a_text_is_the_same_in_any_company(encoders, kind):
    (_, _, torch), (facts, model, onnx) = encoders(kind), encoders(kind, ONNX, INT8)
    expected, (found, alone) = rows(torch.encode_documents(TEXTS)), documents(onnx)
    sizes = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    assert ((expected * found).sum(1) >= 0.95 * sizes).all() and np.abs(found - expected).max() > 1e-4
    np.testing.assert_allclose(alone, found, rtol=1e-5, atol=1e-6)
    assert 1e-4 < facts["onnx"]["difference"]["int8"] < 0.5
    checks = {check.name: check for check in check_encoder(onnx, model.declared())}
    assert checks["alone against in a batch"].passed and checks["attention"].passed


def test_bytes_of_weights_are_those_of_the_graph_and_of_a_head_that_lies_besides(encoders):
    for kind in ("dense-twin", "sparse-encoder"):
        (facts, _, onnx), (_, _, torch) = encoders(kind, ONNX, INT8), encoders(kind)
        besides = [] if kind == "dense-twin" else [torch.model.head, torch.model.bias]
        ours, theirs = onnx.parameters(), torch.parameters()
        assert ours["weight bytes"] == facts["onnx"]["weight_bytes"] + sum(4 * part.numel() for part in besides)
        assert ours["parameters"] == theirs["parameters"] and ours["dtype"] == "int8"
        # an int8 weight has no more bytes than a float32 one, and an embedding stays as it is
        assert theirs["weight bytes"] / 4 < facts["onnx"]["weight_bytes"] < theirs["weight bytes"]


def test_the_backend_and_its_libraries_are_in_the_key(settings):
    plain = made("sentence-transformer", **settings["sentence-transformer"])
    for more in ({}, {"quantise": "int8"}):
        model = made("sentence-transformer", **settings["sentence-transformer"], backend="onnx", **more)
        assert set(model.libraries_with(model.params)) - set(plain.libraries_with(plain.params)) == {
            "onnx",
            "onnxruntime",
        }
        assert model.params.model_dump() != plain.params.model_dump()
    llama = made("laconic", **settings["causal"], backend="onnx")
    assert "onnxruntime" in llama.libraries_with(llama.params)


def refused(model, folder):
    with pytest.raises(UserError) as refusal:
        model.fit(folder)
    assert refusal.value.key == "backend"
    assert not (folder / FILE).exists()
    return f"{refusal.value} {refusal.value.remedy}"


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_missing_extra_is_one_message(settings, tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    model = made("sparse-encoder", **settings["sparse-encoder"], backend="onnx")
    assert "laconic-bench[onnx]" in refused(model, tmp_path)


@pytest.mark.parametrize("more", [{}, {"quantise": "int8"}])
def test_a_graph_that_computes_something_else_is_refused(settings, tmp_path, monkeypatch, more):
    right = onnx_export.TracedLayout.attend
    if more:  # the float32 graph is right here, its rounding is not
        monkeypatch.setitem(onnx_export.BOUNDS, "int8", 1e-6)
    else:
        monkeypatch.setattr(onnx_export.TracedLayout, "attend", lambda self, q, k, v: right(self, q, k * 2, v))
    message = refused(made("sparse-encoder", **settings["sparse-encoder"], backend="onnx", **more), tmp_path)
    assert f"graph in {'int8' if more else 'float32'} gives other states" in message and "0." in message


def test_what_cannot_be_exported_is_refused(settings, tmp_path, monkeypatch):
    distil = made("sparse-encoder", model=str(bert(tmp_path / "distil", "DistilBertForMaskedLM")), backend="onnx")
    half = made("dense-twin", **settings["dense-twin"], dtype="bfloat16", backend="onnx")
    large = made("dense-twin", **settings["dense-twin"], backend="onnx")
    for model, name, message in ((distil, "a", "sentence-transformers runs"), (half, "b", "in float32")):
        (tmp_path / name).mkdir()
        assert message in refused(model, tmp_path / name)
    monkeypatch.setattr(onnx_export, "LARGEST", 1000)
    (tmp_path / "c").mkdir()
    assert "ONNX file holds" in refused(large, tmp_path / "c")


def test_a_damaged_graph_is_refused(settings, tmp_path):
    model = made("sparse-encoder", **settings["sparse-encoder"], backend="onnx")
    model.fit(tmp_path)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:1000])
    with pytest.raises(UserError, match="does not open the graph") as refusal:
        model.load(tmp_path)
    assert refusal.value.key == "backend" and str(tmp_path / FILE) in str(refusal.value)
