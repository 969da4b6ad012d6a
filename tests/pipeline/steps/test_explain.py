"""What is kept of why a document came first."""

import json

import numpy as np
import pytest
from scipy import sparse
from vector_folders import write_vectors

from harness.pipeline.steps.explain import explain


@pytest.fixture
def folders(tmp_path):
    texts = {"documents": ["a  b\nc", "b", "c " * 400], "queries": ["b c", "a"]}
    collection = tmp_path / "collection"
    collection.mkdir()
    for name, rows in texts.items():
        lines = [json.dumps({"id": f"{name[0]}{n}", "text": text}) for n, text in enumerate(rows)]
        (collection / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return collection, tmp_path / "vectors", tmp_path


def written(folders, ids):
    collection, vectors, out = folders
    explain(out, collection, vectors, np.asarray(ids), {"q0": {"d1": 2}, "q1": {"d2": 1}})
    return [json.loads(line) for line in (out / "explain.jsonl").read_text().splitlines()]


def test_terms_are_those_shared_with_the_product_of_their_weights(folders):
    _, vectors, out = folders
    documents = sparse.csr_matrix(np.asarray([[1, 2, 3, 0], [0, 4, 0, 0], [0, 0, 5, 1]], np.float32))
    queries = sparse.csr_matrix(np.asarray([[0, 2, 1, 0], [1, 0, 0, 0]], np.float32))
    for name, rows in (("documents", documents), ("queries", queries)):
        write_vectors(vectors / name, "sparse", 4, [rows])
    (vectors / "terms.json").write_text('[[0, "a"], [1, "b"], [2, "c"]]')
    first, second = written(folders, [[1, 0, 2], [0, -1, -1]])
    assert first["text"] == "b c"
    assert first["first_relevant"] == 1
    assert [(d["document"], d["relevance"], d["terms"]) for d in first["top"]] == [
        ("d1", 2, [["b", 8.0]]),
        ("d0", 0, [["b", 4.0], ["c", 3.0]]),
    ]
    assert first["top"][1]["text"] == "a b c"
    assert second["first_relevant"] is None
    assert [d["terms"] for d in second["top"]] == [[["a", 1.0]]]
    with np.load(out / "active.npz") as counts:
        assert dict(zip(counts["document_terms"], counts["document_vectors"], strict=True)) == {1: 1, 2: 1, 3: 1}
        assert counts["query_terms"].tolist() == [1, 2]


def test_dense_vectors_have_text_but_no_terms(folders):
    _, vectors, out = folders
    write_vectors(vectors / "documents", "dense", 2, [np.ones((3, 2), np.float32)])
    write_vectors(vectors / "queries", "dense", 2, [np.ones((2, 2), np.float32)])
    first, _ = written(folders, [[2, 1, 0], [0, 1, 2]])
    assert first["top"][0]["terms"] == []
    assert len(first["top"][0]["text"]) == 240
    assert first["first_relevant"] == 2
    with np.load(out / "active.npz") as counts:
        assert list(counts) == []
