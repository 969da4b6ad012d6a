"""Keys of stages."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.pipeline import stage as module
from harness.pipeline.stage import Stage, key_of

FUNCTION = "harness.pipeline.steps.prepare:prepare"
INPUT = Stage("prepare", "prepare a", FUNCTION, {"type": "beir"})
STAGE = Stage("encode", "encode a", FUNCTION, {"k": 1}, {"collection": INPUT}, libraries=("numpy",))

values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
recipes = st.dictionaries(st.text(), values | st.lists(values, max_size=3), max_size=5)


def test_keys_follow_content_not_order():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
    with pytest.raises(ValueError, match="JSON"):
        key_of({"a": float("nan")})


@given(recipes)
def test_a_key_is_of_a_recipe_in_any_order(recipe):
    assert key_of(recipe) == key_of(dict(reversed(recipe.items())))
    assert len(key_of(recipe)) == 64


@given(recipes, st.text(), values)
def test_any_other_value_gives_another_key(recipe, name, value):
    other = {**recipe, name: [value, "other"]}
    assert (key_of(other) == key_of(recipe)) == (recipe.get(name) == [value, "other"])


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "search"},
        {"function": "harness.pipeline.steps.prepare:prepare_pairs"},
        {"arguments": {"k": 2}},
        {"arguments": {"k": 1.0}},
        {"inputs": {"vectors": INPUT}},
        {"inputs": {"collection": replace(INPUT, arguments={"type": "pydoc"})}},
        {"inputs": {}},
        {"modules": ("harness.pipeline.steps.fit",)},
        {"libraries": ("numpy", "scipy")},
        {"about": {"machine": "another"}},
    ],
)
def test_all_that_decides_the_artefact_is_part_of_the_key(change):
    assert replace(STAGE, **change).key != STAGE.key


@pytest.mark.parametrize(
    "change",
    [
        {"label": "another"},
        {"measures": "time"},
        {"threads": 4},
        {"pinned": True},
        {"gpus": 1},
        {"after": (INPUT,)},
        {"resumable": True},
        {"round": "a 0"},
        {"holds": "a model"},
    ],
)
def test_how_and_where_a_stage_runs_is_no_part_of_the_key(change):
    assert replace(STAGE, **change).key == STAGE.key


def test_another_version_of_a_library_gives_another_key(monkeypatch):
    before = replace(STAGE).key
    monkeypatch.setattr(module, "installed", lambda name: f"{name} 0.0")
    assert replace(STAGE).key != before
    assert replace(STAGE, libraries=()).key == replace(STAGE, libraries=()).key


def test_another_code_gives_another_key_but_a_stage_keeps_its_own(monkeypatch):
    made = replace(STAGE)
    before = made.key
    monkeypatch.setattr(module, "code_version", lambda modules: "another")
    assert made.key == before, "a run does not change its mind while it goes on"
    assert replace(STAGE).key != before


@pytest.mark.parametrize(("arguments", "seed"), [({"seed": 7}, 7), ({}, 0), ({"seed": None}, 0), ({"seed": "7"}, 0)])
def test_the_seed_is_among_the_arguments(arguments, seed):
    assert replace(STAGE, arguments=arguments).seed == seed
