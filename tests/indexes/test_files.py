"""A saved index is opened whole or not at all."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.indexes.files import digest_of, map_array, save_array, seal, unseal


@pytest.fixture
def saved(tmp_path):
    save_array(tmp_path, "small", np.arange(3))
    save_array(tmp_path, "large", np.arange(5000, dtype=np.float32))
    seal(tmp_path, "toy", 2, {"rows": 3})
    return tmp_path


def test_facts_and_arrays_come_back(saved):
    assert unseal(saved, "toy", 2) == {"rows": 3}
    for name, wanted in (("small", np.arange(3)), ("large", np.arange(5000, dtype=np.float32))):
        array = map_array(saved, name, wanted.dtype.type)
        np.testing.assert_array_equal(array, wanted)
        assert array.dtype == wanted.dtype
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_byte_is_noticed(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("index")
    save_array(folder, "a", np.arange(4))
    seal(folder, "toy", 1, {"rows": 4, "name": "x"})
    file = data.draw(st.sampled_from(sorted(path.name for path in folder.iterdir())))
    content = bytearray((folder / file).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (folder / file).write_bytes(content)
    with pytest.raises(UserError) as caught:
        unseal(folder, "toy", 1)
    assert caught.value.remedy == "build the index again"


def test_missing_truncated_and_added(saved):
    (saved / "note.txt").write_text("not part of it")
    assert unseal(saved, "toy", 2) == {"rows": 3}
    content = (saved / "large.npy").read_bytes()
    (saved / "large.npy").write_bytes(content[:-1])
    with pytest.raises(UserError, match="missing, truncated or changed"):
        unseal(saved, "toy", 2)
    (saved / "large.npy").unlink()
    with pytest.raises(UserError, match="missing, truncated or changed"):
        unseal(saved, "toy", 2)


@pytest.mark.parametrize(("engine", "version"), [("toy", 1), ("toy", 3), ("other", 2)])
def test_another_engine_or_version(saved, engine, version):
    with pytest.raises(UserError, match=f"an index of toy version 2, not {engine} version {version}"):
        unseal(saved, engine, version)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"body": {}}', '{"sha256": 1, "body": 2}'])
def test_a_description_that_is_none(tmp_path, text):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(UserError):
        unseal(tmp_path, "toy", 1)
    assert not (tmp_path / "absent").exists()
    with pytest.raises(UserError, match="not a saved index"):
        unseal(tmp_path / "absent", "toy", 1)


def test_a_description_says_what_it_covers(saved):
    body = json.loads((saved / "index.json").read_text())["body"]
    assert body["files"].keys() == {"small.npy", "large.npy"}
    assert body["files"]["small.npy"] == [(saved / "small.npy").stat().st_size, digest_of(saved / "small.npy")]
