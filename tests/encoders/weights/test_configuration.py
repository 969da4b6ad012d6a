"""Configurations as transformers reads them, and what is said of those that it does not read."""

import json
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.encoders.backbones.llama import Shape, frequencies
from harness.encoders.llama_family.size import shape_of
from harness.encoders.weights.configuration import class_names, read_configuration
from harness.errors import UserError

SMALL = {
    "model_type": "llama", "vocab_size": 30, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "rope_theta": 7.0,
    "tie_word_embeddings": True, "eos_token_id": [2, 3],
}  # fmt: skip


def written(folder, content):
    (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def by_hand(config):
    """The shape as it was read from the file itself."""
    heads = config["num_attention_heads"]
    return (
        config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"], heads,
        config.get("num_key_value_heads", heads), config["vocab_size"], config.get("tie_word_embeddings", False),
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    heads=st.sampled_from([1, 2, 4]), size=st.sampled_from([2, 8, 16]), layers=st.integers(1, 5), tied=st.booleans(),
    keys=st.sampled_from([None, 1]), vocabulary=st.integers(5, 200), theta=st.floats(2, 1e6), own=st.booleans(),
    eps=st.floats(1e-9, 1e-3),
)  # fmt: skip
def test_it_is_what_the_file_says(tmp_path_factory, heads, size, layers, tied, keys, vocabulary, theta, own, eps):
    config = {
        "model_type": "llama", "num_attention_heads": heads, "hidden_size": heads * size, "intermediate_size": 24,
        "num_hidden_layers": layers, "vocab_size": vocabulary, "tie_word_embeddings": tied, "rope_theta": theta,
        "rms_norm_eps": eps,
    }  # fmt: skip
    config |= {} if keys is None else {"num_key_value_heads": keys}
    config |= {"head_dim": 2 * size} if own else {}
    folder = written(tmp_path_factory.mktemp("config"), config)
    found = read_configuration(folder, "backbone")
    ours, before = Shape.read(found), Shape.read(config)
    assert replace(ours, scaling=before.scaling) == before
    assert frequencies(ours).equal(frequencies(before))
    shape = shape_of(str(folder))
    sizes = (shape.layers, shape.hidden, shape.intermediate, shape.heads, shape.key_value_heads)
    assert by_hand(config) == (*sizes, shape.vocabulary, shape.tied)
    assert shape.head_width == before.head_size
    assert shape.maps[0] == (before.hidden, before.heads * before.head_size)


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ("{bad", "backbone", "no valid JSON"),
        ("[]", "backbone", "no model_type"),
        ({"hidden_size": 3}, "backbone", "no model_type"),
        ({"model_type": "never-heard-of"}, "backbone", "no model of type 'never-heard-of'"),
        (SMALL | {"hidden_size": "many"}, "hidden_size", "expected int, got str"),
        (SMALL | {"hidden_size": 33}, "backbone", "not a multiple of the number of attention heads"),
        (SMALL | {"rope_parameters": {"rope_type": "yarn"}}, "rope_parameters", "factor"),
        ({"model_type": "mine", "auto_map": {"AutoConfig": "own.Mine"}}, "backbone", "its own code"),
    ],
)
def test_a_bad_file_is_named_with_its_key_and_a_remedy(tmp_path, content, key, message):
    with pytest.raises(UserError, match=message) as error:
        read_configuration(written(tmp_path, content), "backbone")
    assert error.value.file == tmp_path / "config.json"
    assert error.value.key == key
    assert error.value.remedy
    assert "\n" not in error.value.what


def test_no_code_of_a_model_is_run(tmp_path):
    content = {**SMALL, "model_type": "mine", "auto_map": {"AutoConfig": "own.Mine"}}
    (tmp_path / "own.py").write_text("raise SystemExit('this ran')\nclass Mine: pass\n")
    before = set(sys.modules)
    with pytest.raises(UserError, match="not run here"):
        read_configuration(written(tmp_path, content), "backbone")
    assert not any("own" in name.split(".") for name in set(sys.modules) - before if "transformers_modules" in name)


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"no config\.json"):
        read_configuration(tmp_path, "backbone")
    assert shape_of(str(tmp_path)) is None
    assert shape_of("owner/unknown") is None


def test_a_model_without_the_sizes_of_a_llama(tmp_path):
    with pytest.raises(UserError, match="'gpt2' does not say its size") as error:
        shape_of(str(written(tmp_path, {"model_type": "gpt2"})))
    assert error.value.key == "num_hidden_layers" or error.value.key == "intermediate_size"


def test_layers_are_cut_and_never_added(tmp_path):
    folder = str(written(tmp_path, SMALL))
    assert (shape_of(folder).layers, shape_of(folder, 2).layers, shape_of(folder, 9).layers) == (3, 2, 3)


def test_classes_of_a_type():
    assert class_names("llama") == ("LlamaForCausalLM", "LlamaModel")
    assert class_names("qwen2") == ("Qwen2ForCausalLM", "Qwen2Model")
    assert class_names("distilbert") is None
    assert class_names("never-heard-of") is None


def test_a_plan_and_a_llama_s_encoding_do_without_transformers(tmp_path):
    """Its import takes seconds: a process that encodes with our own kernel, or looks at a known name, is spared it."""
    import subprocess

    program = """
import sys
from harness.encoders.laconic import Laconic, LaconicParams
maker = Laconic(LaconicParams(backbone="meta-llama/Llama-3.2-1B", training={"steps": 1}))
assert maker.announced().parameters > 1e9
assert maker.training_memory()["training"].total > 1e9
maker.libraries_with(maker.params), maker.modules(maker.params), maker.fingerprint()
print("transformers" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
