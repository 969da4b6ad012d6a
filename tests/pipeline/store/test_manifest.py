"""Manifests: what is written is read, and what is none is damage."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.pipeline.store.manifest import DamagedError, FileEntry, Manifest, read_manifest

TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FILES = st.dictionaries(TEXT, st.builds(FileEntry, st.integers(0), TEXT), max_size=3)
MANIFESTS = st.builds(
    Manifest, st.integers(), TEXT, TEXT, TEXT, JSON, JSON, st.floats(0, 1e9), st.integers(0), TEXT, FILES
)
WHOLE = {
    **{"format": 1, "key": "k", "kind": "fit", "label": "l", "recipe": {}, "result": None, "seconds": 1},
    **{"peak_bytes": 2, "created": "now", "files": {"files/a": {"bytes": 3, "sha256": "x"}}},
}
ANYTHING = {"recipe", "result"}
"""Any JSON may stand there."""


@given(MANIFESTS)
def test_a_manifest_is_read_as_it_was_written(manifest):
    assert read_manifest(manifest.text().encode("utf-8", "surrogatepass"), "here") == manifest
    assert manifest.bytes == sum(entry.bytes for entry in manifest.files.values())


def test_a_whole_one_is_read():
    manifest = read_manifest(json.dumps(WHOLE), "here")
    assert (manifest.seconds, manifest.bytes) == (1.0, 3)
    assert manifest.files == {"files/a": FileEntry(3, "x")}


FAULTS = [(name, "missing") for name in WHOLE] + [(name, "of another type") for name in WHOLE.keys() - ANYTHING]


@pytest.mark.parametrize(("name", "how"), sorted(FAULTS))
def test_a_field_that_is_missing_or_of_another_type_is_damage_and_named(name, how):
    table = {**WHOLE, name: [object.__name__, 1.5]}
    if how == "missing":
        del table[name]
    with pytest.raises(DamagedError, match=r"^here: not a manifest") as caught:
        read_manifest(json.dumps(table), "here")
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "5", '"text"', "[" * 100_000, '{"format": 1}', b"\xff\xfe\x00", b'{"\xff": 1}']
)
def test_what_is_no_manifest_is_damage(text):
    with pytest.raises(DamagedError, match=r"^here: "):
        read_manifest(text, "here")


def test_a_field_that_is_not_declared_is_damage():
    with pytest.raises(DamagedError, match="more: not declared"):
        read_manifest(json.dumps({**WHOLE, "more": 1}), "here")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_has_not_is_not_written(value):
    manifest = read_manifest(json.dumps(WHOLE), "here")
    with pytest.raises(ValueError, match="JSON"):
        Manifest(**{**vars(manifest), "result": {"a": value}}).text()
    with pytest.raises(TypeError):
        Manifest(**{**vars(manifest), "recipe": object()}).text()
