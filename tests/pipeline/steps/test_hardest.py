"""Negatives that the teachers' mean ranks highest."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from pair_tables import written

from harness.collections.base import Pair
from harness.pipeline.steps.hardest import Hardest, hardest, keep_hardest
from harness.pipeline.steps.prepare import open_pairs
from harness.training.distillation import mixed, taught
from harness.training.params import Distillation

SCORES = st.floats(-100, 100, width=32)


@st.composite
def scored(draw):
    negatives, others = draw(st.integers(0, 8)), draw(st.integers(0, 2))
    count = 1 + others + negatives
    scores = draw(st.lists(st.lists(SCORES, min_size=count, max_size=count).map(tuple), min_size=1, max_size=3))
    names = [tuple(f"{kind}{n}" for n in range(size)) for kind, size in (("n", negatives), ("o", others))]
    return Pair("q", "p", *names, tuple(scores))


@given(scored(), st.integers(1, 8))
def test_the_negatives_that_are_left_are_those_that_a_training_would_rank_highest(pair, count):
    left = hardest(pair, count)
    assert left._replace(negatives=(), scores=()) == pair._replace(negatives=(), scores=())
    assert len(left.negatives) == min(count, len(pair.negatives)) and set(left.negatives) <= set(pair.negatives)
    texts, others = (*pair.positives, *pair.negatives), (*left.positives, *left.negatives)
    for before, after in zip(pair.scores, left.scores, strict=True):
        by_text = dict(zip(texts, before, strict=True))
        assert after == tuple(by_text[text] for text in others)
    if len(pair.negatives) > count:
        given = taught([len(texts) - 1], [pair.scores])
        means = dict(zip(texts, mixed(given, Distillation(kl=1.0, scale=1.0))[0].tolist(), strict=True))
        gone = set(pair.negatives) - set(left.negatives)
        order = [*(means[text] for text in left.negatives), max(means[text] for text in gone)]
        assert all(higher >= lower - 1e-5 for higher, lower in pairwise(order))


def test_of_equal_means_the_earlier_comes_first_and_pairs_without_scores_stay(tmp_path):
    names = ("a", "b", "c", "d")
    pairs = [Pair("q", "p", names, (), ((9.0, 1.0, 2.0, 2.0, 0.0), (9.0, 1.0, 2.0, 2.0, 5.0))), Pair("r", "s", names)]
    (tmp_path / "out").mkdir()
    written(tmp_path / "in", pairs)
    places = {"out": str(tmp_path / "out"), "pairs": str(tmp_path / "in")}
    assert keep_hardest(**places, count=2, report=lambda *_: None) == Hardest(pairs=2, negatives=3.0)
    expected = Pair("q", "p", ("d", "b"), (), ((9.0, 0.0, 2.0), (9.0, 5.0, 2.0)))
    assert list(open_pairs(tmp_path / "out")) == [expected, pairs[1]]
