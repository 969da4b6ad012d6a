"""Training pairs of data sets on a hub on loopback, in the layouts that the published ones have."""

import gzip
import io
import json

import pytest
from hub_client import client, hub
from pydantic import ValidationError

from harness.collections.base import Pair
from harness.collections.hub_pairs import LAYOUTS, HubPairs, HubPairsParams
from harness.errors import UnavailableError, UserError

__all__ = ["client", "hub"]

WEAK = "utahnlp/nomic-embed-pretrain-lite"
SOURCES = "nomic-ai/nomic-embed-unsupervised-data"
HARD = "rlhn/rlhn-680K"
OWN = "a" * 40


def parquet(rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream, row_group_size=2)
    return stream.getvalue()


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def weak(query, passage):
    passages = [{"docid": "split_0_pos", "text": passage}]
    return {"query_id": "split_0", "query": query, "positive_passages": passages, "negative_passages": []}


def passages(*texts, title=""):
    return [{"docid": str(n), "text": text, "title": title} for n, text in enumerate(texts)]


def pairs(dataset, **settings):
    return list(HubPairs(HubPairsParams(dataset=dataset, **settings)).pairs())


def serve(client, dataset, files, sha=None):
    client.hub.dataset(dataset, files, sha=sha or LAYOUTS[dataset].revision)


def test_prefixes_of_the_texts_do_not_come_twice(client):
    first = [weak("query: who", "passage: he"), weak("query: same?", "query: equal?")]
    second = [weak("query: query: is kept", "passage: ")]  # the second row has no passage
    files = {"data/train-00000-of-00002.parquet": parquet(first), "data/train-00001-of-00002.parquet": parquet(second)}
    serve(client, WEAK, {**files, "README.md": b"", "data/test-00000-of-00001.parquet": parquet(first)})
    assert pairs(WEAK) == [Pair("who", "he"), Pair("same?", "equal?", symmetric=True)]
    assert not any("test" in path for path in client.hub.sent)
    serve(client, WEAK, {"data/train-0.parquet": parquet([weak("query: who", "he")])}, sha=OWN)
    with pytest.raises(UserError, match=r"row 1 of train-0.parquet is no pair: a text begins with neither(.|\n)*'he'"):
        pairs(WEAK, revision=OWN)


def test_sources_whose_sides_are_alike_are_known(client):
    splits = LAYOUTS[SOURCES].splits
    files = {
        f"data/{split}-00000-of-00001.parquet": parquet([{"query": f"q {split}", "document": f"d {split}", "shard": 0}])
        for split in [*splits, "paq"]
    }
    serve(client, SOURCES, files)
    alike = {"quora", "simplewiki", "stackexchange_duplicate_questions"}
    assert pairs(SOURCES) == [Pair(f"q {split}", f"d {split}", symmetric=split in alike) for split in splits]
    assert pairs(SOURCES, splits=["squad"]) == [Pair("q squad", "d squad")]


def test_several_answers_and_hard_negatives(client):
    rows = [
        {"query_id": "1", "query": "a", "positive_passages": passages("b", "c", title="T"),
         "negative_passages": passages("n", "m"), "subset": "fiqa"},
        {"query_id": "2", "query": "x", "positive_passages": passages("y"), "negative_passages": [], "subset": "nq"},
        {"query_id": "3", "query": "", "positive_passages": passages("y"), "negative_passages": [], "subset": "nq"},
    ]  # fmt: skip
    serve(client, HARD, {"data/train-00000-of-00001.parquet": parquet(rows)})
    assert pairs(HARD) == [Pair("a", "T b", ("n", "m"), ("T c",)), Pair("x", "y")]
    assert pairs(HARD, keep={"subset": ["nq", "hotpotqa"]}) == [Pair("x", "y")]
    columns = ", ".join(sorted(rows[0]))
    with pytest.raises(UserError, match=f"row 1 of .*: it has no column 'part', but {columns}\n"):
        pairs(HARD, keep={"part": ["nq"]})
    with pytest.raises(UserError, match=f"row 1 of .*: it has no column 'text', but {columns}\n"):
        pairs(HARD, query="text")


def test_any_data_set_by_its_columns(client):
    rows = [{"anchor": "a", "answer": "b", "wrong": ["c", "d"]}, {"anchor": "e", "answer": {"title": "f", "text": "g"}}]
    rows[1]["wrong"] = None
    packed = gzip.compress(lines(rows))
    client.hub.dataset("me/pairs", {"en/dev.jsonl.gz": packed, "fr/dev.jsonl": lines([{"x": 1}])}, sha=OWN)
    columns = {"query": "anchor", "positive": "answer", "negatives": "wrong"}
    given = {"revision": OWN, "splits": ["dev"], "files": "en/{split}.*"}
    assert pairs("me/pairs", **given, **columns) == [Pair("a", "b", ("c", "d")), Pair("e", "f g")]
    assert pairs("me/pairs", **given, **columns, symmetric=["dev"])[0].symmetric
    with pytest.raises(
        UserError, match=r"row 1 of dev.jsonl.gz is no pair: it has no column 'query', but anchor, answer"
    ):
        pairs("me/pairs", **given)
    with pytest.raises(UserError, match=r"row 1 of dev.jsonl is no pair: 'x' is neither text"):
        pairs("me/pairs", revision=OWN, splits=["dev"], files="fr/*", query="x")
    with pytest.raises(UserError, match=r"has no file 'data/train-\*'"):
        pairs("me/pairs", revision=OWN)


def test_with_a_limit_no_file_comes_that_is_not_needed(client, monkeypatch):
    from huggingface_hub import constants

    rows = [[{"query": f"q {file} {row}", "positive": "p"} for row in range(3)] for file in range(4)]
    names = [f"data/train-{file} [{file}].parquet" for file in range(4)]
    client.hub.dataset("me/pairs", {name: parquet(rows[n]) for n, name in enumerate(names)}, sha=OWN)
    whole = [Pair(row["query"], "p") for file in rows for row in file]

    def first(limit):
        client.hub.mend()
        return pairs("me/pairs", revision=OWN, limit=limit), set(client.hub.sent)

    assert first(3) == (whole[:3], {names[0]})
    assert first(4) == (whole[:4], {names[1]})  # the first is there already
    assert first(6) == (whole[:6], set())
    client.hub.damaged.add(names[2])
    with pytest.raises(UnavailableError, match="SHA-256"):
        pairs("me/pairs", revision=OWN, limit=7)
    assert first(100) == (whole, set(names[2:]))
    assert first(None) == (whole, set())
    with pytest.raises(UserError, match=r"has no file 'data/dev-\*'"):
        pairs("me/pairs", revision=OWN, splits=["dev"], limit=1)
    (data,) = HubPairs(HubPairsParams(dataset="me/pairs", revision=OWN, limit=7)).hub_data()
    assert data.upper
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnavailableError, match="'me/pairs'"):
        first(3)  # the list of files is the Hub's


@pytest.mark.parametrize("line", ["{", "[1]", '"a"'])
def test_lines_that_are_no_objects(client, line):
    client.hub.dataset("me/pairs", {"data/train-0.jsonl": line.encode()}, sha=OWN)
    with pytest.raises(UserError, match=r"row 1 of train-0.jsonl is no pair: it is no JSON object"):
        pairs("me/pairs", revision=OWN)


def test_without_a_commit_a_data_set_may_change():
    for revision in (None, "main", "abc"):
        with pytest.raises(ValidationError, match="give its commit as revision"):
            HubPairsParams(dataset="me/pairs", revision=revision)
    assert HubPairs(HubPairsParams(dataset=HARD)).fingerprint() == f"{HARD}@{LAYOUTS[HARD].revision}"


def test_what_came_once_needs_no_network_and_what_comes_damaged_is_refused(client, monkeypatch):
    from huggingface_hub import constants

    row = {"query": "a", "positive": "b"}
    client.hub.dataset("me/pairs", {"data/train-0.parquet": parquet([row])}, sha=OWN)
    client.hub.damaged.add("data/train-0.parquet")
    with pytest.raises(UnavailableError, match=r"the SHA-256 of train-0.parquet differs"):
        pairs("me/pairs", revision=OWN)
    client.hub.mend()
    assert pairs("me/pairs", revision=OWN) == [Pair("a", "b")]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    client.hub.mend()
    assert pairs("me/pairs", revision=OWN) == [Pair("a", "b")]
    assert not client.hub.sent
    with pytest.raises(UnavailableError, match=r"'me/other'(.|\n)*HF_HOME"):
        pairs("me/other", revision=OWN)
