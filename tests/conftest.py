"""A run directory whose truth is known."""

import pytest
from hypothesis import HealthCheck, settings
from tiny_models import llama_folder, texts
from whole_run import build

__all__ = ["llama_folder", "run_folder", "texts"]

# No test judges a time: examples may be slow to draw and to try on a machine in use.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture
def run_folder(tmp_path):
    return build(tmp_path / "run")
