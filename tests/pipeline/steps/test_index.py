"""SPLADE's FLOPS metric against counting the shared terms of every pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from harness.pipeline.steps import index
from harness.pipeline.steps.index import expected_overlap


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**32 - 1), st.integers(1, 50))
def test_it_is_the_mean_number_of_shared_terms(queries, documents, terms, seed, block):
    rng = np.random.default_rng(seed)
    one, other = (rng.random((rows, terms)) * (rng.random((rows, terms)) < 0.4) for rows in (queries, documents))
    counts = [[np.sum((q > 0) & (d > 0)) for d in other] for q in one]
    before, index.OVERLAP_BLOCK = index.OVERLAP_BLOCK, block
    try:
        found = expected_overlap(sparse.csr_matrix(one), sparse.csr_matrix(other))
    finally:
        index.OVERLAP_BLOCK = before
    assert found == pytest.approx(np.mean(counts))


def test_stored_zeros_are_not_terms():
    rows = sparse.csr_matrix((np.asarray([1.0, 0.0]), [0, 1], [0, 2]), shape=(1, 3))
    assert expected_overlap(rows, rows) == 1.0
