"""Collapses are seen while training, and told apart."""

import numpy as np
import pytest
import torch
from toy_training import run, settings

from harness.errors import UserError
from harness.training.objectives import similarity
from harness.training.watch import Watch


def test_collapses_are_told_apart():
    with pytest.raises(UserError, match="the ReLU died"):
        run("sparse", settings(steps=300, regularise_queries=1e3, regularise_documents=1e3), bias=-0.5)
    watch = Watch(settings(steps=100, regularise_warmup=0.2, collapse_patience=3), terms=50)
    everywhere = {"active_query": 30.0, "active_document": 26.0, "similarity": 0.5}
    for step in (10, 20, 40, 46, 47):
        watch.see(step, everywhere)
    watch.see(48, everywhere | {"active_document": 24.0})
    for step in (49, 50):
        watch.see(step, everywhere)
    with pytest.raises(UserError, match=r"from step 49 to 51: 52% of all terms are active in every passage"):
        watch.see(51, everywhere)
    with pytest.raises(UserError, match="the same everywhere") as error:
        run("dense", settings(steps=60), constant=True)
    assert "stop_on_collapse = false" in str(error.value)
    _, _, curve = run("dense", settings(steps=60, stop_on_collapse=False), constant=True)
    assert len(curve) == 60


def test_a_sound_training_is_let_alone():
    for kind in ("sparse", "dense"):
        run(kind, settings(steps=60, collapse_patience=1, warmup=0.3), bias=-30.0)


def test_similarity_is_the_mean_cosine_of_different_rows():
    rows = torch.randn(7, 5)
    unit = torch.nn.functional.normalize(rows, dim=1)
    plain = [float(unit[a] @ unit[b]) for a in range(7) for b in range(7) if a != b]
    assert similarity(rows) == pytest.approx(np.mean(plain), abs=1e-6)
    assert similarity(rows[:1]) == 0.0
