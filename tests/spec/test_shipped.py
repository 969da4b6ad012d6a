"""Specs that ship with the program, by name."""

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.experiment import checked_spec
from harness.spec import shipped


def test_a_name_is_the_shipped_file():
    path = shipped.spec_path(Path("quickstart"))
    assert path == shipped.shipped_specs()["quickstart"]
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert checked_spec("contract").name == "contract"


def test_a_path_that_exists_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("quickstart").write_text("")
    assert shipped.spec_path(Path("quickstart")) == Path("quickstart")


@pytest.mark.parametrize("given", ["quickstart.toml", "../quickstart", "a/quickstart", "/quickstart"])
def test_only_a_plain_name_is_looked_up(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    assert shipped.spec_path(Path(given)) == Path(given)


def test_an_unknown_name_brings_the_nearest():
    with pytest.raises(UserError) as caught:
        shipped.spec_path(Path("sciffact"))
    assert "did you mean 'scifact'?" in str(caught.value.remedy)


def test_an_installed_program_has_its_experiments_inside(tmp_path, monkeypatch):
    inside, beside = tmp_path / "harness" / "experiments", tmp_path / "experiments"
    for folder in (inside, beside):
        folder.mkdir(parents=True)
    monkeypatch.setattr(shipped, "FOLDERS", (inside, beside))
    (beside / "a.toml").write_text("")
    assert shipped.shipped_specs() == {"a": beside / "a.toml"}
    (inside / "a.toml").write_text("")
    assert shipped.shipped_specs() == {"a": inside / "a.toml"}
