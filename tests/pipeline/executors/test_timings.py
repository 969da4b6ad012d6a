"""Estimates of how long stages take, from the times of stages before."""

import json
import threading

import pytest
from stored import keep

from harness.pipeline.executors.timings import estimate, note
from harness.pipeline.stage import Stage
from harness.pipeline.store.local import Store


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


ROW = {"kind": "build", "label": "build x", "seconds": 4.0, "peak_bytes": 100, "disk_bytes": 10}
X = Stage("build", "build x", "harness.x:y", {})
Z = Stage("build", "build z", "harness.x:y", {})


def written(folder, *rows):
    """A store whose timings are these lines."""
    store = Store(folder)
    lines = [row if isinstance(row, str) else json.dumps(ROW | row) for row in rows]
    (folder / "timings.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8", errors="surrogateescape")
    return store


def test_the_last_time_of_a_label_counts(tmp_path):
    store = written(tmp_path, {"seconds": 4.0}, {"label": "build z", "seconds": 7.0}, {"seconds": 5, "peak_bytes": 3})
    (same,) = estimate(store, [X])
    assert (same.basis, same.seconds, same.peak_bytes, same.disk_bytes) == ("the same stage before", 5, 3, 10)


@pytest.mark.parametrize(("seconds", "middle"), [([1, 2, 30], 2), ([1, 2, 4, 30], 3.0), ([8.5], 8.5)])
def test_another_label_takes_the_median_of_its_kind(tmp_path, seconds, middle):
    rows = [{"label": f"build {n}", "seconds": s, "peak_bytes": 10 * n} for n, s in enumerate(seconds)]
    (alike,) = estimate(written(tmp_path, *rows, {"kind": "fit", "seconds": 99.0}), [Z])
    assert (alike.basis, alike.seconds) == ("stages of this kind before", middle)
    assert isinstance(alike.peak_bytes, int)


def test_the_same_label_of_another_kind_says_nothing(tmp_path):
    assert estimate(written(tmp_path, {"kind": "fit"}), [X])[0].basis == "unknown"


@pytest.mark.parametrize(
    "line",
    ["", "{", "5", "null", "[]", "[" * 100_000, "\udcff", '{"kind": "build"}', json.dumps(ROW | {"seconds": "4"}),
     json.dumps(ROW | {"peak_bytes": None}), json.dumps(ROW | {"label": 5})],
    ids=range(11),
)  # fmt: skip
def test_a_line_that_is_no_timing_is_left_out(tmp_path, line):
    before = estimate(written(tmp_path, {}, {"label": "build z", "seconds": 8.0}), [X, Z])
    assert estimate(written(tmp_path, line, {}, line, {"label": "build z", "seconds": 8.0}, line), [X, Z]) == before


def test_what_is_stored_takes_nothing(tmp_path):
    store = written(tmp_path, {})
    keep(store, X.key)
    (stored,) = estimate(store, [X])
    assert (stored.basis, stored.seconds, stored.peak_bytes, stored.disk_bytes) == ("stored", 0.0, 0, 0)


def test_runs_that_write_at_once_lose_no_line(tmp_path):
    store = Store(tmp_path)
    artefact = keep(store)
    writers = [threading.Thread(target=lambda: [note(store, artefact) for _ in range(200)]) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rows = [json.loads(line) for line in (tmp_path / "timings.jsonl").read_text().splitlines()]
    assert len(rows) == 800
    assert all(row == rows[0] for row in rows)
    assert rows[0] == {
        "kind": "build", "label": "build x", "seconds": 2.0, "peak_bytes": 3 << 20, "disk_bytes": artefact.bytes,
    }  # fmt: skip
