"""Artefacts in a store that several machines reach: pushed whole, pulled whole, and never out of their folder."""

import json
from uuid import uuid4

import pytest
from stored import KEY, keep

from harness.errors import UserError
from harness.pipeline.store.local import DamagedError, Store

pytest.importorskip("fsspec", reason="fsspec is not installed")
from harness.pipeline.store.shared import SharedStore

FILES = {"a.bin": bytes(range(256)), "deep/b.txt": b"text", "empty": b""}


@pytest.fixture(params=["folder", "memory"])
def shared(request, tmp_path):
    """A shared store: in a folder, and in fsspec's own file system in memory."""
    if request.param == "folder":
        return SharedStore(str(tmp_path / "shared"))
    return SharedStore(f"memory://{uuid4().hex}")


@pytest.fixture
def artefact(tmp_path):
    return keep(Store(tmp_path / "here"), files=FILES)


@pytest.fixture
def there(tmp_path):
    """The store of another machine."""
    return Store(tmp_path / "there")


def path_of(shared, name):
    return f"{shared.root}/objects/{KEY[:2]}/{KEY}/{name}"


def change(shared, **entries):
    """Change entries of the stored manifest."""
    manifest = json.loads(shared.files.cat_file(path_of(shared, "manifest.json"))) | entries
    shared.files.pipe_file(path_of(shared, "manifest.json"), json.dumps(manifest).encode())


def left(store):
    return sorted(path.name for path in (store.root / "unfinished").iterdir())


def test_what_was_pushed_is_pulled_as_it_was(shared, artefact, there):
    assert not shared.has(KEY)
    assert shared.manifest(KEY) is None
    assert shared.described(KEY, there) is None
    shared.push(artefact)
    assert shared.has(KEY)
    found = shared.pull(KEY, there)
    assert {name: (found.files / name).read_bytes() for name in FILES} == FILES
    assert (found.kind, found.label, found.result, found.seconds) == ("build", "build x", {"n": 1}, 2.0)
    assert Store(there.root).get(KEY) == found
    assert left(there) == []


def test_what_its_stage_said_is_known_without_the_files(shared, artefact, there):
    shared.push(artefact)
    found = shared.described(KEY, there)
    assert (found.bytes, found.result, found.created) == (artefact.bytes, artefact.result, artefact.created)
    assert not found.directory.exists()


def test_what_is_there_already_is_not_fetched_again(shared, artefact, there, monkeypatch):
    shared.push(artefact)
    first = shared.pull(KEY, there)
    monkeypatch.setattr(type(shared.files), "get_file", lambda *_, **__: pytest.fail("it was fetched"))
    assert shared.pull(KEY, there) == first


def test_a_damaged_local_copy_is_fetched_again(shared, artefact, there):
    shared.push(artefact)
    (shared.pull(KEY, there).files / "a.bin").write_bytes(b"x")
    again = shared.pull(KEY, Store(there.root))
    assert (again.files / "a.bin").read_bytes() == FILES["a.bin"]


def test_a_local_folder_without_a_manifest_is_replaced(shared, artefact, there):
    shared.push(artefact)
    (there.directory(KEY) / "files").mkdir(parents=True)
    (there.directory(KEY) / "files/rubbish").write_text("x")
    assert sorted(path.name for path in shared.pull(KEY, there).files.iterdir()) == ["a.bin", "deep", "empty"]


def test_a_push_that_was_cut_off_leaves_nothing_valid(shared, artefact, there, monkeypatch):
    put, calls = type(shared.files).put_file, []

    def failing(self, *given, **more):
        calls.append(given)
        if len(calls) == len(FILES) + 2:  # the manifest, which is the last
            raise OSError("the connection is gone")
        return put(self, *given, **more)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="connection"):
        patch.setattr(type(shared.files), "put_file", failing)
        shared.push(artefact)
    assert not shared.has(KEY)
    with pytest.raises(DamagedError, match="has no artefact"):
        shared.pull(KEY, there)
    shared.push(artefact)
    assert shared.pull(KEY, there).result == {"n": 1}


@pytest.mark.parametrize("name", ["files/a.bin", "files/deep/b.txt", "manifest.sha256"])
@pytest.mark.parametrize("how", ["changed", "cut", "missing"])
def test_what_is_not_what_its_manifest_says_is_refused_and_not_kept(shared, artefact, there, name, how):
    shared.push(artefact)
    path = path_of(shared, name)
    content = shared.files.cat_file(path)
    shared.files.rm_file(path)
    if how != "missing":
        shared.files.pipe_file(path, content[:-1] if how == "cut" else bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(DamagedError, match=name.split("/")[-1] if name.startswith("files") else "manifest"):
        shared.pull(KEY, there)
    assert not there.has(KEY)
    assert left(there) == []


@pytest.mark.parametrize(
    "body", ["", "{", "\xff\xfe", "[" * 100_000, "[1]", "5", "null", "{}", '{"files": 5}', '{"files": {"a": 1}}']
)
def test_a_manifest_that_is_none_is_damage(shared, artefact, there, body):
    shared.push(artefact)
    shared.files.pipe_file(path_of(shared, "manifest.json"), body.encode("latin-1"))
    with pytest.raises(DamagedError, match=rf"manifest\.json|{KEY}/a: it is missing"):
        shared.pull(KEY, there)
    with pytest.raises(DamagedError, match=r"manifest\.json"):
        shared.described(KEY, there)
    assert not there.has(KEY)


@pytest.mark.parametrize("name", ["../outside", "files/../../outside", "/etc/laconic-outside"])
def test_no_file_is_written_outside_of_its_folder(shared, artefact, there, tmp_path, name):
    shared.push(artefact)
    change(shared, files={name: {"bytes": 1, "sha256": "0"}})
    with pytest.raises(DamagedError, match="outside of its folder"):
        shared.pull(KEY, there)
    assert not list(tmp_path.rglob("*outside*"))


def test_an_artefact_that_is_another_is_refused(shared, artefact, there):
    shared.push(artefact)
    change(shared, key="b" * 64)
    with pytest.raises(DamagedError):
        shared.pull(KEY, there)


@pytest.mark.parametrize("url", ["nothing-of-the-kind://x", "s3x://bucket"])
def test_a_place_that_nothing_reaches_is_one_clear_error(url):
    with pytest.raises(UserError, match="cannot reach") as caught:
        SharedStore(url)
    assert caught.value.key == "--artefacts"
    assert caught.value.remedy
