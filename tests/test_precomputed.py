"""A run over vectors that were made elsewhere: what needs no text is measured, and the rest is said to be missing."""

import json
import re

import numpy as np
import pytest
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


def without_texts(folder):
    """Leave the identifiers of a collection's documents and queries alone in its files."""
    for file in (folder / "corpus.jsonl", folder / "queries.jsonl"):
        names = [json.loads(line)["_id"] for line in file.read_text().splitlines()]
        file.write_text("".join(json.dumps({"_id": name}) + "\n" for name in names))


def test_a_collection_of_identifiers_is_measured_and_they_stand_for_its_texts(tmp_path, monkeypatch):
    data = write_collection(tmp_path)
    documents = write_vectors(tmp_path, "d.jsonl", data / "corpus.jsonl")
    queries = write_vectors(tmp_path, "q.jsonl", data / "queries.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text().splitlines()]
    weak = [{**row, "vector": other["vector"]} for row, other in zip(lines, [*lines[1:], lines[0]], strict=True)]
    (tmp_path / "weak.jsonl").write_text("".join(json.dumps(row) + "\n" for row in weak))
    without_texts(data)
    farm = {"type": "vectors", "documents": documents, "queries": queries}
    spec = write_spec(
        tmp_path,
        collections={"mine": {**beir(data), "texts": False}},
        encoders={"farm": farm, "weak": {**farm, "queries": str(tmp_path / "weak.jsonl")}},
        systems=[system("good", "farm"), system("bad", "weak")],
        measure=ONCE,
    )
    monkeypatch.chdir(tmp_path)
    result = call("run", str(spec))
    assert result.code == 0, result.err
    report = (tmp_path / "runs" / "small" / "report.html").read_text()
    assert "none: documents and queries are identifiers" in report
    table = report.partition("The largest wins and losses")[2].partition("</table>")[0]
    rows = [row for row in table.split("<tr>") if 'scope="row"' in row]
    assert {row.partition('scope="row">')[2].partition("<")[0] for row in rows} <= {"q0", "q1", "q2"} and rows
    firsts = [cell.partition("<br>")[2] for row in rows for cell in row.split('<td class="text">')[1:]]
    assert all(re.match(r"(✓ )?d\d<", first) for first in firsts if first) and any(firsts)


@pytest.mark.parametrize("command", ["run", "vectors"])
def test_an_encoder_that_reads_texts_is_refused_before_anything_runs(tmp_path, monkeypatch, command):
    data = write_collection(tmp_path)
    without_texts(data)
    whole = {**beir(data), "texts": False}
    for collection in (whole, {"type": "sample", "documents": 4, "collection": whole}):
        spec = write_spec(tmp_path, collections={"mine": collection}, encoders=BM25, systems=[system()])
        monkeypatch.chdir(tmp_path)
        message = refused(command, spec, *(["bm25", "mine", "--out", "farm"] if command == "vectors" else []))
        what = "encoders.bm25.type: the encoder 'bm25' reads texts, and the collection 'mine' has none"
        assert f"{spec.name}: {what}" in " ".join(message.split())
        assert '"dense-vectors"' in message and not (tmp_path / "runs").exists()


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
