"""Vectors drawn by number: the same again, of the shape that was asked for, a small collection inside a larger one."""

import numpy as np
import pytest

from harness.collections import registry as collections
from harness.encoders import registry as encoders
from harness.measure.validity import check_encoder


def opened(name, folder, **params):
    maker = encoders.get(name)
    made = maker(maker.Params(**params))
    made.fit(folder)
    return made.load(folder)


def test_sparse_vectors_have_the_shape_asked_for(tmp_path):
    encoder = opened("synthetic", tmp_path, document_terms=100, query_terms=30)
    rows = encoder.encode_documents([str(n) for n in range(4000)])
    assert np.diff(rows.indptr).mean() == pytest.approx(100, rel=0.06)
    assert rows.has_canonical_format
    assert rows.data.min() > 0
    # Skew: the most frequent hundredth of the terms in use holds a large share of all postings.
    counts = np.sort(np.bincount(rows.indices, minlength=encoder.width))[::-1]
    assert counts[:300].sum() / counts.sum() > 0.25
    assert np.count_nonzero(counts) > 10_000
    queries = encoder.encode_queries([f"{n} of {n}" for n in range(300)])
    assert np.diff(queries.indptr).mean() == pytest.approx(30, rel=0.15)


@pytest.mark.parametrize("name", ["synthetic", "synthetic-dense"])
def test_a_number_has_one_vector(name, tmp_path):
    encoder, again = opened(name, tmp_path), opened(name, tmp_path)
    block = encoder.encode_documents([str(n) for n in range(1000, 1100)])
    alone = again.encode_documents(["1050", "1023"])
    assert (block[[50, 23]] != alone).sum() == 0
    query = encoder.encode_queries(["7 of 5"])
    assert (query != again.encode_queries(["7 of 5"])).sum() == 0
    assert (query != again.encode_queries(["8 of 5"])).sum() > 0
    scores = np.asarray(
        (encoder.encode_documents([str(n) for n in range(500)]) @ query.T).todense()
        if name == "synthetic"
        else encoder.encode_documents([str(n) for n in range(500)]) @ query.T
    )
    assert int(scores.ravel().argmax()) == 5
    assert all(check.passed for check in check_encoder(encoder))


def test_a_small_collection_is_the_beginning_of_a_larger_one():
    small, large = (
        collections.get("synthetic")(collections.get("synthetic").Params(documents=n, queries=50)) for n in (2000, 9000)
    )
    assert list(large.documents())[:2000] == list(small.documents())
    assert list(small.queries()) == list(large.queries())
    assert list(small.judgements()) == list(large.judgements())
    tiny = collections.get("synthetic")(collections.get("synthetic").Params(documents=3))
    assert {row.document_id for row in tiny.judgements()} <= {row.id for row in tiny.documents()}


def test_documents_with_topics_have_the_shape_asked_for_whatever_else_is_drawn(tmp_path):
    encoder, again = (
        opened("synthetic", tmp_path, terms=30_522, document_terms=135, query_terms=40, topics=16) for _ in range(2)
    )
    rows = encoder.encode_documents([str(n) for n in range(2048)])
    assert np.diff(rows.indptr).mean() == pytest.approx(135, rel=0.06)
    assert rows.has_canonical_format
    assert rows.data.min() > 0
    assert (encoder.encode_documents(["1500", "3", "4", "1023", "1024"]) != rows[[1500, 3, 4, 1023, 1024]]).nnz == 0
    queries = encoder.encode_queries([f"{n} of {n}" for n in range(300)])
    assert np.diff(queries.indptr).mean() == pytest.approx(40, rel=0.15)
    assert (queries[7] != again.encode_queries(["7 of 7"])).nnz == 0
    assert all(check.passed for check in check_encoder(encoder))


def neighbours(encoder):
    """What the tenth nearest document scores, as a share of a document's score with itself: medians."""
    rows = encoder.encode_documents([str(n) for n in range(2048)])
    scores = (rows[:100] @ rows.T).toarray()
    itself = scores[np.arange(100), np.arange(100)]
    return np.median(np.sort(scores, axis=1)[:, -11] / itself), np.median(np.median(scores, axis=1) / itself)


def test_topics_give_near_neighbours_and_leave_the_others_as_far(tmp_path):
    with_topics = neighbours(opened("synthetic", tmp_path, terms=30_522, document_terms=135, topics=16))
    without = neighbours(opened("synthetic", tmp_path, terms=30_522, document_terms=135))
    # SPLADE-tiny over documentation strings: 0.29 and 0.07.
    assert with_topics == pytest.approx((0.29, 0.07), abs=0.03)
    assert without[0] < 0.2
