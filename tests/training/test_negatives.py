"""Hard negatives: chosen as brute force would, with answers left out, and mined by a real system."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pair_tables import written

from harness.collections.base import Pair
from harness.pipeline.steps.mine import Mined, mine
from harness.pipeline.steps.prepare import open_pairs, pair_line
from harness.pipeline.steps.teach import Scored, teach
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


@given(likely=st.integers(0, 30), count=st.integers(1, 9))
def test_spread_negatives_come_from_the_whole_ranking(likely, count):
    found = choose(range(likely), [1.0] * likely, (), 2.0, count=count, spread=True)
    assert len(found) == min(likely, count) == len(set(found)) and found == sorted(found)
    gaps = [after - before for before, after in pairwise([*found, likely])]
    assert not found or (found[0] == 0 and max(gaps) - min(gaps) <= 1)


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
    rows = [json.loads(pair_line(pair)) for pair in open_pairs(tmp_path / "out")]
    assert [(row["query"], row["positive"]) for row in rows] == PAIRS
    return rows, facts


def test_bm25_finds_what_shares_words_and_no_other_answer(tmp_path):
    rows, facts = mined(tmp_path)
    assert rows[0]["negatives"] == rows[1]["negatives"] == ["plum jam with sugar and apple"]
    assert rows[2]["negatives"] == []
    assert facts == Mined(pairs=5, passages=5, negatives=2 / 5)
    assert mined(tmp_path, share=0.0)[1].negatives == 0


def test_a_second_system_adds_to_the_negatives_of_the_first(tmp_path):
    (tmp_path / "out").mkdir()
    given = Pair("apple pie", PAIRS[0][1], ("a leaf",), scores=((1.0, 2.0),))
    written(tmp_path / "in", [given, *(Pair(*pair) for pair in PAIRS[1:])])
    for add, expected in ((True, ("a leaf", PAIRS[3][1])), (False, (PAIRS[3][1],))):
        mine(
            out=str(tmp_path / "out"),
            pairs=str(tmp_path / "in"),
            encoder={"type": "bm25", "params": {}},
            index={"type": "inverted", "params": {"weights": "float32"}},
            depth=10, count=3, skip=0, share=1.0, threads=1, report=lambda *_: None, add=add,
        )  # fmt: skip
        first = open_pairs(tmp_path / "out")[0]
        assert first.negatives == expected and first.scores == ()  # scores of other passages count no more


def test_a_teachers_scores_are_the_products_of_its_vectors(tmp_path):
    """BM25 is made of all positives; a second teacher's scores follow those of the first."""
    from harness.pipeline.steps.fit import open_type

    (tmp_path / "out").mkdir()
    (tmp_path / "model").mkdir()
    first = Pair("apple pie", PAIRS[0][1], ("a leaf", "plum pie"), (PAIRS[1][1],), ((4.0, 3.0, 2.0, 1.0),))
    pairs = [first, *(Pair(*pair) for pair in PAIRS[2:])]
    written(tmp_path / "in", pairs)
    places = {"out": str(tmp_path / "out"), "pairs": str(tmp_path / "in")}
    facts = teach(**places, encoder={"type": "bm25", "params": {}}, threads=1, report=lambda *_: None)
    assert facts == Scored(pairs=4, passages=7)
    taught = list(open_pairs(tmp_path / "out"))
    maker = open_type("bm25", {})
    maker.fit(tmp_path / "model", corpus=iter([pair.positive for pair in pairs]))
    encoder = maker.load(tmp_path / "model")
    for before, after in zip(pairs, taught, strict=True):
        texts = [*before.positives, *before.negatives]
        products = encoder.encode_documents(texts) @ encoder.encode_queries([before.query]).T
        assert after.scores[:-1] == before.scores and after._replace(scores=before.scores) == before
        assert after.scores[-1] == tuple(products.toarray()[:, 0].tolist())
    assert taught[0].scores[-1][0] > taught[0].scores[-1][2] == 0.0


@pytest.mark.parametrize(("held", "blocks"), [(100, [4]), (3, [3, 4]), (1, [3, 2, 3])])
def test_a_teacher_encodes_a_passage_once_as_long_as_its_vector_is_held(tmp_path, monkeypatch, held, blocks):
    from harness.pipeline.steps import teach as step

    rows = [("a b", "a b c", ("d e", "f g")), ("d", "d e", ("f g",)), ("f", "f g", ("a b c", "h i"))]
    written(tmp_path / "in", [Pair(query, positive, negatives) for query, positive, negatives in rows])
    encoded, ready = [], step.pairs_encoder

    def watched(*given):
        encoder = ready(*given)
        plain = encoder.encode_documents
        monkeypatch.setattr(encoder, "encode_documents", lambda texts: encoded.append(texts) or plain(texts))
        return encoder

    monkeypatch.setattr(step, "pairs_encoder", watched)
    scores = {}
    for name, size in (("all", 100), ("few", held)):
        (tmp_path / name).mkdir()
        encoded.clear()
        monkeypatch.setattr(step, "TEXTS", size)
        places = {"out": str(tmp_path / name), "pairs": str(tmp_path / "in")}
        teach(**places, encoder={"type": "bm25", "params": {}}, threads=1, report=lambda *_: None)
        scores[name] = [pair.scores for pair in open_pairs(tmp_path / name)]
    assert all(len(set(texts)) == len(texts) for texts in encoded)
    assert [len(texts) for texts in encoded] == blocks
    assert scores["few"] == scores["all"]
