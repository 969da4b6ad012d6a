"""Words and counts of compiled loops against `re` and `Counter`."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.encoders import _words
from harness.encoders._words import LEFT_OUT, UNKNOWN, Words

CHARACTERS = st.one_of(st.sampled_from("aabB_0 .'\n\0éÉıİΣσßñ中Ⅷ²\ud800\U0001d400"), st.characters(codec=None))
TEXTS = st.lists(st.text(CHARACTERS, max_size=40), max_size=12)


def numbered(terms):
    """Terms by first occurrence; words with an x are left out, those with a y count in the length alone."""

    def term_of(word):
        terms.append(word)
        return LEFT_OUT if "x" in word else UNKNOWN if "y" in word else len(terms) - 1

    return term_of


def plain(texts):
    return [re.findall(r"\w+", text.lower()) for text in texts]


@settings(deadline=None, max_examples=150)
@given(blocks=st.lists(TEXTS, max_size=3))
@example(blocks=[["ΑΣ ΣΑΣ", "İi", "", " "], ["ab" * 4 + " " + "ab" * 5, "éa ea"]])
@example(blocks=[["x y xy a", "a\ud800b"]])
def test_counts_are_those_of_re_and_counter(blocks):
    terms = []
    words = Words(numbered(terms))
    for texts in blocks:
        parts = list(words.count(texts))
        rows = []
        for part in parts:
            for row in range(len(part.lengths)):
                piece = slice(part.indptr[row], part.indptr[row + 1])
                assert (np.diff(part.terms[piece]) > 0).all()
                rows.append({terms[t]: n for t, n in zip(part.terms[piece], part.counts[piece], strict=True)})
        found = plain(texts)
        assert rows == [Counter(w for w in row if "x" not in w and "y" not in w) for row in found]
        lengths = [length for part in parts for length in part.lengths]
        assert lengths == [sum("x" not in word for word in row) for row in found]
    assert len(set(terms)) == len(terms), "a word is looked up once"


def test_many_words_and_long_ones_find_room():
    """More different words than there is room for at first, in one text and over several, and some of 9,000 letters."""
    texts = [" ".join(f"w{number % 7000}" for number in range(start, start + 9000)) for start in (0, 3000, 5000)]
    texts += ["q" * 9000 + " " + "q" * 8999, "q" * 8999]
    terms = []
    parts = list(Words(numbered(terms)).count(texts))
    assert sorted(terms) == sorted({word for row in plain(texts) for word in row})
    counts = np.concatenate([part.counts for part in parts])
    assert counts.sum() == 27_003
    assert sum(len(part.lengths) for part in parts) == 5


@pytest.mark.parametrize("limit", ["CHARACTERS", "TEXTS"])
def test_texts_are_counted_in_parts(monkeypatch, limit):
    monkeypatch.setattr(_words, limit, 4)
    parts = list(Words(numbered([])).count(iter(["ab"] * 10)))
    assert [len(part.lengths) for part in parts] == ([2] * 5 if limit == "CHARACTERS" else [4, 4, 2])
