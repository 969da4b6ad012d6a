"""Paths of a spec: a home and variables where there are some, one message where not."""

from pathlib import Path

import pytest

from harness.encoders.weights.source import local
from harness.errors import UserError
from harness.spec.paths import at_home, expanded


def test_home_and_variables_are_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA", "sets")
    assert at_home("~/a", "path") == tmp_path / "a" and at_home("/b", "path") == Path("/b")
    assert expanded("~/${DATA}/${DATA}x", "path") == tmp_path / "sets" / "setsx"


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("DATA", raising=False)
    with pytest.raises(UserError, match="variable DATA is not set") as error:
        expanded("${DATA}", "path")
    assert error.value.key == "path"


def test_a_user_without_a_home_is_told_so(monkeypatch):
    """As a container that gives a user a number alone."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}[0])
    for read in (at_home, expanded, local):
        with pytest.raises(UserError, match="there is no home for ~") as error:
            read("~/model", "backbone")
        assert error.value.key == "backbone" and error.value.remedy == "write the whole path"
