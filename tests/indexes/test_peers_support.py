"""What adapters of other people's engines share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.indexes._peers import hits, require

LISTS = st.lists(st.tuples(st.integers(0, 50), st.sampled_from([0.5, 1.0, 2.5])), max_size=12, unique_by=lambda x: x[0])


@given(st.lists(LISTS, max_size=4), st.integers(1, 8))
def test_hits_are_sorted_cut_and_filled(lists, k):
    given_lists = [
        (np.array([n for n, _ in one], np.int64), np.array([s for _, s in one], np.float32)) for one in lists
    ]
    ids, scores = hits(given_lists, k)
    assert (ids.shape, ids.dtype, scores.dtype) == ((len(lists), k), np.int64, np.float32)
    for row, one in enumerate(lists):
        wanted = sorted(one, key=lambda pair: (-pair[1], pair[0]))[:k]
        assert ids[row].tolist() == [n for n, _ in wanted] + [-1] * (k - len(wanted))
        assert scores[row].tolist() == [s for _, s in wanted] + [-np.inf] * (k - len(wanted))


def test_a_missing_package_is_named_with_what_to_install():
    assert require("json", "json", "toy").__name__ == "json"
    with pytest.raises(UserError, match="the engine toy needs the package toy-engine") as caught:
        require("no_such_module_here", "toy-engine", "toy")
    assert "pip install toy-engine" in caught.value.remedy
