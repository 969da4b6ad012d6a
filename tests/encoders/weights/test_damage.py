"""Damaged weights, adapters and folders are named with their file, and nothing of them is used."""

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.encoders.llama_family import adapter_files
from harness.encoders.weights.configuration import read_configuration
from harness.encoders.weights.gguf_file import GgufFile
from harness.encoders.weights.peft_adapter import merge, read_config
from harness.encoders.weights.published_folder import kind_of
from harness.encoders.weights.sentence_transformers_folder import Contract, Weights, read, read_modules, write
from harness.errors import UserError

PLAIN = {"peft_type": "LORA", "lora_alpha": 4, "bias": "none"}
NAME = "base_model.model.model.layers.0.self_attn.q_proj"


def adapter(folder, config=PLAIN, tensors=None):
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    parts = {f"{NAME}.lora_A.weight": torch.ones(2, 3), f"{NAME}.lora_B.weight": torch.ones(5, 2)}
    save_file(parts if tensors is None else tensors, folder / "adapter_model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{half", "no valid JSON"),
        ({"peft_type": "LORA"}, "lora_alpha"),
        ({**PLAIN, "bias": "all"}, "bias 'all'"),
        ({**PLAIN, "modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({**PLAIN, "use_dora": True}, "use_dora"),
        ({**PLAIN, "layer_replication": [[0, 2]]}, "layer_replication"),
        ({**PLAIN, "alora_invocation_tokens": [1]}, "alora_invocation_tokens"),
        ({**PLAIN, "lora_alpha": None}, "lora_alpha"),
        ({**PLAIN, "lora_alpha": float("nan")}, "lora_alpha"),
        ({**PLAIN, "alpha_pattern": {"q_proj": "four"}}, "lora_alpha"),
        ({**PLAIN, "alpha_pattern": "q_proj"}, "no patterns in alpha_pattern"),
        ({**PLAIN, "rank_pattern": [3]}, "no patterns in rank_pattern"),
        ({**PLAIN, "rank_pattern": {"(": 3}}, "no regular expression"),
        ("[]", "no JSON object"),
    ],
)
def test_settings_of_an_adapter(tmp_path, config, message):
    with pytest.raises(UserError, match=message) as error:
        read_config(adapter(tmp_path, config))
    assert error.value.file == tmp_path / "adapter_config.json" and error.value.remedy


def test_weights_of_an_adapter(tmp_path):
    weights = {"model.layers.0.self_attn.q_proj.weight": torch.zeros(5, 3)}
    merged = merge(weights, adapter(tmp_path / "good"), 1)
    # W + (alpha / rank) B A: 4 / 2 times the sum of two ones.
    torch.testing.assert_close(merged["model.layers.0.self_attn.q_proj.weight"], torch.full((5, 3), 4.0))
    assert weights["model.layers.0.self_attn.q_proj.weight"].abs().sum() == 0
    half = adapter(tmp_path / "half", tensors={f"{NAME}.lora_A.weight": torch.ones(2, 3)})
    with pytest.raises(UserError, match="does not have"):
        merge(weights, half, 1)
    file = tmp_path / "good" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(UserError, match="damaged weights") as error:
        merge(weights, tmp_path / "good", 1)
    assert error.value.file == file
    file.unlink()
    with pytest.raises(UserError, match="no adapter_model"):
        merge(weights, tmp_path / "good", 1)


BASE = {"model.layers.0.self_attn.q_proj.weight": torch.zeros(5, 3)}
A, B = f"{NAME}.lora_A.weight", f"{NAME}.lora_B.weight"
ONES = {A: torch.ones(2, 3), B: torch.ones(5, 2)}


@pytest.mark.parametrize(
    ("more", "tensors", "message"),
    [
        ({}, {A: torch.ones(2, 3), B: torch.zeros(5, 2)}, "changes nothing in the first 1 layers"),
        ({"lora_alpha": 0}, ONES, "changes nothing"),
        ({}, {name.replace("layers.0", "layers.7"): tensor for name, tensor in ONES.items()}, "changes nothing"),
        ({}, {}, "changes nothing"),
        ({"r": 8}, ONES, r"has the rank 2 for 'layers.0.self_attn.q_proj', and adapter_config.json says r = 8"),
        ({"r": 2, "rank_pattern": {"q_proj": 4}}, ONES, "says r = 4"),
        ({}, {A: torch.ones(3, 3), B: torch.ones(5, 2)}, "has no product"),
        ({}, {A: torch.ones(0, 3), B: torch.ones(5, 0)}, "has no product"),
        ({}, {A: torch.ones(3), B: torch.ones(5, 2)}, "has no product"),
        ({"target_modules": ["q_proj", "v_proj"]}, ONES, "has no weights of 'v_proj'"),
        ({}, {**ONES, f"{NAME}.lora_magnitude_vector": torch.ones(5)}, "no part of a plain LoRA"),
    ],
)
def test_an_adapter_that_does_not_fit_or_changes_nothing(tmp_path, more, tensors, message):
    with pytest.raises(UserError, match=message) as error:
        merge(BASE, adapter(tmp_path, {**PLAIN, **more}, tensors), 1)
    assert error.value.key == "backbone.adapter" and error.value.file == tmp_path / "adapter_model.safetensors"


@pytest.mark.parametrize(
    ("more", "scale"),
    [
        ({"r": 2, "target_modules": ["q_proj"], "base_model_name_or_path": None}, 2.0),
        ({"r": 8, "rank_pattern": {"q_proj": 2}, "target_modules": "all-linear"}, 2.0),
        ({"use_rslora": True}, 4 / 2**0.5),
        ({"alpha_pattern": {"self_attn.q_proj": 6}}, 3.0),
    ],
)
def test_what_an_adapter_adds_is_scaled_as_peft_scales_it(tmp_path, more, scale):
    merged = merge(BASE, adapter(tmp_path, {**PLAIN, **more}), 1)
    torch.testing.assert_close(merged["model.layers.0.self_attn.q_proj.weight"], torch.full((5, 3), 2 * scale))


@pytest.mark.parametrize("about", ["{half", "[]", "{}", '{"kind": "sparse", "backbone": 3, "base": {}}'])
def test_an_adapter_of_ours_that_does_not_say_what_it_is_for(tmp_path, about):
    (tmp_path / adapter_files.ABOUT).write_text(about)
    with pytest.raises(UserError, match="what the adapter was trained on") as error:
        adapter_files._about(tmp_path / adapter_files.ABOUT)
    assert error.value.file == tmp_path / adapter_files.ABOUT


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + b"\x03\0\0\0" + b"\xff" * 40, b"not a model" * 9])
def test_a_file_that_is_no_gguf(tmp_path, content):
    file = tmp_path / "weights.gguf"
    file.write_bytes(content)
    with pytest.raises(UserError, match="not a GGUF file") as error:
        GgufFile(file)
    assert error.value.file == file and error.value.key == "backbone"


@pytest.mark.parametrize("content", ["{half", "{}", '[{"path": ""}]', "[3]", "3"])
def test_modules_that_have_no_type(tmp_path, content):
    file = tmp_path / "modules.json"
    file.write_text(content)
    if content == "{}":
        assert read_modules(file) == []
        return
    with pytest.raises(UserError, match="list of modules") as error:
        kind_of(tmp_path)
    assert error.value.file == file and error.value.key == "model"


def test_a_folder_without_modules_and_heads(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match=r"no modules\.json"):
        kind_of(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertForMaskedLM"]}')
    assert kind_of(tmp_path) == "sparse"
    (tmp_path / "config.json").write_text('{"model_type": "bert", "num_hidden_layers": "two"}')
    with pytest.raises(UserError, match="expected int") as error:
        kind_of(tmp_path)
    assert error.value.key == "num_hidden_layers"


CONTRACTS = st.builds(
    Contract,
    st.sampled_from(["sparse", "dense"]),
    st.text(max_size=9),
    st.text(max_size=9),
    st.integers(1, 999),
    st.integers(1, 999),
    query_terms=st.none() | st.integers(1, 99),
    document_terms=st.none() | st.integers(1, 99),
    pooling=st.sampled_from(["mean", "last"]),
    special_tokens=st.booleans(),
    output=st.sampled_from(["float32", "float16", "int8"]),
)


@settings(deadline=None, max_examples=30)
@given(contract=CONTRACTS, own_head=st.booleans(), biased=st.booleans(), causal=st.booleans())
def test_a_folder_comes_back_as_it_was_written(tmp_path_factory, llama_folder, contract, own_head, biased, causal):
    folder = tmp_path_factory.mktemp("model")
    size = {"embed_tokens.weight": torch.randn(25, 4), "norm.weight": torch.randn(4)}
    sparse = contract.kind == "sparse"
    weights = Weights(size, torch.randn(25, 4) if own_head and sparse else None,
                      torch.randn(25) if biased and sparse else None)  # fmt: skip
    config = {"model_type": "llama", "vocab_size": 25, "hidden_size": 4, "num_attention_heads": 2,
              "eos_token_id": [2], "is_causal": causal,
              "torch_dtype": "float16", "quantization_config": {}}  # fmt: skip
    write(folder, contract, config, (llama_folder / "tokenizer.json").read_text(), weights)
    its_contract, its_config, found = read(folder)
    assert its_contract == contract
    assert its_config["is_causal"] is causal and its_config["dtype"] == "float32"
    assert not {"torch_dtype", "quantization_config"} & set(its_config)
    assert {name: tensor.tolist() for name, tensor in found.layers.items()} == {n: t.tolist() for n, t in size.items()}
    if weights.bias is not None:
        head = size["embed_tokens.weight"] if weights.head is None else weights.head
        np.testing.assert_array_equal(found.bias, weights.bias)
        np.testing.assert_array_equal(found.head, head)
    else:
        assert found.bias is None and (found.head is None) == (weights.head is None)
    assert read_configuration(folder, "backbone")["is_causal"] is causal


@pytest.mark.parametrize("eos", [None, [], 999])
def test_a_tokenizer_without_the_end_of_a_text(tmp_path, llama_folder, eos):
    config = {"model_type": "llama", "vocab_size": 25, "hidden_size": 4, "eos_token_id": eos}
    weights = Weights({"embed_tokens.weight": torch.zeros(25, 4)})
    with pytest.raises(UserError, match="which ends a text") as error:
        write(tmp_path, Contract("dense", "", "", 9, 9), config, (llama_folder / "tokenizer.json").read_text(), weights)
    assert error.value.key == "backbone.tokenizer" and error.value.remedy


@pytest.mark.parametrize("name", ["contract.json", "config.json", "modules.json", "model.safetensors"])
def test_a_model_folder_with_a_file_missing(tmp_path, llama_folder, name):
    whole = tmp_path / "whole"
    whole.mkdir()
    config = {"model_type": "llama", "vocab_size": 25, "hidden_size": 4, "eos_token_id": 2}
    weights = Weights({"embed_tokens.weight": torch.zeros(25, 4)})
    write(whole, Contract("dense", "", "", 9, 9), config, (llama_folder / "tokenizer.json").read_text(), weights)
    shutil.copytree(whole, tmp_path / "part")
    (tmp_path / "part" / name).write_text("{half")
    with pytest.raises(UserError, match=r"damaged|no list of modules"):
        read(tmp_path / "part")
    (tmp_path / "part" / name).unlink()
    with pytest.raises(UserError, match="make the model again") as error:
        read(tmp_path / "part")
    assert error.value.file == tmp_path / "part" / name
