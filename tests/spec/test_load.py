"""Specs: the schema, matrices, overrides, places."""

import contextlib
import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_specs import spec_text

from harness.errors import UserError
from harness.pipeline.plan.registries import REGISTRIES
from harness.spec.load import load_spec
from harness.spec.schema import json_schema
from harness.spec.toml import apply_overrides, key_text, line_of

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("*.toml"))
BASE = spec_text(
    name="x", collections={"c": {"type": "beir", "path": "somewhere"}},
    encoders={"bm25": {"type": "bm25", "matrix": {"k1": [0.9, 1.2], "b": [0.4, 0.75]}}},
    indexes={"inverted": {"type": "inverted", "matrix": {"weights": ["u8", "float32"]}}}, measure=None,
)  # fmt: skip


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_shipped_specs_load_and_fit_the_schema(path):
    load_spec(path, REGISTRIES)
    jsonschema.validate(tomllib.loads(path.read_text()), json_schema(REGISTRIES))


def test_schema_refuses_what_the_loader_refuses(tmp_path):
    schema = json_schema(REGISTRIES)
    jsonschema.Draft202012Validator.check_schema(schema)
    for old, new in (
        ('type = "bm25"', 'type = "bm25"\nk2 = 1'),
        ('name = "x"', 'name = "a/b"'),
        ('type = "inverted"', 'type = "inverte"'),
    ):
        text = BASE.replace(old, new, 1)
        file = tmp_path / "bad.toml"
        file.write_text(text)
        with pytest.raises(UserError):
            load_spec(file, REGISTRIES)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomllib.loads(text), schema)


def test_matrices_expand_to_their_product(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text(BASE)
    names = [system.name for system in load_spec(file, REGISTRIES).systems]
    assert len(names) == len(set(names)) == 8
    assert "lexical[k1=1.2, b=0.4, weights=float32]" in names


def test_overrides_change_the_spec(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text(BASE)
    spec = load_spec(file, REGISTRIES, ["measure.repeats=7", "collections.c.path=/else where", "systems[0].name=y"])
    assert spec.head.measure.repeats == 7
    assert spec.collections["c"].params.path == "/else where"
    for bad in ("measure.repeats", "systems[9].name=x", "name.x.y=1"):
        with pytest.raises(UserError, match="--set"):
            load_spec(file, REGISTRIES, [bad])


def test_places_are_found():
    assert line_of(BASE, ("encoders", "bm25", "matrix")) == 7
    assert line_of(BASE, ("systems", 0, "index")) == 14
    assert line_of(BASE, ("systems", 0, "nothing")) == 11
    assert line_of(BASE, ("absent",)) is None
    assert key_text(("systems", 2, "index")) == "systems[2].index"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[[claims]]\nname="a"\nmetric="ndcg@10"\nsystem="lexicl"\nbaseline="q"\nratio_at_most=1',
            "there is no system 'lexicl'",
        ),
        ('[[claims]]\nname="a"\nmetric="ndcg@10"\nsystem="q"\nbaseline="q"', "exactly one of"),
        (
            '[[systems]]\nname="lexical[k1=0.9, b=0.4, weights=u8]"\n'
            'encoder="bm25[k1=0.9, b=0.4]"\nindex="inverted[weights=u8]"',
            "appears twice",
        ),
        ('[collections.d]\npath="x"', "'type' is missing"),
        ("[encoders.e]\ntype='bm25'\nmatrix = { k1 = 3 }", "a list of values"),
        ("[encoders.e]\ntype='laconic'\npairs='nothing'\nbackbone='/x'", "no collection 'nothing' to train on"),
        ("[measure]\nthreads = 0", "measure.threads"),
    ],
)
def test_other_mistakes(tmp_path, text, words):
    file = tmp_path / "x.toml"
    file.write_text(BASE + text)
    with pytest.raises(UserError) as caught:
        load_spec(file, REGISTRIES)
    assert words in str(caught.value)
    assert "x.toml" in str(caught.value)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["name", "systems", "collections", "encoders", "indexes", "measure", "claims", "seed", "zzz"]), JSON
)
def test_no_content_gives_a_traceback(tmp_path_factory, key, value):
    content = tomllib.loads(BASE)
    content[key] = value
    file = tmp_path_factory.getbasetemp() / "fuzz.toml"
    file.write_text("")
    from harness.spec import load as module

    kept, module.read_toml = module.read_toml, lambda _: ("", json.loads(json.dumps(content)))
    try:
        with contextlib.suppress(UserError):
            load_spec(file, REGISTRIES)
    finally:
        module.read_toml = kept


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_no_override_gives_a_traceback(text):
    with contextlib.suppress(UserError):
        apply_overrides(tomllib.loads(BASE), [text])
