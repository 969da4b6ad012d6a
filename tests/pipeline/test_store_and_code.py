"""The store keeps what was finished, finds what was damaged; the code's version follows the code."""

import json

import pytest

from harness.errors import UserError
from harness.pipeline.code_version import code_version
from harness.pipeline.executors.progress import Lines, clock
from harness.pipeline.executors.timings import estimate, note
from harness.pipeline.stage import Stage, key_of
from harness.pipeline.stage_outcome import Done
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


def test_keys_follow_content_not_order():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
    with pytest.raises(ValueError, match="JSON"):
        key_of({"a": float("nan")})


def test_comments_and_docstrings_do_not_change_the_version(tmp_path, monkeypatch):
    def version(name, text, helper="def help():\n    return 1\n"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        from harness.pipeline import code_version as code

        return code._tree_digest(name)

    plain = version("code_a", "def f():\n    return 1\n")
    assert version("code_b", '"""Doc."""\n# comment\ndef f():\n    """Doc."""\n    return 1\n') == plain
    assert version("code_c", "def f():\n    return 2\n") != plain


def test_version_reaches_what_is_imported():
    from harness.pipeline import code_version as code

    assert "harness.indexes._kernels" in code._reached(("harness.indexes.inverted",))
    assert "harness.errors" not in code._reached(("harness.indexes.inverted",))
    assert code_version(("harness.indexes.inverted",)) != code_version(("harness.indexes.faiss_flat",))


def test_estimates_rest_on_what_was_seen(tmp_path):
    store = Store(tmp_path)
    same = Stage("build", "build x", "harness.x:y", {"a": 1})
    alike = Stage("build", "build z", "harness.x:y", {})
    other = Stage("fit", "make m", "harness.x:y", {})
    assert [e.basis for e in estimate(store, [same, alike, other])] == ["unknown"] * 3
    note(store, keep(store))
    with (tmp_path / "timings.jsonl").open("a") as file:
        file.write('{"kind": "bui')  # a killed writer
    found = estimate(store, [same, alike, other])
    assert [e.basis for e in found] == ["the same stage before", "stages of this kind before", "unknown"]
    assert found[0].seconds == found[1].seconds == 2.0


def test_progress_is_quiet_off_a_terminal(capsys):
    Lines().progress(1, 2, "documents")
    assert capsys.readouterr().err == ""
    assert clock(65) == "1:05"
    assert clock(7389) == "2:03:09"


def test_a_failure_is_explained_once(capsys):
    lines, stages = Lines(), [Stage("fit", f"make {name}", "harness.x:f", {}) for name in "abcd"]
    lines.end(Done(stages[0], "failed", reason="no network\n  remedy: plug it in"), 1, 4)
    lines.end(Done(stages[1], "skipped", reason="make a: failed: no network\n  remedy: plug it in"), 2, 4)
    lines.end(Done(stages[2], "skipped", reason="prepare x: failed: something that was not said yet"), 3, 4)
    lines.end(Done(stages[3], "failed", reused=True, reason="too hard"), 4, 4)
    assert capsys.readouterr().err.splitlines() == [
        "[1/4] make a: failed: no network",
        "  remedy: plug it in",
        "[2/4] make b: skipped, because it needs make a",
        "[3/4] make c: skipped: prepare x: failed: something that was not said yet",
        "[4/4] make d: failed before: too hard",
    ]


def test_manifest_is_json_without_nan(tmp_path):
    store = Store(tmp_path)
    with store.unfinished("b" * 64) as directory, pytest.raises(ValueError, match="JSON"):
        store.commit(
            directory, key="b" * 64, kind="k", label="l", recipe={}, result={"x": float("nan")}, seconds=1, peak_bytes=1
        )
    assert not store.has("b" * 64)
    assert json.loads((keep(store).directory / "manifest.json").read_text())["result"] == {"n": 1}
