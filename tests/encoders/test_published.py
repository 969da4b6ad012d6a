"""Checkpoints as they are published: no tokenizer, merged weights or an adapter; all routes give the same vectors."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from step_results import stored
from typer.testing import CliRunner

from harness.cli import app as cli
from harness.encoders.laconic import Laconic, LaconicParams
from harness.encoders.weights.pretrained import Backbone
from harness.errors import UserError
from harness.pipeline.plan.pins import moving, used
from harness.pipeline.results.gather import _revision
from harness.pipeline.steps.fit import fitted


@pytest.fixture(scope="module")
def published(llama_folder, tmp_path_factory):
    """Folders: the base's weights, its tokenizer alone, an adapter of peft, and that adapter merged by peft."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    root = tmp_path_factory.mktemp("published")
    for name in ("base", "tokenizer"):
        (root / name).mkdir()
    for file in llama_folder.iterdir():
        shutil.copy(file, root / ("tokenizer" if file.name.startswith("tokenizer") else "base"))
    torch.manual_seed(1)
    config = LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules=["q_proj", "v_proj", "down_proj"],
        rank_pattern={"v_proj": 2},
        alpha_pattern={"down_proj": 3},
    )
    model = get_peft_model(LlamaForCausalLM.from_pretrained(root / "base"), config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(root / "adapter")
    model.merge_and_unload().save_pretrained(root / "merged")
    return root


def vectors(tmp_path, texts, **backbone):
    maker = Laconic(LaconicParams(backbone=backbone, document_length=20))
    tmp_path.mkdir(parents=True)
    maker.fit(tmp_path)
    return maker.load(tmp_path).encode_documents(texts).toarray()


def test_every_route_gives_the_same_vectors(published, llama_folder, tmp_path, texts):
    tokenizer = str(published / "tokenizer")
    base, merged, adapter = (str(published / name) for name in ("base", "merged", "adapter"))
    plain = vectors(tmp_path / "plain", texts, model=base, tokenizer=tokenizer)
    np.testing.assert_array_equal(plain, vectors(tmp_path / "whole", texts, model=str(llama_folder)))
    by_peft = vectors(tmp_path / "merged", texts, model=merged, tokenizer=tokenizer)
    ours = vectors(tmp_path / "adapter", texts, model=base, tokenizer=tokenizer, adapter=adapter)
    assert np.abs(by_peft - plain).max() > 0.1
    np.testing.assert_allclose(ours, by_peft, atol=1e-5)


def test_the_adapter_of_a_bare_backbone_and_the_root_of_the_rank(published, tmp_path, texts):
    """peft names the modules of LlamaModel without the outer `model.`."""
    from safetensors.torch import load_file, save_file

    one, other = tmp_path / "one", tmp_path / "other"
    shutil.copytree(published / "adapter", one)
    shutil.copytree(published / "adapter", other)
    whole = json.loads((one / "adapter_config.json").read_text())
    config = whole | {"alpha_pattern": {}, "rank_pattern": {}, "target_modules": ["q_proj"]}
    tensors = load_file(one / "adapter_model.safetensors")
    half = {name: tensor for name, tensor in tensors.items() if "q_proj" in name}
    save_file(half, one / "adapter_model.safetensors")
    (one / "adapter_config.json").write_text(json.dumps(config))
    bare = {name.replace("model.model.", "model."): tensor for name, tensor in half.items()}
    save_file(bare, other / "adapter_model.safetensors")
    (other / "adapter_config.json").write_text(json.dumps(config | {"use_rslora": True, "lora_alpha": 4}))
    known = {"model": str(published / "base"), "tokenizer": str(published / "tokenizer")}
    found = [vectors(tmp_path / f"{a.name}v", texts, **known, adapter=str(a)) for a in (one, other)]
    np.testing.assert_allclose(*found, atol=1e-6)


def test_the_content_of_an_adapter_decides_the_fingerprint(published, tmp_path):
    copy = tmp_path / "adapter"
    shutil.copytree(published / "adapter", copy)
    backbone = Backbone(model=str(published / "base"), adapter=str(copy))
    before = backbone.fingerprint()
    (copy / "adapter_config.json").write_text("{}")
    assert before != backbone.fingerprint()


def broken(published, tmp_path, config=None, tensors=None):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "broken"
    shutil.copytree(published / "adapter", folder)
    found = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(found | (config or {})))
    weights = load_file(folder / "adapter_model.safetensors")
    save_file({**weights, **(tensors or {})}, folder / "adapter_model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("config", "tensors", "message"),
    [
        ({"peft_type": "IA3"}, None, "not a plain LoRA"),
        ({"use_dora": True}, None, "use_dora"),
        (None, {"base_model.model.model.norm.weight": torch.ones(3)}, "no part of a plain LoRA"),
        (None, {"base_model.model.model.layers.0.x.lora_A.weight": torch.ones(3, 2)}, "does not have"),
        (
            None,
            {f"base_model.model.model.layers.0.self_attn.q_proj.lora_{p}.weight": torch.ones(7, 7) for p in "AB"},
            "another size",
        ),
    ],
)
def test_adapters_that_cannot_be_added(published, tmp_path, config, tensors, message):
    folder = broken(published, tmp_path, config, tensors)
    with pytest.raises(UserError, match=message) as error:
        vectors(
            tmp_path / "m",
            ["a"],
            model=str(published / "base"),
            tokenizer=str(published / "tokenizer"),
            adapter=str(folder),
        )
    assert "merge_and_unload" in str(error.value)


def test_an_adapter_named_as_a_model_and_a_model_named_as_an_adapter(published):
    with pytest.raises(UserError, match=r"adapter without its base(.|\n)*adapter = "):
        Backbone(model=str(published / "adapter")).open()
    with pytest.raises(UserError, match=r"no adapter_config.json"):
        Backbone(model=str(published / "base"), adapter=str(published / "merged")).open()


def test_weights_without_their_tokenizer(published):
    with pytest.raises(UserError, match=r"ships no tokenizer.json(.|\n)*Llama-3 base model"):
        Backbone(model=str(published / "merged")).open()


@pytest.mark.parametrize("key", ["tokenizer", "adapter"])
def test_the_hub_out_of_reach(published, monkeypatch, key):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    given = {key: "owner/none", f"{key}_revision": "abc123"}
    with pytest.raises(UserError, match=rf"backbone.{key}(.|\n)*hf download owner/none --revision abc123"):
        Backbone(model=str(published / "base"), **given).open()


COMMITS = {name: digit * 40 for name, digit in (("base", "a"), ("tokenizer", "b"), ("adapter", "c"))}


@pytest.fixture
def cached(published, tmp_path, monkeypatch):
    """The Hub's cache as it is after a download, without network: owner/base, owner/tokenizer and owner/adapter."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for name, commit in COMMITS.items():
        repository = tmp_path / "hub" / f"models--owner--{name}"
        shutil.copytree(published / name, repository / "snapshots" / commit)
        (repository / "refs").mkdir()
        (repository / "refs/main").write_text(commit)


def test_a_model_of_the_hub_says_which_commits_it_was(cached, published, tmp_path, texts):
    names = {"model": "owner/base", "tokenizer": "owner/tokenizer", "adapter": "owner/adapter"}
    maker = Laconic(LaconicParams(backbone=names, document_length=20))
    (tmp_path / "made").mkdir()
    facts = maker.fit(tmp_path / "made")
    assert facts["commits"] == {f"owner/{name}": commit for name, commit in COMMITS.items()}
    folders = {key: str(published / name.rpartition("/")[2]) for key, name in names.items()}
    found = maker.load(tmp_path / "made").encode_documents(texts).toarray()
    np.testing.assert_array_equal(found, vectors(tmp_path / "again", texts, **folders))
    encoder = SimpleNamespace(name="mine[x=1]", base="mine", type="laconic", params=maker.params)
    stages = SimpleNamespace(system=SimpleNamespace(encoder=encoder), fit=SimpleNamespace(key="k"))
    made = fitted(facts, 1.0)
    done = {"k": SimpleNamespace(artefact=stored(made))}
    notes = moving([stages], done)
    assert [commit in note for note, commit in zip(notes, COMMITS.values(), strict=True)] == [True] * 3
    keys = {"revision": "base", "tokenizer_revision": "tokenizer", "adapter_revision": "adapter"}
    assert sorted(used([stages, stages], done)) == sorted(
        f"encoders.mine.backbone.{key}={COMMITS[name]}" for key, name in keys.items()
    )
    assert _revision(encoder, made) == COMMITS["base"]
    encoder.params = LaconicParams(backbone={**names, "revision": "a", "adapter_revision": "c"})
    assert len(moving([stages], done)) == 1
    encoder.params = LaconicParams(backbone={**names, "revision": COMMITS["base"]})
    assert _revision(encoder, None) == COMMITS["base"]
    assert Backbone(**folders).open().commits == {}
    with pytest.raises(UserError, match="hf download owner/base --revision ffff"):
        Backbone(model="owner/base", revision="f" * 40).open()


def test_names_that_move_are_pinned(tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(
        huggingface_hub.HfApi,
        "model_info",
        lambda self, name: SimpleNamespace(sha=f"commit-of-{name.rpartition('/')[2]}"),
    )
    spec = str(Path(__file__).parents[2] / "experiments/suites.toml")
    found = CliRunner().invoke(cli.app, ["pin", spec]).output.split()
    assert found == [
        word
        for size, base in (("1b", "Llama-3.2-1B"), ("3b", "Llama-3.2-3B"), ("8b", "Llama-3.1-8B"))
        for key, name in (("revision", f"laconic-{size}"), ("tokenizer_revision", base))
        for word in ("--set", f"encoders.laconic-{size}.backbone.{key}=commit-of-{name}")
    ]  # the dense models are pinned in the spec
    again = CliRunner().invoke(cli.app, ["pin", spec, *found])
    assert again.output == "every model is pinned, or lies in a folder or a wheel\n"


def test_the_hub_that_does_not_answer(monkeypatch):
    import huggingface_hub

    def no_network(self, name):
        raise ConnectionError

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", no_network)
    spec = str(Path(__file__).parents[2] / "experiments/suites.toml")
    with pytest.raises(UserError, match=r"laconic-1b.backbone.revision(.|\n)*Hub is not reached(.|\n)*network"):
        CliRunner().invoke(cli.app, ["pin", spec], catch_exceptions=False)
