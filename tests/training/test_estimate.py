"""What a training will take, by formula, against what torch counts."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app as cli
from harness.training.estimate import BACKBONES, Layout, Shape, training_memory
from harness.training.params import TrainingParams

ROOT = Path(__file__).parents[2]
TINY = Shape(layers=2, hidden=32, intermediate=48, heads=4, key_value_heads=2, vocabulary=100, tied=True)


@pytest.mark.parametrize(("name", "millions"), [("3.2-1B", 1235.8), ("3.2-3B", 3212.7), ("3.1-8B", 8030.3)])
def test_published_parameter_counts(name, millions):
    assert BACKBONES[f"meta-llama/Llama-{name}"].parameters / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_and_adapters_are_torchs(tied):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = replace(TINY, tied=tied)
    config = LlamaConfig(
        vocab_size=100, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=tied,
    )  # fmt: skip
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
        assert sum(p.numel() for p in model.parameters()) == shape.parameters
        maps = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
        model = get_peft_model(model, LoraConfig(r=3, target_modules=maps))
        assert sum(p.numel() for p in model.parameters() if p.requires_grad) == shape.adapters(3)


def test_what_saves_memory_does():
    shape = BACKBONES["meta-llama/Llama-3.1-8B"]
    plain = TrainingParams(pairs_per_step=64, lora_rank=32)
    first = training_memory(shape, plain)
    for name, settings, part in (
        ("caching", {"cached_texts": 8}, "activations"),
        ("recomputing", {"recompute_layers": True}, "activations"),
        ("halves", {"precision": "bfloat16"}, "activations"),
    ):
        other = training_memory(shape, plain.model_copy(update=settings))
        assert getattr(other, part) < 0.7 * getattr(first, part), name
    assert training_memory(shape, plain.model_copy(update={"lora_rank": 0})).training == shape.parameters * 12
    assert training_memory(shape, plain, sparse=False).head < first.head / 20
    dropped = training_memory(shape, plain.model_copy(update={"lora_dropout": 0.1}))
    assert dropped.activations > first.activations


def test_layouts_divide_what_they_share():
    """One layer is whole at a time, from parts of all processes."""
    shape = BACKBONES["meta-llama/Llama-3.1-8B"]
    plain = TrainingParams(pairs_per_step=64, lora_rank=32, precision="bfloat16", recompute_layers=True)
    layers, adapters = shape.layers * shape.layer, shape.adapters(32) * 4
    rest = shape.parameters - layers
    half = training_memory(shape, plain, layout=Layout(8, frozen=2))
    assert half.weights == 2 * shape.parameters + adapters and half.host == 0
    shared = training_memory(shape, plain, layout=Layout(8, sharded=True, frozen=2))
    assert shared.weights == 2 * (layers // 8 + rest + 2 * shape.layer) + adapters
    single = training_memory(shape, plain)
    assert single.weights == 4 * shape.parameters + adapters + 2 * shape.layer
    assert single.host == 4 * shape.parameters
    assert half.activations < single.activations / 7.9


@pytest.mark.parametrize("size", ["1b", "3b", "8b"])
def test_dry_run_of_the_shipped_specs(size, tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRS", str(tmp_path))
    file = str(ROOT / f"experiments/laconic_{size}_train.toml")
    found = CliRunner().invoke(cli.app, ["fits", file])
    phases = [line.split()[:2] for line in found.output.splitlines()]
    assert ["laconic", "training"] in phases, found.output
    assert ["twin", "finetuning"] in phases
    assert CliRunner().invoke(cli.app, ["fits", file, "--memory", "1"]).exit_code == 1
