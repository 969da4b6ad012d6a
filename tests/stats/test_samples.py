"""Rows of timed queries as an array."""

import numpy as np
import pytest

from harness.stats.samples import table


def test_rows_in_any_order_find_their_place():
    process, query = np.repeat([0, 1], 6).astype(np.int32), np.tile(np.repeat([3, 5, 9], 2), 2).astype(np.int32)
    seconds = np.arange(12.0)
    order = np.random.default_rng(0).permutation(12)
    found = table(process[order], query[order], seconds[order])
    assert found.shape == (2, 3, 2)
    assert np.array_equal(np.sort(found, axis=2).ravel(), seconds)


@pytest.mark.parametrize(
    ("process", "query"),
    [([0, 0, 0, 1], [0, 1, 1, 0]), ([0, 0, 1], [0, 1, 0]), ([0, 0, 1, 1], [0, 0, 0, 1]), ([], [])],
)
def test_missing_and_surplus_rows_are_refused(process, query):
    with pytest.raises(ValueError, match="as often"):
        table(np.asarray(process, np.int32), np.asarray(query, np.int32), np.ones(len(process)))
