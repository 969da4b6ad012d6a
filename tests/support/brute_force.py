"""Search of the inverted index by numpy alone, in the documented order of operations."""

import numpy as np
from scipy import sparse

LEVELS = {"u4": 15, "u8": 255, "u16": 65535}


def stored(documents, weights):
    """The documented quantisation, by numpy alone, of at most 65,536 documents: scales and impacts per term."""
    columns = sparse.csc_matrix(documents, dtype=np.float32)
    scales, impacts = np.ones(columns.shape[1], np.float32), columns.copy()
    for term in range(columns.shape[1]) if weights != "float32" else ():
        span = slice(columns.indptr[term], columns.indptr[term + 1])
        highest = columns.data[span].max(initial=0)
        wanted = max(np.float32(highest) / np.float32(LEVELS[weights]), np.finfo(np.float32).tiny)
        half = (int(np.float32(wanted).view(np.uint32)) + 0xFFFF) >> 16 << 16
        scales[term] = np.uint32(half).view(np.float32)
        exact = columns.data[span] * (np.float32(1) / scales[term])
        impacts.data[span] = np.clip(np.rint(exact), 1, LEVELS[weights])
    return scales, impacts


def brute_force(documents, queries, k, weights="u8"):
    """Scores in the documented order of operations: float32, segment by segment; terms without a bitmap, ascending,
    then those with one, ascending."""
    ids = np.full((queries.shape[0], k), -1, np.int64)
    scores = np.full((queries.shape[0], k), -np.inf, np.float32)
    total = np.zeros((queries.shape[0], documents.shape[0]), np.float32)
    for begin in range(0, documents.shape[0], 65536):
        scales, impacts = stored(documents[begin : begin + 65536], weights)
        counts = np.diff(impacts.indptr)
        bitmap = (weights == "u8") & (counts >= 16) & (counts * 6 >= impacts.shape[0])
        for row in range(queries.shape[0]):
            order = np.argsort(bitmap[queries[row].indices], kind="stable")
            for term, weight in zip(queries[row].indices[order], queries[row].data[order], strict=True):
                span = slice(impacts.indptr[term], impacts.indptr[term + 1])
                total[row, begin + impacts.indices[span]] += np.float32(weight * scales[term]) * impacts.data[span]
    for row in range(queries.shape[0]):
        order = np.lexsort((np.arange(documents.shape[0]), -total[row]))[:k]
        order = order[total[row, order] > 0]
        ids[row, : len(order)], scores[row, : len(order)] = order, total[row, order]
    return ids, scores


def assert_equal_hits(found, wanted):
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])


def random_csr(rng, rows, columns, density, levels=None):
    matrix = sparse.random(rows, columns, density, "csr", np.float32, random_state=rng)
    if levels:
        matrix.data = np.ceil(matrix.data * levels).astype(np.float32)
    return matrix
