"""Our Llama against transformers', and its operations against torch's counter."""

import json

import pytest
import torch

from harness.encoders.backbones.llama import Llama, Shape
from harness.errors import UserError

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}


def both(causal, rope=None):
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        rope_parameters=rope or {"rope_type": "default", "rope_theta": 100.0},
    )
    config.is_causal = causal
    theirs = LlamaModel(config).eval()
    ours = Llama(Shape.read(config.to_dict())).eval()
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("rope", [None, LLAMA3, {"rope_type": "linear", "rope_theta": 50.0, "factor": 3.0}])
@pytest.mark.parametrize("lengths", [[5, 1, 30, 12], [7, 7], [1]])
def test_states_are_those_of_transformers(causal, rope, lengths):
    theirs, ours = both(causal, rope)
    ids = torch.randint(0, 40, (sum(lengths),))
    padded = torch.full((len(lengths), max(lengths)), 3)
    mask = torch.zeros_like(padded)
    for row, part in enumerate(ids.split(lengths)):
        padded[row, : len(part)] = part
        mask[row, : len(part)] = 1
    with torch.no_grad():
        expected = theirs(input_ids=padded, attention_mask=mask).last_hidden_state[mask.bool()]
        found = ours(ids, lengths)
    assert torch.allclose(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("lengths", [[5, 1, 30, 12], [7, 7], [1]])
def test_bfloat16_attention_is_near_that_of_the_fused_kernel(monkeypatch, lengths):
    _, ours = both(causal=False)
    ours = ours.bfloat16()
    ids = torch.randint(0, 40, (sum(lengths),))
    with torch.no_grad():
        plain = ours(ids, lengths).float()
        monkeypatch.setattr("harness.encoders.backbones.packed_attention.SCORES", 0)
        monkeypatch.setattr("harness.encoders.backbones.packed_attention.Layout._plainly", None)
        fused = ours(ids, lengths).float()
    assert torch.allclose(plain, fused, atol=0.1)
    assert torch.cosine_similarity(plain, fused).min() > 0.999


@pytest.mark.parametrize("causal", [True, False])
def test_a_later_token_changes_an_earlier_state_only_without_the_causal_mask(causal):
    _, ours = both(causal)
    with torch.no_grad():
        first, second = (ours(torch.tensor([4, 5, last]), [3])[0] for last in (6, 7))
    assert torch.equal(first, second) == causal


def test_operations_agree_with_the_counter():
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    _, ours = both(causal=False)
    with (
        FlopCounterMode(
            display=False, custom_mapping={kernel: lambda q, k, v, *a, **kw: sdpa_flop_count(q, k, v)}
        ) as counter,
        torch.no_grad(),
    ):
        ours(torch.arange(20), [20])
    assert counter.get_total_flops() == ours.shape.flops(20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "qwen2"}, "not a Llama"),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope"),
    ],
)
def test_other_architectures_are_refused(change, message, llama_folder):
    config = json.loads((llama_folder / "config.json").read_text()) | change
    with pytest.raises(UserError, match=message):
        Shape.read(config)


def test_configurations_of_transformers_4_are_read(llama_folder):
    config = json.loads((llama_folder / "config.json").read_text())
    config.pop("rope_parameters")
    old = Shape.read(config | {"rope_theta": 7.0, "rope_scaling": None})
    assert (old.theta, old.scaling["rope_type"]) == (7.0, "default")
    scaled = Shape.read(config | {"rope_theta": 7.0, "rope_scaling": {"type": "linear", "factor": 2.0}})
    assert (scaled.theta, scaled.scaling["rope_type"]) == (7.0, "linear")
