"""What the writer writes, the reader reads; a reader never sees half a file."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.files import replacing, write_whole
from harness.records import record
from harness.runs import layout
from harness.runs.read import load_run
from harness.runs.write import RunContents, provenance, replace_latencies, write_run_folder

names = st.text(min_size=1, max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


def contents(system="s", collection="c", values=(1.0,), queries=("q1",), **more):
    facts = {
        **{name: kind() for name, kind in layout.PARTS.items()},
        "name": "x",
        "systems": [{"name": system, "collection": collection, "status": "ok", "reason": "", "stages": {"fit": "k"}}],
    }
    rows = [record("r", collection, system, "index_bytes", value, method="m") for value in values]
    per_query = [
        {"collection": collection, "system": system, "query": query, "metric": "ndcg@10", "value": 0.5}
        for query in queries
    ]
    return RunContents(facts, rows, per_query=per_query, **more)


@settings(max_examples=40, deadline=None)
@given(names, names, st.lists(finite, min_size=1, max_size=4), st.lists(names, min_size=1, max_size=5, unique=True))
def test_any_names_and_values_come_back(tmp_path_factory, system, collection, values, queries):
    folder = tmp_path_factory.mktemp("run")
    write_run_folder(folder, contents(system, collection, values, queries))
    run = load_run(folder)
    assert [row.value for row in run.records] == values
    assert run.names(collection) == [system]
    assert list(run.quality[collection, system, "ndcg@10"]) == queries
    assert run.systems[0]["stages"] == {"fit": "k"}


def test_arrays_rows_and_trec_runs_come_back(tmp_path):
    source = tmp_path / "source.gz"
    source.write_bytes(gzip.compress(b"q1 Q0 d1 1 2.0 s\n"))
    times = {
        "0/process": np.zeros(2, np.int32),
        "0/query": np.arange(2, dtype=np.int32),
        "0/repeat": np.zeros(2, np.int32),
        "0/encode": np.array([0.1, 0.2]),
        "0/search": np.array([1.0, 2.0]),
    }
    write_run_folder(
        tmp_path / "run",
        contents(
            latencies=times,
            conditions=[{"collection": "c", "system": "s", "kind": "latency", "a": 1}],
            explained=[{"collection": "c", "system": "s", "query": "q1", "text": "why"}],
            active={"0/document_terms": np.array([3]), "0/document_vectors": np.array([7])},
            training=[{"encoder": "e", "step": 1, "loss": 0.5}],
            trec_runs={0: source},
        ),
    )
    run = load_run(tmp_path / "run")
    np.testing.assert_array_equal(run.latency["c", "s"]["total"].ravel(), [1.1, 2.2])
    assert run.conditions == [{"collection": "c", "system": "s", "kind": "latency", "a": 1}]
    assert run.explain("c", "s", "q1")["text"] == "why"
    assert [array.tolist() for array in run.active["c", "s"]["document"]] == [[3], [7]]
    assert run.training == {"e": [{"step": 1, "loss": 0.5}]}
    assert gzip.decompress((tmp_path / "run" / layout.trec_run(0)).read_bytes()) == b"q1 Q0 d1 1 2.0 s\n"


def test_times_can_be_replaced_and_the_rest_stays(tmp_path):
    write_run_folder(tmp_path, contents())
    before = (tmp_path / layout.RECORDS).read_bytes()
    replace_latencies(
        tmp_path,
        {
            "0/process": np.zeros(1, np.int32), "0/query": np.zeros(1, np.int32), "0/repeat": np.zeros(1, np.int32),
            "0/encode": np.array([0.5]), "0/search": np.array([0.25]),
        },
    )  # fmt: skip
    assert load_run(tmp_path).latency["c", "s"]["total"].ravel().tolist() == [0.75]
    assert (tmp_path / layout.RECORDS).read_bytes() == before


def test_a_run_that_fails_to_be_written_is_not_finished(tmp_path):
    def rows():
        yield {"query": "q1"}
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        write_run_folder(tmp_path, contents(explained=rows()))
    assert not layout.is_finished(tmp_path)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith("partial")]


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, "old")
    with pytest.raises(ValueError, match="stop"), replacing(path) as partial:
        partial.write_text("half")
        raise ValueError("stop")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_partial_file_keeps_the_ending(tmp_path):
    with replacing(tmp_path / "a.npz") as partial:
        assert partial.suffix == ".npz"
        np.savez(partial, a=np.arange(3))
    with np.load(tmp_path / "a.npz") as read:
        assert read["a"].tolist() == [0, 1, 2]


@given(st.text())
def test_lone_surrogates_are_written_and_read_again(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("w") / "t"
    text = text + "\ud800"
    write_whole(path, json.dumps(text, ensure_ascii=False))
    assert json.loads(path.read_text(encoding="utf-8", errors="surrogatepass")) == text


def test_provenance_names_version_and_revision(monkeypatch, tmp_path):
    from harness import __version__

    monkeypatch.chdir(tmp_path)
    assert provenance() == {
        "laconic-bench": __version__,
        "git revision": "not a git checkout",
        "git changes": "not a git checkout",
    }
