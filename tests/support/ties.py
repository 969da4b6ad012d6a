"""Vectors whose products tie, and hits that must be the same to the last bit."""

import numpy as np
from scipy import sparse


def tied_csr(rng, rows, columns, per_row, levels):
    """Few levels of weights, so that many documents tie."""
    places = rng.integers(0, columns, (rows, per_row)).astype(np.int32)
    data = rng.integers(1, levels + 1, rows * per_row).astype(np.float32)
    matrix = sparse.csr_matrix((data, places.ravel(), np.arange(rows + 1) * per_row), (rows, columns))
    matrix.sum_duplicates()
    return matrix


def assert_same(one, other):
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1].view(np.int32), other[1].view(np.int32))
