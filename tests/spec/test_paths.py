"""Paths of a spec: a home and variables where there are some, one message where not."""

from pathlib import Path

import pytest

from harness.encoders.weights.source import local
from harness.errors import UserError
from harness.spec.paths import expanded, variables


def test_home_and_variables_are_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA", "sets")
    assert expanded("~/a", "path") == tmp_path / "a" and expanded("/b", "path") == Path("/b")
    assert expanded("~/${DATA}/${DATA}x/$DATA/5$", "path") == tmp_path / "sets/setsx/sets/5$"
    assert variables("${DATA}/$MORE and $5 or $") == {"DATA", "MORE"}


@pytest.mark.parametrize("read", [expanded, local])
def test_a_variable_that_is_not_set_is_named(monkeypatch, read):
    monkeypatch.delenv("DATA", raising=False)
    with pytest.raises(UserError, match="variable DATA is not set") as error:
        read("${DATA}", "path")
    assert error.value.key == "path"


def test_a_model_may_lie_where_a_variable_says(monkeypatch, tmp_path):
    (tmp_path / "small").mkdir()
    monkeypatch.setenv("MODELS", str(tmp_path))
    assert local("${MODELS}/small") == tmp_path / "small"
    with pytest.raises(UserError, match="there is no such model"):
        local("$MODELS/other")  # not a name on the Hub, though it has one slash


def test_a_user_without_a_home_is_told_so(monkeypatch):
    """As a container that gives a user a number alone."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}[0])
    for read in (expanded, local):
        with pytest.raises(UserError, match="there is no home for ~") as error:
            read("~/model", "backbone")
        assert error.value.key == "backbone" and error.value.remedy == "write the whole path"
