"""Training pairs of several sources."""

import json

import pytest

from harness.collections.base import Pair
from harness.collections.mixture import Mixture, MixtureParams
from harness.errors import UserError


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRS_HERE", str(tmp_path))
    for name in "ab":
        rows = [{"query": f"{name} query {i}", "positive": f"{name} text {i}"} for i in range(20)]
        if name == "b":
            rows[0]["negatives"] = ["wrong"]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def pairs(*sources, seed=1):
    return list(Mixture(MixtureParams(sources=list(sources), seed=seed)).pairs())


def test_what_is_skipped_is_never_taken_and_the_rest_is_in_a_seeded_order(files):
    whole = pairs({"file": "$PAIRS_HERE/a.jsonl"})
    assert {p.query for p in whole} == {f"a query {i}" for i in range(20)}
    assert whole != sorted(whole)
    assert pairs({"file": "$PAIRS_HERE/a.jsonl"}, seed=2) != whole
    held_out = pairs({"file": "$PAIRS_HERE/a.jsonl", "limit": 5})
    trained = pairs({"file": "$PAIRS_HERE/a.jsonl", "skip": 5, "limit": 10})
    assert (len(held_out), len(trained)) == (5, 10)
    assert held_out + trained == whole[:15]


def test_sources_follow_each_other_and_may_be_collections(files, tmp_path):
    package = {"type": "pydoc", "train_packages": ["numpy"], "test_packages": ["networkx"]}
    found = pairs({"file": str(files / "b.jsonl")}, {"collection": package, "limit": 3})
    assert len(found) == 23
    assert sorted(p.negatives for p in found)[-1] == ("wrong",)
    assert not any(p.query.startswith("b query") for p in found[20:])


def test_a_sentence_asks_for_the_passage_that_lost_it(tmp_path):
    text = "Short one. {0} is a sentence long enough to be asked with. And {0} is the rest, which has eight words too."
    rows = [{"query": f"Title {n}", "positive": text.format(f"Thing{n}")} for n in range(20)]
    rows.append({"query": "Too few", "positive": "There are but two sentences in this text here. That is not enough."})
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"file": str(tmp_path / "c.jsonl"), "sentence": True}
    found = pairs(source)
    assert len(found) == 20
    assert found == pairs(source) != pairs(source, seed=2)
    assert {pair.query.split()[0] == "And" for pair in found} == {True, False}
    for pair in found:
        number = pair.positive.split()[1]
        whole = text.format(f"Thing{number}")
        assert pair.positive.startswith(f"Title {number} Short one.")
        assert pair.query in whole and pair.query not in pair.positive
        assert sorted(f"Title {number} {whole}".split()) == sorted(f"{pair.positive} {pair.query}".split())


def test_the_fingerprint_follows_the_files(files):
    mixture = Mixture(MixtureParams(sources=[{"file": str(files / "a.jsonl")}]))
    before = mixture.fingerprint()
    with (files / "a.jsonl").open("a") as file:
        file.write(json.dumps({"query": "new", "positive": "one"}) + "\n")
    assert mixture.fingerprint() != before


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"file": "$NOT_SET_HERE/a.jsonl"}, "variable NOT_SET_HERE is not set"),
        ({"file": "no/a.jsonl"}, "no such file"),
        ({"file": "a.jsonl", "collection": {"type": "pydoc"}}, "a file or a collection"),
        ({"collection": {"type": "mixture"}}, "cannot be a source"),
        ({"collection": {"type": "pydok"}}, "cannot be a source"),
        ({"collection": {"type": "beir", "path": 5}}, "collection.path: found 5"),
    ],
)
def test_a_source_that_is_none(source, message):
    with pytest.raises(UserError, match=message):
        pairs(source)


def test_more_positives_and_teachers_scores_come_out_of_a_file(tmp_path):
    file = tmp_path / "t.jsonl"
    row = {"query": "q", "positive": "p", "negatives": ["n"], "others": ["o"], "scores": [[3, 2, 1], [0.5, 0, -1]]}
    file.write_text(json.dumps(row) + "\n")
    taught = Pair("q", "p", ("n",), ("o",), ((3.0, 2.0, 1.0), (0.5, 0.0, -1.0)))
    assert pairs({"file": str(file)}) == [taught]
    assert pairs({"file": str(file), "symmetric": True}) == [taught._replace(symmetric=True)]
    file.write_text(json.dumps({**row, "symmetric": True}) + "\n")
    assert pairs({"file": str(file)}) == [taught._replace(symmetric=True)]


NO_PAIRS = [
    "{",
    '{"query": "no positive"}',
    '{"query": 1, "positive": "x"}',
    "[]",
    '{"query": "q", "positive": "p", "others": [1]}',
    '{"query": "q", "positive": "p", "scores": [[1, 2]]}',
    '{"query": "q", "positive": "p", "scores": [[NaN]]}',
    '{"query": "q", "positive": "p", "scores": [1]}',
    '{"query": "q", "positive": "p", "symmetric": 1}',
]


@pytest.mark.parametrize("line", NO_PAIRS)
def test_a_line_that_is_no_pair_is_named(files, line):
    with (files / "a.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match="not a pair") as caught:
        pairs({"file": str(files / "a.jsonl")})
    assert caught.value.line == 21
