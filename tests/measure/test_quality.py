"""Runs in TREC format and their scores, against values worked out by hand and by brute force."""

import gzip
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.measure.quality import _strictly_descending, evaluate, read_trec, write_trec
from harness.metrics import quality_metrics

QRELS = {"q1": {"d1": 1, "d2": 2, "d9": 0}, "q2": {"d3": 1}, "q3": {"d1": 0}}


def order_of(run, query):
    """The order in which trec_eval puts a query's documents: float32 score, then identifier, both descending."""
    return sorted(run[query], key=lambda name: (np.float32(run[query][name]), name), reverse=True)


def dcg(gains):
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def test_scores_by_hand():
    run = {"q1": {"d9": 3.0, "d2": 2.0, "d1": 1.0}, "q3": {"d1": 1.0}, "unjudged": {"d1": 1.0}}
    found = evaluate(QRELS, run, quality_metrics.names())
    assert found["ndcg@10"] == pytest.approx({"q1": dcg([0, 2, 1]) / dcg([2, 1]), "q2": 0.0})
    assert found["mrr@10"] == pytest.approx({"q1": 0.5, "q2": 0.0})
    assert found["recall@10"] == pytest.approx({"q1": 1.0, "q2": 0.0})
    assert set(found["recall@100"]) == {"q1", "q2"}


def test_cut_off_is_obeyed():
    run = {"q2": {f"x{i:02d}": 100.0 - i for i in range(10)} | {"d3": 1.0}}
    found = evaluate(QRELS, run, quality_metrics.names())
    assert found["mrr@10"]["q2"] == found["ndcg@10"]["q2"] == found["recall@10"]["q2"] == 0
    assert found["recall@100"]["q2"] == 1


def test_empty_run_counts_zero():
    assert evaluate(QRELS, {}, ["ndcg@10"]) == {"ndcg@10": {"q1": 0.0, "q2": 0.0}}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1.0, 1.5, 1e-38, -2.0, 3e38, 1.0000001]), min_size=1, max_size=30), st.randoms())
def test_ties_keep_our_order_for_everyone_who_reads_the_file(scores, random):
    import tempfile
    from pathlib import Path

    documents = [f"d{i}" for i in range(len(scores))]
    random.shuffle(documents)
    ordered = np.sort(np.asarray(scores, np.float32))[::-1]
    ids = np.arange(len(scores))[None, :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.trec.gz"
        write_trec(path, ["q"], documents, ids, ordered[None, :], "tag")
        run = read_trec(path)
    assert order_of(run, "q") == documents
    changed = np.abs(np.asarray(list(run["q"].values())) - ordered)
    assert (changed <= 30 * np.spacing(np.abs(ordered))).all()


HARD = [np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 3.4028235e38, -3.4028235e38, 1.0]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(HARD) | st.floats(width=32, allow_nan=False), max_size=20))
def test_equal_scores_are_written_one_step_apart(scores):
    """As stepping from score to score gives them; also where scores rise, which no engine returns."""
    expected, previous = [], np.float32(np.inf)
    for score in np.asarray(scores, np.float32):
        previous = np.float32(min(score, np.nextafter(previous, np.float32(-np.inf))))
        expected.append(float(previous))
    written = _strictly_descending(np.asarray(scores, np.float32))
    assert [(score, math.copysign(1, score)) for score in written] == [
        (score, math.copysign(1, score)) for score in expected
    ]


def test_evaluation_sees_the_order_of_the_ranks(tmp_path):
    path = tmp_path / "run.trec"
    names = ["a", "b", "c", "relevant"]
    write_trec(path, ["q"], names, np.asarray([[3, 0, 1, 2]]), np.full((1, 4), 7, np.float32), "t")
    assert evaluate({"q": {"relevant": 1}}, read_trec(path), ["mrr@10"])["mrr@10"]["q"] == 1.0
    write_trec(path, ["q"], names, np.asarray([[0, 1, 2, 3]]), np.full((1, 4), 7, np.float32), "t")
    assert evaluate({"q": {"relevant": 1}}, read_trec(path), ["mrr@10"])["mrr@10"]["q"] == 0.25


def test_padding_ends_a_list(tmp_path):
    path = tmp_path / "run.trec.gz"
    write_trec(path, ["q", "r"], ["a", "b"], np.asarray([[1, -1], [-1, -1]]), np.asarray([[2.0, -np.inf]] * 2), "t")
    assert read_trec(path) == {"q": {"b": 2.0}}


@given(st.lists(st.text(min_size=1), min_size=1, max_size=8, unique=True))
@settings(max_examples=60, deadline=None)
def test_any_identifier_comes_back(names):
    import tempfile
    from pathlib import Path

    scores = np.arange(len(names), 0, -1, dtype=np.float32)[None, :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.trec.gz"
        write_trec(path, [names[0]], names, np.arange(len(names))[None, :], scores, "t g")
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")
        assert len(lines) == len(names) + 1
        assert all(len(line.split()) == 6 for line in lines[:-1])
        assert list(read_trec(path)[names[0]]) == names


@pytest.mark.parametrize("name", ["a b", "a\nb", "100%", "a\u2028b", "\ud800", "\x00", "<script>"])
def test_hostile_identifier_comes_back(tmp_path, name):
    path = tmp_path / "run.trec.gz"
    write_trec(path, [name], [name, "x"], np.asarray([[0, 1]]), np.asarray([[2.0, 1.0]]), "t")
    assert read_trec(path) == {name: {name: 2.0, "x": 1.0}}


def test_same_content_same_bytes(tmp_path):
    for name in ("a.trec.gz", "b.trec.gz"):
        write_trec(tmp_path / name, ["q"], ["d"], np.asarray([[0]]), np.asarray([[1.0]]), "t")
    assert (tmp_path / "a.trec.gz").read_bytes() == (tmp_path / "b.trec.gz").read_bytes()


@pytest.mark.parametrize(("names", "scores", "said"), [([""], [[1.0]], "empty"), (["d"], [[math.nan]], "not a number")])
def test_what_no_run_can_hold_is_refused(tmp_path, names, scores, said):
    with pytest.raises(UserError, match=said):
        write_trec(tmp_path / "x", ["q"], names, np.zeros((1, 1), np.int64), np.asarray(scores), "t")


@pytest.mark.parametrize("line", ["q Q0 d 1 2.0", "q Q0 d 1 high t", "q Q0 d 1 2.0 t more"])
def test_broken_line_is_named(tmp_path, line):
    path = tmp_path / "run.trec"
    path.write_text(f"q Q0 c 1 3.0 t\n{line}\n")
    with pytest.raises(UserError, match=r"run\.trec:2"):
        read_trec(path)


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.trec"):
        read_trec(tmp_path / "nothing.trec")
    path = tmp_path / "cut.trec.gz"
    path.write_bytes(gzip.compress(b"q Q0 d 1 2.0 t\n" * 100)[:-12])
    with pytest.raises(UserError, match=r"cut\.trec\.gz"):
        read_trec(path)


def test_unknown_metric_is_named():
    with pytest.raises(UserError, match="ndcg@10"):
        evaluate(QRELS, {}, ["ndgc@10"])


def test_a_query_without_a_relevant_document_never_reaches_trec_eval():
    """Grades that are all negative make pytrec_eval write outside of its memory; such a query has no value."""
    rng = np.random.default_rng(3)
    run = {f"q{number}": {f"d{place}": float(place) for place in range(12)} for number in range(3)}
    for _ in range(50):
        worst = {f"q{number}": {f"d{place}": int(rng.integers(-3, 1)) for place in range(12)} for number in range(2)}
        values = evaluate({**worst, "q2": {"d0": -2, "d1": 1}}, run, ["ndcg@10", "recall@10", "mrr@10"])
        assert all(set(each) == {"q2"} for each in values.values())
    assert evaluate({"q0": {"d0": -1}}, run, ["ndcg@10"]) == {"ndcg@10": {}}
