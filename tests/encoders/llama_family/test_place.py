"""Models that are not trained are made from their files: the same vectors, nothing written twice, little memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from harness.encoders import registry
from harness.encoders.weights.stored import INDEX
from harness.errors import UserError


@pytest.fixture(scope="module", params=["tied", "own head"])
def sharded(request, tmp_path_factory, llama_folder):
    """The random Llama in bfloat16, in several files."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("sharded")
    model = AutoModelForCausalLM.from_pretrained(llama_folder, dtype=torch.bfloat16)
    if request.param == "own head":
        model.config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    model.save_pretrained(folder, max_shard_size="12KB")
    AutoTokenizer.from_pretrained(llama_folder).save_pretrained(folder)
    assert len(list(folder.glob("*.safetensors"))) > 3
    return folder


def make(folder, out, type="laconic", load=None, **params):
    maker = registry.get(type)
    made = maker(maker.Params(backbone=folder if isinstance(folder, dict) else str(folder), **params))
    out.mkdir()
    made.fit(out)
    return maker(maker.Params(backbone=str(folder), **(load or {}))).load(out) if load else made.load(out)


def in_memory(monkeypatch):
    monkeypatch.setattr("harness.encoders.llama_family.place.place", lambda *_: False)


def rows_of(encoder, texts):
    rows = encoder.encode_documents(texts)
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


@pytest.mark.parametrize("type", ["laconic", "dense-twin"])
@pytest.mark.parametrize("params", [{}, {"layers": 2}, {"lowercase": True, "attention": "causal"}])
def test_the_vectors_are_those_of_the_model_made_in_memory(sharded, tmp_path, monkeypatch, texts, type, params):
    placed = make(sharded, tmp_path / "placed", type, **params)
    in_memory(monkeypatch)
    loaded = make(sharded, tmp_path / "loaded", type, **params)
    np.testing.assert_array_equal(rows_of(placed, texts), rows_of(loaded, texts))
    assert {p["dtype"] for p in (placed.parameters(), loaded.parameters())} == {"float32"}
    configs = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("placed", "loaded")]
    assert [config.pop("dtype") for config in configs] == ["bfloat16", "float32"] and configs[0] == configs[1]


def test_files_without_a_change_are_other_names_of_the_published_ones(sharded, tmp_path):
    make(sharded, tmp_path / "m")
    files = sorted((tmp_path / "m").glob("*.safetensors"))
    assert all(ours.samefile(own) for ours, own in zip(files, sorted(sharded.glob("*.safetensors")), strict=True))
    weight_map = json.loads((tmp_path / "m" / INDEX).read_text())["weight_map"]
    assert weight_map == json.loads((sharded / INDEX).read_text())["weight_map"]


def test_a_cut_model_has_the_layers_that_are_used_and_no_more(sharded, tmp_path):
    make(sharded, tmp_path / "m", layers=1)
    tensors = {}
    for file in (tmp_path / "m").glob("*.safetensors"):
        tensors |= load_file(file)
    published = {}
    for file in sharded.glob("*.safetensors"):
        published |= load_file(file)
    assert tensors.keys() == {n for n in published if ".layers." not in n or ".layers.0." in n}
    assert all(
        torch.equal(tensors[name], published[name]) and tensors[name].dtype == torch.bfloat16 for name in tensors
    )


@pytest.mark.parametrize("type", ["laconic", "dense-twin"])
def test_sentence_transformers_opens_what_was_placed(sharded, tmp_path, texts, type):
    import sentence_transformers

    encoder = make(sharded, tmp_path / "m", type)
    library = sentence_transformers.SparseEncoder if type == "laconic" else sentence_transformers.SentenceTransformer
    theirs = library(str(tmp_path / "m"), device="cpu", model_kwargs={"dtype": torch.float32})
    some = [text for text in texts if text]
    more = {"convert_to_sparse_tensor": False} if type == "laconic" else {}
    expected = theirs.encode_document(some, convert_to_tensor=True, **more).numpy()
    np.testing.assert_allclose(rows_of(encoder, some), expected, atol=1e-4)


def lora(folder, out, **more):
    """A peft adapter on two projections of the sharded model, in bfloat16."""
    from safetensors.torch import save_file

    out.mkdir()
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none", **more}
    (out / "adapter_config.json").write_text(json.dumps(config))
    name = "base_model.model.model.layers.1.{}.lora_{}.weight"
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for module, rows in (("self_attn.q_proj", 32), ("mlp.up_proj", 48)):
        tensors[name.format(module, "A")] = torch.randn(2, 32, generator=generator).bfloat16()
        tensors[name.format(module, "B")] = torch.randn(rows, 2, generator=generator).bfloat16()
    save_file(tensors, out / "adapter_model.safetensors")
    return {"model": str(folder), "adapter": str(out)}


def test_an_adapter_is_merged_in_the_files_that_it_changes(sharded, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    source = lora(sharded, tmp_path / "adapter", target_modules=["q_proj", "up_proj"], layers_to_transform=[1])
    make(source, tmp_path / "m")
    base = AutoModelForCausalLM.from_pretrained(sharded, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, tmp_path / "adapter").merge_and_unload().state_dict()
    linked = 0
    for file in sorted((tmp_path / "m").glob("*.safetensors")):
        linked += file.stat().st_nlink > 1
        for name, tensor in load_file(file).items():
            assert tensor.dtype == torch.bfloat16
            assert torch.equal(tensor, merged[name].bfloat16()), name
    assert 0 < linked < len(list(sharded.glob("*.safetensors")))


def test_a_model_whose_weights_are_scaled_keeps_their_precision(sharded, tmp_path):
    make(sharded, tmp_path / "m", embedding_scale=7.0)
    assert json.loads((tmp_path / "m" / "config.json").read_text())["dtype"] == "float32"


@pytest.mark.parametrize("key", ["hidden_size", "vocab_size", "intermediate_size", "num_hidden_layers"])
def test_weights_of_another_size_are_refused_before_anything_is_written(sharded, tmp_path, key):
    import shutil

    shutil.copytree(sharded, tmp_path / "other")
    config = json.loads((sharded / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps(config | {key: config[key] * 2}))
    with pytest.raises(UserError, match="do not fit the configuration") as error:
        make(tmp_path / "other", tmp_path / "m")
    assert error.value.key == "backbone" and not list((tmp_path / "m").iterdir())


def test_weights_are_held_once_in_the_dtype_that_is_asked_for(sharded, tmp_path):
    make(sharded, tmp_path / "m")
    for dtype, mapped in (("bfloat16", True), ("float32", False)):
        encoder = make_again(sharded, tmp_path / "m", dtype)
        weight = encoder.model.backbone.norm.weight
        with Path("/proc/self/maps").open() as maps:
            ranges = [line.split() for line in maps if str(tmp_path / "m") in line]
        inside = any(
            int(begin, 16) <= weight.data_ptr() < int(end, 16)
            for begin, _, end in (parts[0].partition("-") for parts in ranges)
        )
        assert inside is mapped
        assert encoder.parameters()["dtype"] == dtype


def make_again(folder, out, dtype):
    maker = registry.get("laconic")
    return maker(maker.Params(backbone=str(folder), dtype=dtype)).load(out)


SMALL = """
import resource, sys
from pathlib import Path
import torch
from harness.encoders import registry

def data():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmData"))
    return int(line.split()[1]) * 1024

model, adapter, warm, out, limit = sys.argv[1:]
torch.set_num_threads(1)
maker = registry.get("laconic")
for place, allowed in ((warm, None), (out, int(limit))):
    made = maker(maker.Params(backbone={"model": model, "adapter": adapter}, layers=1 if allowed is None else None))
    if allowed is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (data() + allowed,) * 2)
    Path(place).mkdir()
    made.fit(Path(place))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_an_adapter_is_merged_in_a_part_of_the_models_memory(tmp_path, llama_folder):
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(llama_folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=512, intermediate_size=1024, num_hidden_layers=24,
        num_attention_heads=8, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    LlamaForCausalLM(config).bfloat16().save_pretrained(tmp_path / "big", max_shard_size="40MB")
    tokenizer.save_pretrained(tmp_path / "big")
    size = sum(file.stat().st_size for file in (tmp_path / "big").glob("*.safetensors"))
    assert size > 100e6
    from safetensors.torch import save_file

    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "lora_alpha": 4}))
    name = "base_model.model.model.layers.{}.mlp.gate_proj.lora_{}.weight"
    sizes = {"A": (2, 512), "B": (1024, 2)}
    save_file({name.format(n, part): torch.randn(sizes[part]) for n in range(24) for part in sizes},
              tmp_path / "adapter" / "adapter_model.safetensors")  # fmt: skip
    arguments = [str(tmp_path / part) for part in ("big", "adapter", "warm", "out")]
    subprocess.run([sys.executable, "-c", SMALL, *arguments, str(size // 3)], check=True, env={**os.environ})
    written = sum(file.stat().st_size for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert written < 1.01 * size
