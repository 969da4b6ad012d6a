"""Specs that were made in Python, as TOML: what is written is read again."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.spec.write_toml import to_toml

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
leaves = st.one_of(
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False),
    texts,
    st.lists(st.integers(0, 9), max_size=3),
)
tables = st.recursive(
    st.dictionaries(texts, leaves, max_size=4),
    lambda inner: st.dictionaries(texts, st.one_of(leaves, inner, st.lists(inner, max_size=3)), max_size=4),
    max_leaves=12,
)


@given(tables)
def test_any_table_comes_back(content):
    assert tomllib.loads(to_toml(content)) == content


@given(st.lists(st.one_of(leaves, tables), max_size=4))
def test_lists_of_values_and_tables_come_back(values):
    assert tomllib.loads(to_toml({"a": values})) == {"a": values}


def test_paths_are_text_and_tuples_are_lists():
    assert tomllib.loads(to_toml({"a": Path("x/y"), "b": (1, 2)})) == {"a": "x/y", "b": [1, 2]}


def test_not_a_number_comes_back():
    value = tomllib.loads(to_toml({"a": float("nan")}))["a"]
    assert value != value


def test_values_stand_before_tables_and_systems_are_an_array():
    text = to_toml({"t": {"x": 1}, "systems": [{"a": 1}, {"a": 2}], "name": "n"})
    assert text.splitlines() == ['name = "n"', "[t]", "x = 1", "[[systems]]", "a = 1", "[[systems]]", "a = 2"]


@pytest.mark.parametrize("value", [None, object(), {1, 2}, b"x", 1j])
def test_what_toml_cannot_say_is_refused_by_key(value):
    with pytest.raises(UserError, match=r"encoders\.e\.x is") as caught:
        to_toml({"encoders": {"e": {"x": value}}})
    assert caught.value.key == "encoders.e.x"


def test_a_key_that_is_no_text_is_refused():
    with pytest.raises(UserError, match="has the key 1"):
        to_toml({"encoders": {1: "x"}})


def test_a_table_inside_itself_is_refused():
    content: dict = {}
    content["again"] = content
    with pytest.raises(UserError, match="too many tables"):
        to_toml(content)
    values: list = []
    values.append(values)
    with pytest.raises(UserError, match="too many values"):
        to_toml({"a": values})
