"""Damage to stored artefacts: of every kind, in every file, found before anything is read from them."""

import hashlib
import json
import os
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import KEY, keep

from harness.errors import UserError
from harness.pipeline.store.local import DamagedError, Store

FILES = {"a.bin": bytes(range(256)) * 40, "deep/er/b.txt": b"text", "empty": b""}


@pytest.fixture
def directory(tmp_path):
    return keep(Store(tmp_path / "store"), files=FILES).directory


def opened(directory):
    """What a new store says of the artefact in this directory."""
    return Store(directory.parents[2]).get(KEY)


def seal(directory, manifest):
    """Write a manifest with a checksum that fits it: what no accident makes."""
    body = manifest if isinstance(manifest, str) else json.dumps(manifest)
    (directory / "manifest.json").write_text(body)
    (directory / "manifest.sha256").write_text(hashlib.sha256(body.encode()).hexdigest())


def manifest_of(directory):
    return json.loads((directory / "manifest.json").read_text())


def test_an_artefact_holds_what_was_written_into_it(directory):
    found = opened(directory)
    assert {name: (found.files / name).read_bytes() for name in FILES} == FILES
    assert found.bytes == sum(map(len, FILES.values()))
    assert (found.result, found.seconds, found.peak_bytes) == ({"n": 1}, 2.0, 3 << 20)


@given(st.data())
@settings(max_examples=60)
def test_one_bit_anywhere_is_found(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("bit")
    directory = keep(Store(folder), files=FILES).directory
    names = ["manifest.json", "manifest.sha256", "files/a.bin", "files/deep/er/b.txt"]
    path = directory / data.draw(st.sampled_from(names))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(DamagedError, match="manifest" if path.name.startswith("manifest") else path.name):
        opened(directory)
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("how", ["longer", "missing", "a folder", "a dangling link"])
def test_a_file_that_is_not_what_it_was_is_named(directory, name, how):
    path = directory / "files" / name
    content = path.read_bytes()
    path.unlink()
    if how == "longer":
        path.write_bytes(content + b"\0")
    elif how == "a folder":
        path.mkdir()
    elif how == "a dangling link":
        path.symlink_to("nowhere")
    with pytest.raises(DamagedError, match=path.name):
        opened(directory)


def test_the_same_bytes_in_another_order_are_found(directory):
    path = directory / "files/a.bin"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(DamagedError, match=r"a\.bin: its checksum differs"):
        opened(directory)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "b" * 64},
        {"format": 2},
        {"files": None},
        {"files": ["files/a.bin"]},
        {"files": {"files/a.bin": 5}},
        {"files": {"files/a.bin": {}}},
    ],
    ids=str,
)
def test_a_manifest_that_says_something_else_is_refused_although_its_checksum_fits(directory, change):
    seal(directory, manifest_of(directory) | change)
    with pytest.raises(DamagedError, match=r"manifest\.json"):
        opened(directory)


@pytest.mark.parametrize("missing", ["key", "format", "files", "kind", "label", "seconds", "peak_bytes", "created"])
def test_a_manifest_without_an_entry_is_refused(directory, missing):
    manifest = manifest_of(directory)
    del manifest[missing]
    seal(directory, manifest)
    with pytest.raises(DamagedError, match="not a manifest"):
        opened(directory)


@pytest.mark.parametrize("body", ["[]", "5", "null", '"text"', "{}", "", "{", "[" * 100_000])
def test_json_that_is_no_manifest_is_damage(directory, body):
    seal(directory, body)
    with pytest.raises(DamagedError, match=r"manifest\.json"):
        opened(directory)


def test_a_manifest_in_another_encoding_is_damage(directory):
    (directory / "manifest.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(DamagedError, match=r"manifest\.json"):
        opened(directory)


@pytest.mark.parametrize("seal_bytes", [b"", b"0" * 64, b"\xff" * 32, b"no checksum\n"])
def test_a_seal_that_does_not_fit_is_damage(directory, seal_bytes):
    (directory / "manifest.sha256").write_bytes(seal_bytes)
    with pytest.raises(DamagedError, match="manifest"):
        opened(directory)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named(directory):
    (directory / "files/a.bin").chmod(0)
    with pytest.raises(DamagedError, match=r"a\.bin: Permission denied"):
        opened(directory)


def test_a_store_looks_once_and_a_new_one_looks_again(directory):
    store = Store(directory.parents[2])
    assert store.get(KEY) is not None
    (directory / "files/a.bin").write_bytes(b"x")
    assert store.get(KEY) is not None  # it was verified by this object
    with pytest.raises(DamagedError):
        opened(directory)


def test_a_damaged_artefact_can_be_removed_and_made_again(directory):
    (directory / "files/a.bin").write_bytes(b"x")
    store = Store(directory.parents[2])
    with pytest.raises(DamagedError):
        store.get(KEY)
    store.remove(KEY)
    assert store.get(KEY) is None
    assert keep(store, files=FILES) == opened(directory)


def test_a_file_beside_those_of_the_manifest_is_nobodys_business(directory):
    (directory / "files/left by a user").write_text("x")
    assert opened(directory) is not None


def test_a_link_is_never_stored(tmp_path):
    store = Store(tmp_path / "store")
    with pytest.raises(UserError, match="symbolic link") as caught, store.unfinished(KEY) as directory:
        (directory / "files/link").symlink_to("/etc/passwd")
        store.commit(directory, key=KEY, kind="k", label="l", recipe={}, result=None, seconds=1.0, peak_bytes=1)
    assert caught.value.file.name == "link"
    assert not store.has(KEY)


@pytest.mark.parametrize("note", ["", "{", "[]", "5", '{"status": "failed"}', '{"reason": "x"}', "\udcff"])
def test_a_note_of_a_failure_that_cannot_be_read_is_no_failure(tmp_path, note):
    store = Store(tmp_path)
    (tmp_path / "failures" / f"{KEY}.json").write_bytes(note.encode(errors="surrogateescape"))
    assert store.failure(KEY) is None


def test_failures_are_noted_replaced_and_forgotten(tmp_path):
    store = Store(tmp_path)
    assert store.failure(KEY) is None
    store.note_failure(KEY, "oom", "too much")
    store.note_failure(KEY, "failed", "wörds\nin two lines")
    assert Store(tmp_path).failure(KEY) == ("failed", "wörds\nin two lines")
    assert [path.name for path in (tmp_path / "failures").iterdir()] == [f"{KEY}.json"]
    keep(store)  # what was made did not fail
    assert store.failure(KEY) is None
    store.clear_failure(KEY)  # once more does no harm
