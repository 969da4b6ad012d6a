"""Devices and dtypes by name: what is there, what a cluster gave, what `auto` is."""

import pytest
import torch
from pydantic import ValidationError

from harness.encoders import hardware
from harness.encoders.hardware import ASSIGNED, Hardware, arithmetic, present
from harness.errors import UserError


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.mps, "is_available", lambda: False)
    monkeypatch.delenv(ASSIGNED, raising=False)


def test_a_device_that_is_not_there_is_named_with_those_that_are(two_gpus):
    assert present(["cuda", "cuda:1", "cpu"]) == ["cuda:0", "cuda:1", "cpu"]
    with pytest.raises(UserError, match="no device 'cuda:2' here") as error:
        present(["cuda:0", "cuda:2"])
    assert "device" in str(error.value) and "this machine has cpu, cuda:0, cuda:1" in str(error.value)


def test_without_a_gpu_there_is_the_processor_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert present(["cpu"]) == ["cpu"]
    with pytest.raises(UserError, match="no device 'cuda' here"):
        present(["cuda"])


def test_a_cluster_counts_its_gpus_from_zero(two_gpus, monkeypatch):
    monkeypatch.setenv(ASSIGNED, "1")
    assert present(["cuda:5"]) == ["cuda:0"]
    assert present(["cuda:10", "cuda:9", "cpu"]) == ["cuda:1", "cuda:0", "cpu"]
    with pytest.raises(UserError, match="no device 'cuda:3' here"):
        present(["cuda:1", "cuda:2", "cuda:3"])


@pytest.mark.parametrize(
    ("device", "gpus"),
    [("cpu", 0), ("mps", 0), ("cuda", 1), (["cuda", "cuda:0"], 1), (["cuda:0", "cuda:3", "cpu"], 2), ([], 0)],
)
def test_gpus_are_counted_once(device, gpus):
    assert Hardware(device=device).gpus == gpus
    assert Hardware(device=device).devices


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", ["cpu", "tpu"]])
def test_a_name_that_is_no_device_is_refused(device):
    with pytest.raises(ValidationError):
        Hardware(device=device)


@pytest.mark.parametrize(
    ("asked", "device", "stored", "fast", "dtype"),
    [
        ("float32", "cuda:0", torch.bfloat16, True, torch.float32),
        ("float16", "cpu", torch.float32, False, torch.float16),
        ("auto", "cpu", torch.bfloat16, True, torch.bfloat16),
        ("auto", "cpu", torch.bfloat16, False, torch.float32),
        ("auto", "cpu", torch.float16, True, torch.float32),
        ("auto", "cpu", torch.float32, True, torch.float32),
        ("auto", "cuda:0", torch.bfloat16, False, torch.bfloat16),
        ("auto", "cuda:0", torch.float16, False, torch.float16),
        ("auto", "cuda:0", torch.float64, False, torch.float32),
    ],
)
def test_auto_is_the_dtype_of_the_file_where_the_device_multiplies_it(monkeypatch, asked, device, stored, fast, dtype):
    monkeypatch.setattr(hardware, "multiplies_bfloat16", lambda: fast)
    assert arithmetic(asked, device, stored) == dtype
