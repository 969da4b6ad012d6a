"""Names of macros: letters only, the same whatever else a run has, and never one for two numbers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.paper.names import macro_names, word

PART = st.text(max_size=8)
KEY = st.tuples(PART, PART, PART, st.sampled_from(["", "Interval"]))


@given(st.lists(KEY, unique=True, max_size=20))
def test_names_are_letters_and_unique(keys):
    names = macro_names(keys)
    assert len(set(names.values())) == len(keys)
    assert all(re.fullmatch("lb[A-Za-z]*", name) for name in names.values())


@given(st.lists(KEY, unique=True, max_size=8), st.lists(KEY, unique=True, max_size=8))
def test_a_name_never_means_another_number(first, second):
    """Names of one run that another run also has are of the same number."""
    before, after = macro_names(first), macro_names([*first, *(key for key in second if key not in first)])
    keys = {name: key for key, name in before.items()}
    assert all(keys.get(name, key) == key for key, name in after.items())


def test_names_that_would_be_the_same_get_letters_of_their_own():
    spaced, hyphened, third = ("m", "a b", "c"), ("m", "a-b", "c"), ("m", "x", "c")
    names = macro_names([spaced, hyphened, third])
    assert names[third] == "lbMXC"
    assert names[spaced] != names[hyphened] and names[spaced].startswith("lbMABC") and len(names[spaced]) == 12


@pytest.mark.parametrize(("text", "name"), [
    ("ndcg@10", "Ndcg"), ("ndcg@100", "NdcgOneHundred"), ("latency_total/p50", "LatencyTotalPFifty"),
    ("LACONIC-mini", "LaconicMini"), ("SciFact", "SciFact"), ("MiniLM-L6", "MiniLMLSix"), ("BM25", "BmTwentyFive"),
    ("0", "Zero"), ("07", "ZeroSeven"), ("110", "OneHundredTen"), ("999", "NineHundredNinetyNine"),
    ("4096", "FourZeroNineSix"), ("20", "Twenty"), ("é", "E"), ("検", "USixNineOneC"), ("<b>", "B"), ("", ""),
])  # fmt: skip
def test_words(text, name):
    assert word(text) == name
