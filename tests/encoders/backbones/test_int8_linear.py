"""Int8 weights: near the float32 layer, the same vector in any batch, and every weight still counted."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bert import bert

from harness.encoders import registry
from harness.encoders.backbones.int8_linear import SCALE_BYTES, Int8Linear
from harness.errors import UserError
from harness.measure.validity import check_encoder


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 9), st.integers(2, 40), st.integers(1, 30), st.booleans(), st.floats(1e-3, 1e3), st.integers(0, 99)
)
def test_a_layer_is_off_by_its_rounding_at_most(tokens, inputs, outputs, bias, size, seed):
    torch.manual_seed(seed)
    layer, states = torch.nn.Linear(inputs, outputs, bias=bias), torch.randn(tokens, inputs) * size
    with torch.inference_mode():
        found, exact = Int8Linear(layer)(states), layer(states)
        weight, largest = layer.weight.abs(), states.abs().amax(1, keepdim=True) if tokens else states[:, :1]
        # half a step of a weight times the inputs, and a step of an input times the weights
        bound = 0.5 / 127 * weight.amax(1) * states.abs().sum(1, keepdim=True)
        bound = bound + 2 / 127 * largest * (weight + weight.amax(1, keepdim=True) / 127).sum(1)
        assert found.shape == exact.shape
        assert ((found - exact).abs() <= bound * 1.01 + 1e-5 * size).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 99))
def test_a_token_is_the_same_in_any_company(tokens, seed):
    torch.manual_seed(seed)
    layer, states = Int8Linear(torch.nn.Linear(16, 8)), torch.randn(tokens, 16)
    company = torch.cat([states, 100 * torch.randn(3, 16)])
    with torch.inference_mode():
        np.testing.assert_allclose(layer(company)[:tokens], layer(states), rtol=1e-6, atol=1e-6)
        assert (layer(torch.zeros(2, 16)) == layer.bias).all()
        assert torch.equal(layer(company.view(1, -1, 16))[0], layer(company))


def test_vectors_are_near_those_of_float32_and_all_weights_are_counted(llama_folder, tmp_path, texts):
    maker = registry.get("dense-twin")
    loaded = {}
    for quantise in (None, "int8"):
        made = maker(maker.Params(backbone=str(llama_folder), quantise=quantise))
        (tmp_path / str(quantise)).mkdir()
        made.fit(tmp_path / str(quantise))
        loaded[quantise] = made.load(tmp_path / str(quantise))
    plain, rounded = loaded[None], loaded["int8"]
    found, expected = rounded.encode_documents(texts), plain.encode_documents(texts)
    assert 0 < np.abs(found - expected).max() < 0.1
    ours, theirs = rounded.parameters(), plain.parameters()
    assert ours["parameters"] == theirs["parameters"] and ours["dtype"] == "int8"
    layers = [part for part in plain.model.backbone.modules() if isinstance(part, torch.nn.Linear)]
    saved = sum(3 * layer.weight.numel() - SCALE_BYTES * layer.out_features for layer in layers)
    assert layers and theirs["weight bytes"] - ours["weight bytes"] == saved
    checks = {check.name: check for check in check_encoder(rounded, made.declared())}
    assert checks["alone against in a batch"].passed and checks["attention"].passed


def test_a_sparse_bert_keeps_its_head(tmp_path):
    bert(tmp_path / "model", "BertForMaskedLM")
    maker = registry.get("sparse-encoder")
    made = maker(maker.Params(model=str(tmp_path / "model"), quantise="int8"))
    (tmp_path / "out").mkdir()
    made.fit(tmp_path / "out")
    encoder = made.load(tmp_path / "out")
    assert encoder.encode_queries(["sort the list"]).nnz and encoder.model.head.dtype == torch.float32
    assert isinstance(encoder.model.backbone.transform.dense, Int8Linear)


@pytest.mark.parametrize(
    ("how", "what"), [({"dtype": "bfloat16"}, "made of float32"), ({}, "sentence-transformers runs")]
)
def test_what_cannot_be_rounded_is_refused(tmp_path, how, what):
    bert(tmp_path / "model", "BertForMaskedLM" if how else "DistilBertForMaskedLM")
    maker = registry.get("sparse-encoder")
    made = maker(maker.Params(model=str(tmp_path / "model"), quantise="int8", **how))
    (tmp_path / "out").mkdir()
    made.fit(tmp_path / "out")
    with pytest.raises(UserError, match=what) as refused:
        made.load(tmp_path / "out")
    assert refused.value.key == "quantise"
