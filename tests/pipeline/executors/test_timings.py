"""Estimates of how long stages take, from the times of stages before."""

from harness.pipeline.executors.timings import estimate, note
from harness.pipeline.stage import Stage
from harness.pipeline.store.local import Store


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
