"""The table of pairs against a list of the same pairs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pair_tables import written

from harness.collections import pair_table
from harness.collections.base import Pair
from harness.errors import UserError
from harness.training.batches import batches, hold_out
from harness.training.examples import Chosen, Listed, Rest
from harness.training.params import TrainingParams

WORDS = st.sampled_from(["a", "b", "é", "", "two\nlines", "c"])
SEVERAL = st.lists(WORDS, max_size=3).map(tuple)
SCORES = st.lists(st.lists(st.floats(-9, 9), max_size=2).map(tuple), max_size=2).map(tuple)
PAIRS = st.lists(st.builds(Pair, WORDS, WORDS, SEVERAL, SEVERAL, SCORES, st.booleans()), max_size=20)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(pair_table, "ROWS", 3)
    monkeypatch.setattr(pair_table, "LETTERS", 8)
    monkeypatch.setattr(pair_table, "RELEASED", 2)


@given(pairs=PAIRS, texts=st.sets(WORDS), chosen=st.lists(st.booleans(), min_size=20, max_size=20))
def test_it_says_what_a_list_says(tmp_path_factory, pairs, texts, chosen):
    import numpy as np

    table, listed = written(tmp_path_factory.mktemp("pairs"), pairs), Listed(pairs)
    mask = np.array(chosen[: len(pairs)], bool)
    for mine, theirs in (
        (table, listed),
        (Chosen(table, mask), Chosen(listed, mask)),
        (Rest(table, mask), Chosen(listed, ~mask)),
    ):
        assert list(mine) == list(theirs) and len(mine) == len(theirs)
        assert mine.sharing(texts).tolist() == theirs.sharing(texts).tolist()
        assert mine.with_negatives().tolist() == theirs.with_negatives().tolist()
        assert mine[1:3] == theirs[1:3]
    assert list(table) == pairs
    assert Chosen(listed, mask)[:] == [pair for pair, is_chosen in zip(pairs, chosen, strict=False) if is_chosen]
    if pairs:
        assert table[-1] == pairs[-1]
    for place in (len(pairs), -len(pairs) - 1):
        with pytest.raises(IndexError):
            table[place]


@pytest.mark.parametrize("topics", [None, 3])
def test_batches_and_what_is_held_out_are_those_of_a_list(tmp_path, topics):
    words = "star moon fish whale flour butter".split()  # noqa: SIM905
    pairs = [Pair(f"{words[n % 6]} {n // 2}", f"{words[n % 6]} text {n % 30}", (f"n{n}",)) for n in range(60)]
    params = TrainingParams(steps=20, pairs_per_step=4, negatives=1, topics=topics)
    results = []
    for given_pairs in (pairs, written(tmp_path, pairs)):
        rest, held = hold_out(given_pairs, 5, seed=3)
        assert len(rest) < 55
        results.append((list(rest), held, list(batches(rest, params, seed=1))))
    assert results[0] == results[1]


def test_half_a_surrogate_pair_becomes_a_sign_that_has_bytes(tmp_path):
    pairs = [Pair("a\ud800b", "whole", ("\udfff",), ("😀",)), Pair("c", "d")]
    assert list(written(tmp_path, pairs)) == [Pair("a\ufffdb", "whole", ("\ufffd",), ("😀",)), Pair("c", "d")]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b""),
                                    lambda path: path.write_bytes(path.read_bytes()[:-40])])  # fmt: skip
def test_a_damaged_table_is_named(tmp_path, damage):
    written(tmp_path, [Pair("a", "b")])
    path = tmp_path / pair_table.FILE
    damage(path)
    with pytest.raises(UserError, match="the pairs cannot be read") as error:
        pair_table.PairTable(path)
    assert error.value.file == path
