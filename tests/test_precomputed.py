"""A run over vectors that were made elsewhere: what needs no text is measured, and the rest is said to be missing."""

import json

import numpy as np
from commands import call, refused
from small_specs import BM25, ONCE, beir, system, write_spec
from tests_support import write_collection

from harness.encoders import registry as encoders


def write_vectors(folder, name, source):
    """Each text's words as tokens of weight 1, in the opposite order of the collection."""
    lines = [json.loads(line) for line in source.read_text().splitlines()]
    rows = [{"id": row["_id"], "vector": dict.fromkeys(row["text"].split(), 1.0)} for row in lines]
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    return str(folder / name)


def test_a_whole_run(tmp_path, monkeypatch):
    data = write_collection(tmp_path)
    stored = {
        "type": "vectors",
        "documents": write_vectors(tmp_path, "d.jsonl", data / "corpus.jsonl"),
        "queries": write_vectors(tmp_path, "q.jsonl", data / "queries.jsonl"),
    }
    spec = write_spec(
        tmp_path,
        collections={"mine": beir(data)},
        encoders={**BM25, "farm": stored},
        systems=[system(), system("stored", "farm")],
        measure={**ONCE, "also": ["throughput", "encoder-memory"]},
        fusions=[{"name": "both", "systems": ["lexical", "stored"]}],
    )
    monkeypatch.chdir(tmp_path)
    result = call("run", str(spec))
    assert result.code == 0, result.err
    folder = tmp_path / "runs" / "small"
    rows = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    measured = {name: {row["metric"]: row["value"] for row in rows if row["system"] == name} for name in
                ("lexical", "stored", "both")}  # fmt: skip
    assert measured["stored"]["ndcg@10"] > 0.5 and measured["stored"]["active_terms_query"] == 1
    assert {"latency_search/p50", "index_bytes", "resident_bytes", "load_seconds"} <= set(measured["stored"])
    absent = {
        "latency_encode/p50", "latency_total/p50", "service_bytes", "flops_encode_query", "flops_query", "encode_cpu",
        "first_query_seconds", "throughput_encode/1", "encoder_file_bytes", "encode_documents_per_second",
    }  # fmt: skip
    assert not absent & set(measured["stored"]) and absent - {"encode_cpu"} <= set(measured["lexical"])
    assert "latency_total/p50" not in measured["both"] and "latency_search/p50" in measured["both"]
    notes = json.loads((folder / "run.json").read_text())["notes"]
    assert any("vectors of farm were made elsewhere" in note for note in notes)
    assert "made elsewhere" in (folder / "report.html").read_text()
    with np.load(folder / "latency.npz") as samples:
        assert not any(np.isnan(samples[name]).any() for name in samples.files)


def test_a_collection_of_other_documents_is_named(tmp_path, monkeypatch):
    data = write_collection(tmp_path)
    stored = {
        "type": "vectors",
        "documents": write_vectors(tmp_path, "d.jsonl", data / "queries.jsonl"),
        "queries": write_vectors(tmp_path, "q.jsonl", data / "queries.jsonl"),
    }
    spec = write_spec(
        tmp_path, collections={"mine": beir(data)}, encoders={"farm": stored}, systems=[system("stored", "farm")]
    )
    monkeypatch.chdir(tmp_path)
    result = call("run", str(spec))
    assert result.code != 0
    assert "6 of 6 documents have no vector, such as 'd0'; 3 of 3 vectors have no document" in result.out + result.err


def test_a_folder_is_written_for_another_machine(tmp_path, monkeypatch):
    data = write_collection(tmp_path)
    spec = write_spec(tmp_path, collections={"mine": beir(data)})
    monkeypatch.chdir(tmp_path)
    answer = call("vectors", spec, "bm25", "mine", "--out", "farm")
    assert answer.code == 0, answer.err
    assert "6 vectors with 7 columns" in answer.out
    maker = encoders.get("vectors")
    made = maker(maker.Params(folder="farm"))
    (tmp_path / "made").mkdir()
    made.fit(tmp_path / "made")
    encoder = made.load(tmp_path / "made")
    scores = (encoder.rows(["q1", "q2"], "query") @ encoder.rows(["d4", "d1", "d0"], "document").T).toarray()
    # pear is in d0 and d1, plum in d1
    assert ((scores > 0) == [[False, True, True], [False, True, False]]).all()
    assert "this is there already" in refused("vectors", spec, "bm25", "mine", "--out", "farm")
    assert "there is no encoder 'bm26'" in refused("vectors", spec, "bm26", "mine", "--out", "other")
