"""Hard negatives: chosen as brute force would, with answers left out, and mined by a real system."""

import json

from hypothesis import given
from hypothesis import strategies as st
from pair_tables import written

from harness.collections.base import Pair
from harness.pipeline.steps.mine import Mined, mine
from harness.training.negatives import choose


@given(
    st.lists(st.floats(0, 10), max_size=12),
    st.sets(st.integers(0, 11), max_size=4),
    st.floats(0, 10),
    st.integers(1, 5),
    st.integers(0, 3),
    st.floats(0, 1),
)
def test_what_is_chosen(scores, positives, own, count, skip, share):
    scores = sorted(scores, reverse=True)
    chosen = choose(list(range(len(scores))), scores, positives, own, count=count, skip=skip, share=share)
    fit = {n for n in range(skip, len(scores)) if n not in positives and scores[n] <= share * own}
    assert set(chosen) <= fit and len(chosen) == min(count, len(fit))
    assert chosen == sorted(chosen)  # the hardest first
    assert not chosen or all(n in chosen or n > chosen[-1] for n in fit)


def test_places_past_the_last_hit_are_no_passages():
    assert choose([2, -1, -1], [1.0, float("-inf"), float("-inf")], (), 5.0, count=3) == [2]


PAIRS = [
    ("apple pie", "apple pie is baked with apple and sugar"),
    ("apple pie", "bake an apple pie slowly"),
    ("pear tree", "the pear tree bears a pear"),
    ("plum jam", "plum jam with sugar and apple"),
    ("fig leaf", "a leaf"),
]


def mined(tmp_path, **settings):
    (tmp_path / "out").mkdir(exist_ok=True)
    written(tmp_path / "in", [Pair(*pair) for pair in PAIRS])
    bm25 = {"type": "bm25", "params": {}}
    index = {"type": "inverted", "params": {"weights": "float32"}}
    given = {"depth": 10, "count": 3, "skip": 0, "share": 1.0} | settings
    told = []
    facts = mine(
        out=str(tmp_path / "out"),
        pairs=str(tmp_path / "in"),
        encoder=bm25,
        index=index,
        threads=1,
        report=lambda *now: told.append(now),
        **given,
    )
    assert told[-1][0] == told[-1][1] == 5
    rows = [json.loads(line) for line in (tmp_path / "out" / "pairs.jsonl").read_text().splitlines()]
    assert [(row["query"], row["positive"]) for row in rows] == PAIRS
    return rows, facts


def test_bm25_finds_what_shares_words_and_no_other_answer(tmp_path):
    rows, facts = mined(tmp_path)
    assert rows[0]["negatives"] == rows[1]["negatives"] == ["plum jam with sugar and apple"]
    assert rows[2]["negatives"] == []
    assert facts == Mined(pairs=5, passages=5, negatives=2 / 5)
    assert mined(tmp_path, share=0.0)[1].negatives == 0
