"""This process as a client of a hub on loopback, with a cache of its own and without waiting between tries."""

import time
from types import SimpleNamespace

import pytest
from loopback_hub import running


@pytest.fixture
def hub():
    with running() as made:
        yield made


@pytest.fixture
def client(hub, tmp_path, monkeypatch):
    """huggingface_hub of this process asks `hub`; `client.cache` is where it keeps files."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    cache = tmp_path / "hub-cache"
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    clock = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    for module in (_http, file_download):
        monkeypatch.setattr(module, "time", clock)
    return SimpleNamespace(cache=cache, hub=hub)
