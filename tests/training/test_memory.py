"""A long training holds no more than a short one."""

import ctypes
import sys

import pytest
import torch

from harness.measure.memory import resident
from harness.training.loop import give_back


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library has no malloc_trim")
def test_what_is_free_is_given_back():
    """Every other block is freed, each too small to be mapped on its own: the heap keeps them until it is trimmed."""
    kept = [torch.ones(25_000) for _ in range(2000)]  # 100 kB each
    del kept[::2]
    before = resident().rss
    give_back()
    freed = before - resident().rss
    assert freed > 60e6, freed
    assert len(kept) == 1000


def test_where_there_is_nothing_to_call(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    give_back()


def test_the_loop_does_it(llama_folder, tmp_path, monkeypatch):
    from harness.collections.base import Pair
    from harness.encoders.dense_twin import DenseTwin, DenseTwinParams
    from harness.training import loop

    times = []
    monkeypatch.setattr(loop, "give_back", lambda: times.append(1))
    params = DenseTwinParams(backbone=str(llama_folder), training={"steps": 2 * loop.TRIMMED + 1, "pairs_per_step": 2})
    pairs = [Pair("sort the list", "fast sum of number"), Pair("find a path", "graph node tree")]
    DenseTwin(params).fit(tmp_path, pairs=iter(pairs), seed=1)
    assert len(times) == 2
