"""Versions of distributions, from their metadata."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from harness.versions import installed, required

ROOT = Path(__file__).parents[1]


def test_a_version_is_the_metadatas_and_a_distribution_that_is_not_there_has_none():
    assert installed("numpy") == version("numpy")
    assert installed("surely-not-installed") == "none"


def test_required_are_the_dependencies_and_no_extra():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w.-]+", text)[0] for text in declared["dependencies"]}
    assert {"torch", "numpy", "psutil"} <= names
    assert set(required()) == names
    assert list(required()) == sorted(required())
    assert "ray" not in required()
    assert required("surely-not-installed") == ()


def test_a_requirement_of_some_systems_alone_is_not_missed(tmp_path, monkeypatch):
    info = tmp_path / "has_markers-1.0.dist-info"
    info.mkdir()
    lines = [
        "Requires-Dist: always>=1",
        "Requires-Dist: dotted.name[extra]<3",
        "Requires-Dist: old; python_version<'3'",
    ]
    lines.append("Requires-Dist: more; extra == 'all'")
    (info / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.1", "Name: has-markers", "Version: 1.0", *lines, ""])
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert required("has-markers") == ("always", "dotted.name")
