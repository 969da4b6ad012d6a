"""Small specs, and what is said of wrong ones."""

import pytest

from harness.errors import UserError
from harness.pipeline.plan.registries import REGISTRIES
from harness.spec.load import load_spec

HEAD = 'name = "x"\n'
TABLES = """[collections.c]
type = "synthetic"
documents = 10
[encoders.e]
type = "bm25"
[indexes.i]
type = "inverted"
[[systems]]
name = "s"
encoder = "e"
index = "i"
"""
CLAIM = {"name": "n", "metric": "index_bytes", "system": "s", "baseline": "s", "ratio_at_most": 1.5}


def toml(value):
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    return str(value)


def load(tmp_path, text, overrides=()):
    file = tmp_path / "x.toml"
    file.write_text(text)
    return load_spec(file, REGISTRIES, overrides)


def refused(tmp_path, text, overrides=()):
    with pytest.raises(UserError) as caught:
        load(tmp_path, text, overrides)
    assert caught.value.file == tmp_path / "x.toml"
    assert caught.value.remedy
    return caught.value


def line(text, beginning):
    """The number of the first line that begins so."""
    return next(number for number, row in enumerate(text.splitlines(), 1) if row.startswith(beginning))
