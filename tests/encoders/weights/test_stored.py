"""Safetensors by our own hands: what the library writes and reads, damage, and files taken over."""

import json
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from harness.encoders.weights.stored import (
    INDEX,
    check_whole,
    load_tensors,
    most_used,
    read_header,
    stored_dtype,
    take_over,
    weight_files,
    write_tensors,
)
from harness.errors import UserError

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=9).filter(lambda name: name != "__metadata__"),
    st.tuples(st.lists(st.integers(0, 4), max_size=3), st.sampled_from(DTYPES)),
    max_size=5,
)


@settings(deadline=None, max_examples=60)
@given(sizes=TENSORS)
def test_the_library_and_we_read_what_the_other_writes(tmp_path_factory, sizes):
    folder = tmp_path_factory.mktemp("files")
    tensors = {name: torch.randn(shape).to(dtype) for name, (shape, dtype) in sizes.items()}
    save_file(tensors, folder / "theirs")
    header = read_header(folder / "theirs")
    assert {tensor.name: tensor.shape for tensor in header} == {name: tuple(t.shape) for name, t in tensors.items()}
    write_tensors(folder / "ours", [(tensor.name, tensor) for tensor in header], lambda _, tensor: tensor.read())
    for file in ("ours", "theirs"):
        for back in (load_file(folder / file), load_tensors(folder / file, None, "cpu")):
            assert back.keys() == tensors.keys()
            assert all(torch.equal(back[name], tensors[name]) for name in tensors)
            assert all(back[name].dtype == tensors[name].dtype for name in tensors)
    for dtype in DTYPES:
        converted = load_tensors(folder / "ours", dtype, "cpu")
        assert all(torch.equal(converted[name], tensors[name].to(dtype)) for name in tensors)


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, 400), garbage=st.binary(max_size=40))
def test_a_damaged_file_is_named(tmp_path_factory, cut, garbage):
    file = tmp_path_factory.mktemp("files") / "model.safetensors"
    save_file({"a": torch.zeros(3, 4), "b": torch.ones(5)}, file)
    whole = file.read_bytes()
    file.write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(UserError, match="damaged") as error:
        read_header(file)
    assert error.value.file == file and error.value.remedy
    file.write_bytes(len(garbage).to_bytes(8, "little") + garbage)
    with pytest.raises(UserError, match="damaged"):
        read_header(file)


def test_the_files_of_an_index_are_those_of_the_model(tmp_path):
    for name in ("consolidated", "model-1", "model-2"):
        save_file({name: torch.zeros(1)}, tmp_path / f"{name}.safetensors")
    assert len(weight_files(tmp_path)) == 3
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"a": "model-2.safetensors", "b": "model-1.safetensors"}}))
    assert [file.name for file in weight_files(tmp_path)] == ["model-1.safetensors", "model-2.safetensors"]
    (tmp_path / INDEX).write_text("{half")
    with pytest.raises(UserError, match="damaged"):
        weight_files(tmp_path)
    (tmp_path / INDEX).unlink()
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert [file.name for file in weight_files(tmp_path)] == ["model.safetensors"]


@pytest.fixture
def sharded(tmp_path):
    """A folder of two shards and their index."""
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for number, name in enumerate(names):
        save_file({f"weight.{number}": torch.zeros(512)}, tmp_path / name)
    index = {"weight_map": {f"weight.{number}": name for number, name in enumerate(names)}}
    (tmp_path / INDEX).write_text(json.dumps(index))
    return tmp_path


@pytest.mark.parametrize(
    ("damage", "file", "message"),
    [
        ("gone", "model-00002-of-00002.safetensors", "the file is missing; .* names 2 files"),
        ("cut", "model-00002-of-00002.safetensors", "it has [0-9]+ of [0-9]+ bytes"),
        ("other", "model-00002-of-00002.safetensors", "the file has no 'weight.1'"),
        ("whole", "model.safetensors", "two versions of the weights"),
        ("stale", "model-00001-of-00002.safetensors", "the file is missing"),
    ],
)
def test_shards_that_are_not_whole_are_named(sharded, damage, file, message):
    assert len(check_whole(sharded)) == 2
    second = sharded / "model-00002-of-00002.safetensors"
    if damage == "gone":
        second.unlink()
    if damage == "cut":
        second.write_bytes(second.read_bytes()[:-1000])
    if damage == "other":
        save_file({"weight.9": torch.zeros(512)}, second)
    if damage in ("whole", "stale"):
        save_file({"weight.0": torch.zeros(1), "weight.1": torch.zeros(1)}, sharded / "model.safetensors")
    if damage == "stale":
        for shard in sharded.glob("model-*"):
            shard.unlink()
    with pytest.raises(UserError, match=message) as error:
        check_whole(sharded)
    assert error.value.file == sharded / file and error.value.key == "model" and error.value.remedy


def test_the_dtype_of_most_weights_is_that_of_the_model(tmp_path):
    (tmp_path / "0_Transformer").mkdir()
    parts = {
        "half": torch.zeros(9, dtype=torch.bfloat16),
        "norm": torch.zeros(2),
        "ids": torch.zeros(99, dtype=torch.int64),
    }
    save_file(parts, tmp_path / "0_Transformer" / "model.safetensors")
    assert stored_dtype(tmp_path) == torch.bfloat16
    back = load_tensors(tmp_path / "0_Transformer" / "model.safetensors", torch.float16, "cpu")
    assert {name: tensor.dtype for name, tensor in back.items()} == {
        "half": torch.float16, "norm": torch.float16, "ids": torch.int64
    }  # fmt: skip
    assert most_used([]) == "float32"


def test_a_file_is_taken_over_without_being_written_again(tmp_path, monkeypatch):
    source, link, target = (tmp_path / name for name in ("source", "link", "target"))
    source.write_bytes(b"weights")
    link.symlink_to(source)
    take_over(link, target)
    assert target.samefile(source) and not target.is_symlink()

    def other_disk(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_disk)
    take_over(link, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"weights" and not source.samefile(tmp_path / "copy")
