"""Estimates of memory against bytes that torch holds, and what is said of specs that cannot be estimated."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from small_specs import HEAD, TABLES, load

from harness.errors import UserError
from harness.estimates.encoding_cost import Cost, cost_table
from harness.estimates.training_memory import memory_table, phases
from harness.training.estimate import Shape, training_memory
from harness.training.params import TrainingParams

SIZES = {
    "vocab_size": 100, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "tie_word_embeddings": True,
}  # fmt: skip
SHAPE = Shape(layers=2, hidden=32, intermediate=48, heads=4, key_value_heads=2, vocabulary=100, tied=True)


def test_gradients_and_moments_are_what_adamw_holds():
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    maps = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(LlamaForCausalLM(LlamaConfig(**SIZES)), LoraConfig(r=3, target_modules=maps))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    model(input_ids=torch.ones(1, 4, dtype=torch.long)).logits.sum().backward()
    optimizer.step()
    tensors = [p.grad for p in trained]
    tensors += [v for p in trained for name, v in optimizer.state[p].items() if name != "step"]
    estimated = training_memory(SHAPE, TrainingParams(lora_rank=3))
    assert estimated.training == sum(t.numel() * t.element_size() for t in tensors)
    assert estimated.weights == sum(p.numel() * p.element_size() for p in model.parameters())
    assert estimated.total == estimated.weights + estimated.training + estimated.activations + estimated.head


@pytest.mark.skipif(sys.platform != "linux", reason="a process' peak is set back through /proc")
@pytest.mark.parametrize("name", ["wide, sparse, gradient caching", "wide, sparse"])
def test_a_process_takes_what_is_estimated(name):
    file = Path(__file__).parents[1] / "scale/training_memory.py"
    estimated, real = runpy.run_path(str(file))["compared"](name)
    assert estimated == pytest.approx(real, rel=0.1)


def spec(tmp_path, encoder):
    text = TABLES.replace('[encoders.e]\ntype = "bm25"\n', f"[encoders.e]\n{encoder}\n")
    return load(tmp_path, HEAD + text)


def folder(tmp_path, **changes):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps({"model_type": "llama", **SIZES, **changes}))
    return f'type = "laconic"\nbackbone = "{tmp_path / "model"}"\npairs = "c"\ntraining = {{steps = 1}}'


def test_each_phase_of_a_folder_is_estimated(tmp_path):
    (phase,) = phases(spec(tmp_path, folder(tmp_path)))
    assert (phase.encoder, phase.name) == ("e", "training")
    assert phase.memory == training_memory(SHAPE, TrainingParams(steps=1))
    head, rows = memory_table([phase], phase.memory.total / 1e9)
    assert len(head) == len(rows[0]) and rows[0][:2] == ["e", "training"] and rows[0][-1] == "fits"
    assert memory_table([phase], 0)[1][0][-1] == "more than 0 GB"


def test_a_config_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match="expected int") as error:
        phases(spec(tmp_path, folder(tmp_path, hidden_size="many")))
    assert error.value.file == tmp_path / "model" / "config.json"
    assert error.value.key == "hidden_size"


def test_a_backbone_without_a_known_shape_and_a_spec_without_training(tmp_path):
    unknown = 'type = "laconic"\nbackbone = "owner/unknown"\npairs = "c"\ntraining = {steps = 1}'
    with pytest.raises(UserError, match="shape of the backbone") as error:
        phases(spec(tmp_path, unknown))
    assert error.value.key == "encoders.e.backbone.model" and error.value.file == tmp_path / "x.toml"
    with pytest.raises(UserError, match="no encoder of this spec is trained"):
        phases(spec(tmp_path, 'type = "bm25"'))


def test_costs_are_summed_over_collections_and_the_unknown_is_left_out():
    rows = [
        Cost("one", "a", documents=10, tokens=1e6, operations=3.6e15, weight_bytes=2e9, vector_bytes=1e9),
        Cost("one", "b", documents=5, tokens=1e6, operations=3.6e15, weight_bytes=2e9, vector_bytes=2e9),
        Cost("two", "a", "how large the model is"),
    ]
    head, table = cost_table(rows, 1e12, 3.0)
    assert table == [["one", "2", "15", "2 M", "7.2e+15", "2", "6", "2.0 GB", "3 GB"]]
    assert len(head) == 9 and "price" in head
    head, table = cost_table(rows, 1e12, None)
    assert table[0] == ["one", "2", "15", "2 M", "7.2e+15", "2", "2.0 GB", "3 GB"] and "price" not in head
    assert cost_table(rows[2:], 1e12, None)[1] == []
