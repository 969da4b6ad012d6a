"""The options of `run` that are checked before any work."""

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import UserError


def run(*arguments):
    return CliRunner().invoke(app, ["run", "missing.toml", *arguments], catch_exceptions=False)


@pytest.mark.parametrize("name", ["failed", "disturbed", "not-in-turns", "apart"])
def test_each_name_of_what_is_done_again_is_known(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"missing\.toml"):
        run("--retry", name)


def test_an_unknown_name_is_answered_with_those_that_are_allowed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="'later' is unknown") as refused:
        run("--retry", "later")
    assert refused.value.remedy == "allowed: failed, disturbed, not-in-turns"
