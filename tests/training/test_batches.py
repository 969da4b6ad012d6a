"""What of a pair takes part in a batch: one of its positives, and its negatives in turns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_training import settings

from harness.training.batches import batches
from harness.training.examples import Pair

WORDS = st.lists(st.integers(0, 9).map("n{}".format), max_size=7).map(tuple)


def passes(pairs, count, **given):
    """The batches of this number of passes, each pass one batch."""
    params = settings(steps=count, pairs_per_step=len(pairs), **given)
    return list(batches(pairs, params, seed=3))


def test_each_pass_takes_another_positive_until_all_were_taken():
    pairs = [Pair(f"q{n}", f"p{n}", others=(f"a{n}", f"b{n}")) for n in range(8)]
    drawn = passes(pairs, 6)
    for begin in (0, 3):
        for name in "01234567":
            taken = [pair.positive for batch in drawn[begin : begin + 3] for pair in batch if pair.query == f"q{name}"]
            assert sorted(taken) == [f"a{name}", f"b{name}", f"p{name}"]
    assert len({pair.positive[0] for pair in drawn[0]}) > 1  # not the same one of all pairs
    assert drawn == passes(pairs, 6)


def test_passes_take_other_negatives_before_they_repeat_any():
    pairs = [Pair(f"q{n}", f"p{n}", tuple(f"n{n} {i}" for i in range(6))) for n in range(4)]
    drawn = passes(pairs, 4, negatives=2)
    for name in "0123":
        taken = [text for batch in drawn for pair in batch if pair.query == f"q{name}" for text in pair.negatives]
        assert len(set(taken[:6])) == 6 and taken[6:] == taken[:2]


@given(negatives=st.lists(WORDS, min_size=2, max_size=4), repeat=st.booleans(), wanted=st.integers(1, 6))
def test_too_few_negatives_are_taken_all_or_drawn_with_replacement(negatives, repeat, wanted):
    pairs = [Pair(f"q{n}", f"p{n}", own) for n, own in enumerate(negatives)]
    taken = set()
    for pair in passes(pairs, 1, negatives=wanted, repeat_negatives=repeat)[0]:
        fresh = set(negatives[int(pair.query[1:])]) - taken
        assert set(pair.negatives) <= fresh
        assert len(pair.negatives) == (wanted if repeat and fresh else min(wanted, len(fresh)))
        assert len(set(pair.negatives)) == len(pair.negatives) or len(fresh) < wanted
        taken |= set(pair.negatives)


@pytest.mark.parametrize("repeat", [True, False])
def test_scores_stay_with_their_passages(repeat):
    def score(text):
        return float(sum(map(ord, text)))

    pairs = []
    for n in range(5):
        positives, negatives = (f"p{n}", f"o{n}"), (f"x{n}", f"y{n}", f"x{n}", f"z{n}")
        first = tuple(map(score, positives + negatives))
        pairs.append(Pair(f"q{n}", f"p{n}", negatives, (f"o{n}",), (first, tuple(-value for value in first))))
    for batch in passes(pairs, 3, negatives=3, repeat_negatives=repeat):
        for pair in batch:
            texts = (pair.positive, *pair.negatives)
            assert pair.scores == (tuple(map(score, texts)), tuple(-score(text) for text in texts))
            assert len(pair.negatives) == (3 if repeat else len(set(pair.negatives)))


def test_what_answers_a_query_of_the_batch_is_no_negative_of_it_and_no_other_querys_passage():
    pairs = [Pair("q0", "a", ("x",), ("b",)), Pair("q1", "b", ("a", "x")), Pair("q2", "c", ("a", "b", "y"))]
    for batch in batches(pairs, settings(steps=12, pairs_per_step=2, negatives=3), seed=0):
        assert {pair.query for pair in batch} != {"q0", "q1"}
        for pair in batch:
            answers = {text for own in pairs if own.query in {p.query for p in batch} for text in own.positives}
            assert not set(pair.negatives) & answers or pair.query == batch[0].query


def test_micro_batches_are_as_many_and_as_large_as_asked_for():
    pairs = [(f"q{n}", f"p{n}") for n in range(40)]
    drawn = list(batches(pairs, settings(steps=5, pairs_per_step=12, accumulate=4), seed=0))
    assert [len(batch) for batch in drawn] == [3] * 20
    for wrong in ({"pairs_per_step": 6}, {"pairs_per_step": 4}):
        with pytest.raises(ValueError, match="multiple of accumulate"):
            settings(accumulate=4, **wrong)
