"""Names told apart by numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.runs.names import distinct


@pytest.mark.parametrize(
    ("names", "first", "made"),
    [(["a", "a", "a-2"], False, ["a", "a-3", "a-2"]), (["a", "a", "a-1"], True, ["a-2", "a-3", "a-1"]), ([], True, [])],
)
def test_a_number_makes_no_name_that_another_has(names, first, made):
    assert distinct(names, number_first=first) == made


@given(st.lists(st.sampled_from(["a", "a-1", "a-2", "a-2-2", "b", ""]), max_size=9), st.booleans())
def test_names_are_distinct_and_those_given_once_stay(names, first):
    made = distinct(names, number_first=first)
    assert len(set(made)) == len(names)
    assert all(new == old for old, new in zip(names, made, strict=True) if names.count(old) == 1)
    assert all(new.startswith(old) for old, new in zip(names, made, strict=True))
