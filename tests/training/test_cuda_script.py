"""The checks of a training on a GPU, tried on the processor: that they run, pass there, and see what is wrong."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

FILE = Path(__file__).parents[1] / "bench/cuda_training.py"
SIZES = {"hidden": 32, "layers": 1, "terms": 96, "length": 8, "pairs": 8, "steps": 2}


@pytest.fixture
def script(monkeypatch):
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("cuda_training", FILE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "cuda_training", module)
    spec.loader.exec_module(module)
    return module


def test_all_checks_pass_where_both_sides_are_the_processor(script):
    found = list(script.checks("cpu", SIZES))
    assert len(found) == 3 + len(script.RECIPES) + 2
    assert [check.name for check in found if not check.passed] == []
    assert "losses differ by 0.0e+00" in next(check.result for check in found if check.name == "contrast")


def test_another_loss_on_the_other_side_is_seen(script, monkeypatch):
    real = script.trained

    def wrong(device, given, sizes, table=False):
        losses, weights, seconds = real(device, given, sizes, table)
        return [loss * (1 + 0.01 * len(calls)) for loss in losses], weights, calls.append(device) or seconds

    calls = []
    monkeypatch.setattr(script, "trained", wrong)
    assert not script.compared("contrast", "cpu", {}, SIZES).passed and calls == ["cpu", "cpu"]
