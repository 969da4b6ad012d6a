"""Models that lie: each is refused by name before a text is encoded, and nothing is written outside its own folder."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import save_tokenizer

from harness.encoders.llama_family.params import LlamaParams
from harness.encoders.weights.folder_modules import modules_of
from harness.encoders.weights.hub_files import from_hub
from harness.encoders.weights.inside import check_links, is_below
from harness.encoders.weights.pretrained import Backbone
from harness.encoders.weights.published_folder import Wish, check_networks, copy_model
from harness.encoders.weights.source import local
from harness.encoders.weights.stored import INDEX, MOST_HEADER, load_tensors, read_header, weight_files
from harness.encoders.weights.tokenizer_files import check_vocabulary
from harness.errors import UserError


@pytest.fixture
def folder(llama_folder, tmp_path):
    """A tiny Llama that a test may damage."""
    return shutil.copytree(llama_folder, tmp_path / "model")


def changed(folder, **keys):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))
    return folder


def made(folder, tmp_path):
    """What a run does with a backbone before it encodes."""
    from harness.encoders.laconic import Laconic

    params = {"backbone": {"model": str(folder)}, "query_length": 8, "document_length": 8}
    encoder = Laconic(Laconic.Params.model_validate(params))
    (tmp_path / "out").mkdir(exist_ok=True)
    encoder.fit(tmp_path / "out", corpus=None, pairs=None, seed=1, progress=lambda *_: None)


@pytest.mark.parametrize("layers", [4, 10**9])
def test_more_layers_than_weights(folder, tmp_path, layers):
    with pytest.raises(UserError, match=rf"it has {layers} layers, and there are weights of 3"):
        made(changed(folder, num_hidden_layers=layers), tmp_path)


def test_a_published_network_of_a_billion_layers(folder, tmp_path):
    changed(folder, num_hidden_layers=10**9, architectures=["LlamaModel"])
    with pytest.raises(UserError, match="the configuration has 1000000000 layers, and there are") as error:
        copy_model(folder, tmp_path / "copy", Wish("dense", "m", pooling="mean"))
        check_networks(tmp_path / "copy", "dense")
    assert error.value.key == "num_hidden_layers"


def test_a_tokenizer_of_another_model(tmp_path):
    size = save_tokenizer(tmp_path)
    text = (tmp_path / "tokenizer.json").read_text()
    for rows in (size, size + 1, 2 * size, None):
        check_vocabulary(text, rows, tmp_path, "backbone.tokenizer")
    for rows in (size - 1, 2 * size + 1):
        with pytest.raises(UserError, match=f"the tokenizer has {size} tokens.*embedding has {rows} rows") as error:
            check_vocabulary(text, rows, tmp_path, "backbone.tokenizer")
        assert (error.value.file, error.value.key) == (tmp_path, "backbone.tokenizer")


def test_a_backbone_with_the_tokenizer_of_another(folder, tmp_path):
    tensors = load_file(folder / "model.safetensors")
    tensors["model.embed_tokens.weight"] = tensors["model.embed_tokens.weight"][:9].clone()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    changed(folder, vocab_size=9)
    with pytest.raises(UserError, match="belongs to another model"):
        Backbone(model=str(folder)).open()
    with pytest.raises(UserError, match="belongs to another model"):
        copy_model(folder, tmp_path / "copy", Wish("dense", "m", pooling="mean"))
        check_networks(tmp_path / "copy", "dense")


@pytest.mark.parametrize(
    ("length", "message"), [(MOST_HEADER + 1, "the format allows"), (2**63, "the format allows"), (5000, "cut off")]
)
def test_headers_of_absurd_sizes(tmp_path, length, message):
    file = tmp_path / "model.safetensors"
    file.write_bytes(length.to_bytes(8, "little") + b"{}")
    os.truncate(file, 200_000_000)  # a hole: no room is taken, and the size alone allows the length
    if length == 5000:
        os.truncate(file, 100)
    with pytest.raises(UserError, match=message) as error:
        read_header(file)
    assert error.value.file == file


def test_what_the_formats_own_library_refuses_is_one_message(tmp_path):
    """A hole between two tensors, which the bytes and shapes do not show."""
    header = {
        name: {"dtype": "F32", "shape": [1], "data_offsets": place} for name, place in (("a", (0, 4)), ("b", (8, 12)))
    }
    text = json.dumps(header).encode()
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + bytes(12))
    with pytest.raises(UserError, match="the weights are damaged") as error:
        load_tensors(file, None, "cpu")
    assert error.value.file == file


@pytest.mark.parametrize("name", ["../other.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", 7, "x" * 5000])
def test_an_index_names_files_of_its_own_folder_alone(tmp_path, name):
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(UserError, match="the weights are damaged") as error:
        weight_files(folder)
    assert error.value.file == folder / INDEX


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "1_Pooling/../../x", "\\\\server"])
def test_modules_lie_in_the_model(tmp_path, path):
    (tmp_path / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Pooling", "path": path}]))
    with pytest.raises(UserError, match="leads out of the model's folder"):
        modules_of(tmp_path)
    router = [{"type": "sentence_transformers.models.Router", "path": "0_Router"}]
    (tmp_path / "modules.json").write_text(json.dumps(router))
    (tmp_path / "0_Router").mkdir()
    (tmp_path / "0_Router" / "router_config.json").write_text(json.dumps({"types": {path: "x.Dense"}}))
    with pytest.raises(UserError, match="of which modules"):
        modules_of(tmp_path)


@pytest.mark.parametrize("to", ["file outside", "folder outside", "folder inside", "nowhere", "itself"])
def test_links_out_of_a_model(folder, tmp_path, to):
    (tmp_path / "secret.json").write_text("{}")
    (folder / "inside").mkdir()
    targets = {
        "file outside": tmp_path / "secret.json", "folder outside": tmp_path, "folder inside": folder / "inside",
        "nowhere": tmp_path / "nowhere", "itself": folder / "inside" / "link.json",
    }  # fmt: skip
    link = folder / "inside" / "link.json"
    link.symlink_to(targets[to])
    with pytest.raises(UserError, match="the link leads") as error:
        local(str(folder), "backbone")
    assert (error.value.file, error.value.key) == (link, "backbone")
    with pytest.raises(UserError, match="the link leads"):
        LlamaParams.model_fields["backbone"].annotation(model=str(folder)).fingerprint()


def test_links_that_the_client_of_the_hub_makes_are_followed(tmp_path):
    blobs, snapshot = tmp_path / "models--o--m" / "blobs", tmp_path / "models--o--m" / "snapshots" / "c0ffee"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (blobs / "aa").write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/aa")
    check_links(snapshot, "model")
    (snapshot / "part").mkdir()
    (snapshot / "part" / "config.json").symlink_to("../../../blobs/aa")
    check_links(snapshot / "part", "model")
    (snapshot / "tokenizer.json").symlink_to("../../../outside")
    (tmp_path / "outside").write_text("{}")
    with pytest.raises(UserError, match="leads out of"):
        check_links(snapshot, "model")


@pytest.mark.parametrize("name", ["o/..", "../m", "o/m..", "..", "o/../m"])
def test_names_with_a_way_up_are_no_names_on_the_hub(tmp_path, monkeypatch, name):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if Path(name).exists():  # a folder that is there, and not the Hub's
        assert local(name) == Path(name)
        return
    with pytest.raises(UserError, match="there is no such model"):
        local(name)


@pytest.mark.parametrize("revision", ["../../main", "/etc", "a/../../b"])
def test_revisions_with_a_way_up(revision):
    with pytest.raises(UserError, match="can be no revision") as error:
        from_hub("o/m", revision, "backbone")
    assert error.value.key == "backbone" and not is_below(revision)
