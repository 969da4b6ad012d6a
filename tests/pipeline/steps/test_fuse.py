"""Fusing runs: against brute force in fractions, and properties that hold for any runs."""

import itertools
import json
import statistics
import tempfile
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.collections import EvaluationRules
from harness.errors import UserError
from harness.pipeline.steps.fuse import Fused, added_latencies, fuse

DOCUMENTS = 12
PLAIN = {"method": "rrf", "rank_constant": 60, "normalisation": "min-max", "considered": 100, "depth": 20}


def quiet(*_):
    """Progress that nobody reads."""


def written(folder, run, depth=DOCUMENTS):
    """A run, [(document, score), ...] a query, as a search leaves it."""
    folder.mkdir(parents=True)
    ids, scores = np.full((len(run), depth), -1, np.int64), np.full((len(run), depth), -np.inf, np.float32)
    for query, hits in enumerate(run):
        for place, (document, score) in enumerate(hits):
            ids[query, place], scores[query, place] = document, score
    np.save(folder / "ids.npy", ids)
    np.save(folder / "scores.npy", scores)
    return str(folder)


def fused(runs, identifiers=None, **settings):
    """[[(document, score), ...] a query] of fused runs, and the ranks of the first documents."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = {f"run{number}": written(folder / f"run{number}", run) for number, run in enumerate(runs)}
        arguments = {**PLAIN, "weights": [1.0] * len(runs), **settings}
        if identifiers is not None:
            lines = [json.dumps({"id": id, "text": ""}) + "\n" for id in identifiers]
            (folder / "documents.jsonl").write_text("".join(lines))
            (folder / "rules.json").write_text(json.dumps(asdict(EvaluationRules(ties="identifier"))))
        result = fuse(out=name, collection=name, report=quiet, **arguments, **inputs)
        ids, scores, ranks = (np.load(folder / f"{what}.npy") for what in ("ids", "scores", "ranks"))
    assert (ids.dtype, scores.dtype, ids.shape) == (np.int64, np.float32, scores.shape)
    assert result == Fused(len(runs[0]), arguments["depth"])
    assert ids.shape == (len(runs[0]), arguments["depth"])
    assert np.array_equal(ids < 0, np.isneginf(scores)), "what fills a row has no score"
    return [
        [(int(d), float(s)) for d, s in zip(*row, strict=True) if d >= 0] for row in zip(ids, scores, strict=True)
    ], ranks


def test_equal_sums_go_by_identifier_where_the_collection_says_so():
    runs = [[[(0, 3.0), (1, 2.0)]], [[(2, 3.0), (3, 2.0)]]]  # the first of both runs tie, and so do the second
    assert order(fused(runs)[0]) == [[0, 2, 1, 3]]
    (hits,), ranks = fused(runs, ["b", "z", "é", "a"], depth=3)
    assert [document for document, _ in hits] == [2, 0, 1]
    assert ranks[0].tolist() == [[0, 1], [1, 0]], "ranks are of the documents that come first"


def order(run):
    return [[document for document, _ in hits] for hits in run]


@st.composite
def runs(draw, least=2, most=4):
    """Several runs over the same queries, as engines order them: descending scores, ties by document number."""
    queries = draw(st.integers(1, 3))
    several = []
    for _ in range(draw(st.integers(least, most))):
        run = []
        for _ in range(queries):
            documents = draw(st.lists(st.integers(0, DOCUMENTS - 1), unique=True))
            hits = [(document, draw(st.integers(-6, 6))) for document in documents]
            run.append(sorted(hits, key=lambda hit: (-hit[1], hit[0])))
        several.append(run)
    return several


def by_brute_force(lists, weights, addend, missing):
    """One query's documents with exact sums, best first; ties by document number."""
    sums = {}
    for document in {document for hits in lists for document, _ in hits}:
        sums[document] = Fraction(0)
        for weight, hits in zip(weights, lists, strict=True):
            ranks = [rank for rank, (other, _) in enumerate(hits, start=1) if other == document]
            value = addend(hits, ranks[0]) if ranks else missing(hits)
            sums[document] += Fraction(weight) * value
    return sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))


def check(ours, exact):
    """The same documents with the same scores; in the same order where the sums are not a rounding apart."""
    assert {document for document, _ in ours} == {document for document, _ in exact}
    expected = dict(exact)
    for document, score in ours:
        assert score == pytest.approx(float(expected[document]), rel=1e-6, abs=1e-6)
    for (first, _), (second, _) in itertools.pairwise(ours):
        assert expected[first] - expected[second] > -1e-12


@settings(max_examples=60)
@given(several=runs(), constant=st.integers(0, 90), considered=st.integers(1, 12), data=st.data())
def test_reciprocal_ranks_are_those_of_brute_force(several, constant, considered, data):
    weights = data.draw(
        st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0]), min_size=len(several), max_size=len(several))
    )
    ours, _ = fused(several, rank_constant=constant, considered=considered, weights=weights)
    for query, hits in enumerate(ours):
        lists = [run[query][:considered] for run in several]
        check(hits, by_brute_force(lists, weights, lambda _, rank: Fraction(1, constant + rank), lambda _: Fraction(0)))


def spread(hits, kind):
    """(place of a score, its unit): what is taken off, and what the rest is divided by; None where all are equal."""
    scores = [Fraction(score) for _, score in hits]
    if kind == "none" or max(scores) == min(scores):
        return Fraction(0), Fraction(1) if kind == "none" else None
    if kind == "min-max":
        return min(scores), max(scores) - min(scores)
    return statistics.fmean(scores), statistics.pstdev(scores)


@settings(max_examples=60)
@given(several=runs(), kind=st.sampled_from(["min-max", "z-score", "none"]), data=st.data())
def test_sums_are_those_of_brute_force(several, kind, data):
    weights = data.draw(st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0]), min_size=len(several), max_size=len(several)))
    ours, _ = fused(several, method="sum", normalisation=kind, weights=weights)

    def addend(hits, rank):
        middle, unit = spread(hits, kind)
        if unit is None:
            return Fraction(kind == "min-max")
        return Fraction((Fraction(hits[rank - 1][1]) - Fraction(middle)) / Fraction(unit))

    def missing(hits):
        return Fraction(0) if not hits or kind == "min-max" else addend(hits, len(hits))

    for query, hits in enumerate(ours):
        check(hits, by_brute_force([run[query] for run in several], weights, addend, missing))


@given(several=runs())
def test_reciprocal_ranks_ask_for_the_order_of_scores_alone(several):
    moved = [[[(document, score**3 * 7 + 1000) for document, score in hits] for hits in run] for run in several]
    assert fused(several)[0] == fused(moved)[0]


@given(several=runs(), method=st.sampled_from(["rrf", "sum"]), seed=st.randoms())
def test_the_order_of_the_systems_changes_nothing(several, method, seed):
    shuffled = list(several)
    seed.shuffle(shuffled)
    assert fused(several, method=method)[0] == fused(shuffled, method=method)[0]


@given(several=runs(1, 1), method=st.sampled_from(["rrf", "sum"]))
def test_a_run_with_itself_keeps_its_order(several, method):
    (run,) = several
    assert order(fused([run, run], method=method)[0]) == order(run)


def test_equal_sums_come_by_document_number_whatever_the_ranks_are_added_in():
    """Three ranks in any order give one sum; added as they come, floats would differ in their last bit."""
    lists = [[4, 2, 0], [0, 4, 2], [2, 0, 4]]
    several = [[[(document, -place) for place, document in enumerate(hits)]] for hits in lists]
    for constant in range(100):
        ours, _ = fused(several, rank_constant=constant)
        assert order(ours) == [[0, 2, 4]]
        assert len({score for _, score in ours[0]}) == 1


def test_the_scale_of_a_score_decides_a_plain_sum_alone():
    lexical, dense = [[(0, 20.0), (1, 10.0), (2, 0.0)]], [[(2, 1.0), (1, 0.9), (0, 0.0)]]
    assert order(fused([lexical, dense], method="sum", normalisation="none")[0]) == [[0, 1, 2]]
    assert order(fused([lexical, dense], method="sum")[0]) == [[1, 0, 2]]


def test_ranks_say_where_the_first_documents_stood():
    _, ranks = fused([[[(3, 2.0), (1, 1.0)]], [[(1, 9.0)]]])
    assert ranks.tolist() == [[[2, 1], [1, 0]]]


def test_no_more_documents_are_returned_than_asked_for():
    ours, _ = fused([[[(3, 2.0), (1, 1.0)]], [[(1, 9.0), (2, 8.0)]]], depth=2)
    assert order(ours) == [[1, 3]]


def samples(folder, *, encode, search, query=(0, 1, 0, 1), process=(0, 0, 1, 1)):
    folder.mkdir()
    rows = {"process": process, "query": query, "repeat": [0] * len(query), "encode": encode, "search": search}
    np.savez(folder / "samples.npz", **{name: np.asarray(values) for name, values in rows.items()})
    return str(folder)


def test_latencies_are_added_query_by_query(tmp_path):
    parts = {
        "part0": samples(tmp_path / "a", encode=[1.0, 2.0, 3.0, 4.0], search=[0.5] * 4),
        # the other system asked in another order
        "part1": samples(tmp_path / "b", encode=[20.0, 10.0, 40.0, 30.0], search=[2.0, 1.0, 4.0, 3.0],
                         query=[1, 0, 1, 0]),
    }  # fmt: skip
    summary = added_latencies(out=str(tmp_path), shared_encoders=[], confidence=0.95, seed=1, report=quiet, **parts)
    with np.load(tmp_path / "samples.npz") as rows:
        assert rows["query"].tolist() == [0, 1, 0, 1]
        assert rows["encode"].tolist() == [11.0, 22.0, 33.0, 44.0]
        assert rows["search"].tolist() == [1.5, 2.5, 3.5, 4.5]
    assert summary.encode["mean"][0] == pytest.approx(27.5)
    assert summary.total["mean"][0] == pytest.approx(30.5)
    assert (summary.n, summary.least, summary.engine) == (4, {}, None)


def test_an_encoder_that_two_systems_share_encodes_a_query_once(tmp_path):
    parts = {name: samples(tmp_path / name, encode=[1.0] * 4, search=[2.0] * 4) for name in ("part0", "part1")}
    summary = added_latencies(out=str(tmp_path), shared_encoders=[1], confidence=0.95, seed=1, report=quiet, **parts)
    assert (summary.encode["mean"][0], summary.search["mean"][0]) == (pytest.approx(1.0), pytest.approx(4.0))


def test_systems_that_were_timed_on_other_queries_are_not_added(tmp_path):
    parts = {
        "part0": samples(tmp_path / "a", encode=[1.0] * 4, search=[1.0] * 4),
        "part1": samples(tmp_path / "b", encode=[1.0] * 2, search=[1.0] * 2, query=[0, 1], process=[0, 0]),
    }
    with pytest.raises(UserError, match="not timed on the same queries"):
        added_latencies(out=str(tmp_path), shared_encoders=[], confidence=0.95, seed=1, report=quiet, **parts)
