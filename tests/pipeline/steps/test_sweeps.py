"""Steps that open one index with several values of the parameters of its search."""

import json

import numpy as np
import pytest
from vector_folders import write_vectors

from harness.pipeline.steps import footprint, index
from harness.pipeline.steps.encode import QUERY_FLOPS


def quiet(*_):
    """Progress that nobody reads."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An inverted file of sixteen lists over 320 seeded vectors, built without parameters of the search."""
    folder, rng = tmp_path_factory.mktemp("built"), np.random.default_rng(5)
    rows = {
        name: rng.normal(size=(count, 12)).astype(np.float32) for name, count in (("documents", 320), ("queries", 9))
    }
    for name, values in rows.items():
        write_vectors(folder / "vectors" / name, "dense", 12, [values])
    np.save(folder / "vectors" / QUERY_FLOPS, np.zeros(9))
    (folder / "index").mkdir()
    at = {"vectors": str(folder / "vectors"), "report": quiet, "type": "faiss"}
    index.build(out=str(folder / "index"), params={"factory": "IVF16,Flat"}, **at)
    return folder, rows, {**at, "index": str(folder / "index")}


def overlap(built, tmp_path, lists):
    """Share of the exact top 20 that a search of so many lists returns."""
    _, rows, at = built
    search = None if lists is None else {"nprobe": lists, "ef_search": None}
    index.search(out=str(tmp_path), collection=str(tmp_path), depth=20, threads=1, index_search=search, **at)
    exact = np.argsort(-(rows["queries"] @ rows["documents"].T), axis=1, kind="stable")[:, :20]
    found = np.load(tmp_path / "ids.npy")
    return np.mean([np.isin(wanted, got).mean() for wanted, got in zip(exact, found, strict=True)])


def test_a_search_takes_the_values_that_it_is_given(built, tmp_path):
    shares = [overlap(built, tmp_path, lists) for lists in (1, 4, 16)]
    assert shares == sorted(shares)
    assert shares[0] < shares[1] < shares[2] == 1.0
    assert overlap(built, tmp_path, None) == shares[0]  # FAISS' own default is one list


def test_every_step_opens_the_index_with_them(built, monkeypatch, tmp_path):
    _, _, at = built
    lines = [json.dumps({"id": f"q{number}", "text": ""}) for number in range(9)]
    (tmp_path / "queries.jsonl").write_text("\n".join(lines) + "\n")
    opened, plain = [], index.open_index

    def watched(*arguments):
        opened.append(plain(*arguments))
        return opened[-1]

    monkeypatch.setattr(index, "open_index", watched)
    monkeypatch.setattr(footprint, "open_index", watched)
    search = {"nprobe": 3, "ef_search": None}
    folder = str(tmp_path)
    index.count_work(out=folder, k=5, index_search=search, collection=folder, confidence=0.95, **at)
    params = {"factory": "IVF16,Flat"}
    footprint.served_memory(out="", k=5, params=params, index_search=search, collection=folder, **at)
    assert [one.params.nprobe for one in opened] == [3, 3]
    assert [one.index.nprobe for one in opened] == [3, 3]
