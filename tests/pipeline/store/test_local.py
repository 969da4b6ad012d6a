"""The store keeps what was finished and finds what was damaged."""

import json

import pytest

from harness.errors import UserError
from harness.pipeline.store.local import DamagedError, Store


def keep(store, key="a" * 64, text="content"):
    with store.unfinished(key) as directory:
        (directory / "files/x.txt").write_text(text)
        return store.commit(
            directory,
            key=key,
            kind="build",
            label="build x",
            recipe={},
            result={"n": 1},
            seconds=2.0,
            peak_bytes=3 << 20,
        )


def test_kept_and_found(tmp_path):
    store = Store(tmp_path)
    assert store.get("a" * 64) is None
    kept = keep(store)
    assert Store(tmp_path).get("a" * 64) == kept
    assert (kept.files / "x.txt").read_text() == "content"
    assert list((tmp_path / "unfinished").iterdir()) == []


@pytest.mark.parametrize("name", ["files/x.txt", "manifest.json", "manifest.sha256"])
@pytest.mark.parametrize("how", ["flip", "cut", "remove"])
def test_damage_is_found_and_named(tmp_path, name, how):
    path = keep(Store(tmp_path)).directory / name
    data = path.read_bytes()
    if how == "remove":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if how == "cut" else bytes([data[0] ^ 1]) + data[1:])
    if (name, how) == ("manifest.json", "remove"):
        assert Store(tmp_path).get("a" * 64) is None
        return
    with pytest.raises(
        DamagedError, match="manifest.json" if how != "remove" and name == "manifest.sha256" else path.name
    ):
        Store(tmp_path).get("a" * 64)


def test_every_byte_of_a_manifest_counts(tmp_path):
    path = keep(Store(tmp_path)).directory / "manifest.json"
    good = path.read_bytes()
    for place in range(0, len(good), 7):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(DamagedError):
            Store(tmp_path).get("a" * 64)


def test_unwritable_store_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--store"):
        Store(tmp_path / "file")


def test_manifest_is_json_without_nan(tmp_path):
    store = Store(tmp_path)
    with store.unfinished("b" * 64) as directory, pytest.raises(ValueError, match="JSON"):
        store.commit(
            directory, key="b" * 64, kind="k", label="l", recipe={}, result={"x": float("nan")}, seconds=1, peak_bytes=1
        )
    assert not store.has("b" * 64)
    assert json.loads((keep(store).directory / "manifest.json").read_text())["result"] == {"n": 1}
