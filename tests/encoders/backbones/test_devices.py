"""The packed networks on a device that is not the processor: the meta device mixes with no other, as a GPU does not."""

from dataclasses import replace

import pytest
import torch

from harness.encoders.backbones.bert import Bert, BertShape
from harness.encoders.backbones.llama import Llama, Shape
from harness.encoders.backbones.packed_encoder import MANY_TOKENS, TOKENS, Model, pool
from harness.encoders.weights.sentence_transformers_folder import Contract
from harness.training.max_head import max_logits

CONTRACT = Contract("dense", "", "", 9, 9, pooling="mean")


def model(kind, dtype, device):
    config = {"model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
              "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 50}  # fmt: skip
    with torch.device(device):
        if kind == "bert":
            backbone = Bert(BertShape(50, 32, 48, 2, 4, 2000, 1e-12, transform=True))
        else:
            backbone = Llama(Shape.read({**config, "is_causal": kind == "causal"}))
        head, bias = torch.zeros(50, 32, dtype=dtype), torch.zeros(50)
    return Model(backbone.to(dtype), backbone.shape, head, bias, True, "", CONTRACT)


@pytest.mark.parametrize("kind", ["bert", "bidirectional", "causal"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("lengths", [(3, 2), (4, 4), (1,)])
def test_no_step_leaves_the_device(kind, dtype, lengths):
    made = model(kind, dtype, "meta")
    ((_, states, sizes),) = made.states([[1] * length for length in lengths], 32)
    assert states.device.type == "meta" and states.dtype == dtype and states.shape == (sum(lengths), 32)
    largest = max_logits(states, sizes, made.head, made.bias)
    assert largest.device.type == "meta" and largest.shape == (len(lengths), 50)
    for pooling in ("mean", "last", "first"):
        rows = pool(states.float(), sizes, replace(CONTRACT, pooling=pooling))
        assert rows.device.type == "meta" and rows.shape == (len(lengths), 32)


@pytest.mark.parametrize(
    ("device", "asked", "most"), [("meta", None, MANY_TOKENS), ("cpu", None, TOKENS), ("cpu", 700, 700)]
)
def test_batches_are_as_large_as_suits_the_device(device, asked, most):
    made = model("bert", torch.float32, device)
    ids = [[1] * length for length in (500, 40, 600) * 12]
    tokens = [sum(lengths) for _, _, lengths in made.states(ids, 1000, asked)]
    assert sum(tokens) == sum(map(len, ids))
    assert most / 2 < max(tokens) <= most


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_bias_does_not_leave_the_rounding_error_of_the_whole_logit(dtype):
    torch.manual_seed(0)
    hidden, weight = torch.randn(6, 64).to(dtype), torch.randn(300, 64).to(dtype)
    bias = torch.full((300,), -12.3)
    exact = (hidden.double() @ weight.double().T).split([4, 2])
    expected = torch.stack([part.amax(0) for part in exact]) + bias
    near = expected.abs() < 2
    error = (max_logits(hidden, [4, 2], weight, bias) - expected).abs()[near]
    assert near.sum() > 3 and error.max() < 1.5 * torch.finfo(dtype).eps
