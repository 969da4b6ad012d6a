"""Batches of one topic."""

import random
from collections import Counter

import pytest

from harness.training.batches import batches
from harness.training.params import TrainingParams
from harness.training.topics import arrange, topics

WORDS = {
    "sky": "star moon comet planet orbit galaxy telescope nebula eclipse meteor",
    "sea": "fish whale coral harbour tide anchor wave salmon reef current",
    "kitchen": "flour butter oven recipe sugar pepper salt pan knife bread",
}


def pairs(count=60):
    drawn = random.Random(3)  # noqa: S311
    found = []
    for number in range(count):
        topic = list(WORDS)[number % 3]
        found.append(
            (f"{' '.join(drawn.sample(WORDS[topic].split(), 3))} {number}", f"{topic} {WORDS[topic]} {number}")
        )
    return found


def test_texts_of_one_subject_are_of_one_topic():
    labels = topics([" ".join(pair) for pair in pairs()], 6, seed=1)
    own = [set(labels[start::3]) for start in range(3)]
    assert not own[0] & own[1] and not own[0] & own[2] and not own[1] & own[2]
    assert 3 <= len(set(labels)) <= 6


def test_equal_seeds_give_equal_topics_and_few_or_empty_texts_do_no_harm():
    texts = [" ".join(pair) for pair in pairs()]
    assert topics(texts, 4, seed=2) == topics(texts, 4, seed=2)
    assert list(topics(["one"], 4, seed=0)) == [0]
    assert len(topics(["", "", "a star", "one more star"], 3, seed=0)) == 4


def test_runs_hold_one_topic_and_nothing_is_lost():
    labels = [place % 4 for place in range(50)]
    places = list(range(50))
    random.Random(0).shuffle(places)  # noqa: S311
    arranged = arrange(places, labels, 5, random.Random(1))  # noqa: S311
    assert sorted(arranged) == list(range(50))
    runs = [arranged[begin : begin + 5] for begin in range(0, 50, 5)]
    assert [len({labels[place] for place in run}) for run in runs[:8]] == [1] * 8
    assert len({labels[run[0]] for run in runs[:8]}) > 1
    assert arrange(places, labels, 5, random.Random(1)) == arranged  # noqa: S311


@pytest.mark.parametrize("count", [None, 6])
def test_batches_are_of_one_topic_where_that_is_asked_for(count):
    params = TrainingParams(steps=30, pairs_per_step=5, topics=count)
    drawn = list(batches(pairs(), params, seed=0))
    pure = sum(len({passage.split()[0] for _, passage, *_ in batch}) == 1 for batch in drawn)
    assert pure >= 20 if count else pure <= 3
    seen = Counter(pair[:2] for batch in drawn for pair in batch)
    assert set(seen) == set(pairs())
    assert list(batches(pairs(), params, seed=0)) == drawn
    assert all(len({passage for _, passage, *_ in batch}) == 5 for batch in drawn)
