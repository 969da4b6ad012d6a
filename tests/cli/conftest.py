"""What tests of several commands need."""

import pytest
from small_specs import system, write_spec


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a spec, as the working directory."""
    monkeypatch.chdir(tmp_path)
    write_spec(tmp_path, systems=[system("s")])
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    return tmp_path
