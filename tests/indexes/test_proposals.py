"""Candidates of the approximate index: of each segment about twice its share, and of these the best."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ties import tied_csr

from harness.indexes import create
from harness.indexes._best import GROUP, keep_best, propose
from harness.indexes._rows import rows_of

BASE = 65_536


def proposed(scores, share, room):
    """(documents proposed, their scores), and that the room for scores is cleared."""
    left, keys = scores.copy(), np.zeros(room, np.int64)
    held = propose(left, scores.reshape(-1, GROUP).max(axis=1).view(np.int32), BASE, keys, 0, share)
    assert not left.any()
    return (0xFFFFFFFF - (keys[:held] & 0xFFFFFFFF)) - BASE, (keys[:held] >> 32).astype(np.int32).view(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.02, 0.3, 1.0]))
def test_the_best_of_a_segment_are_proposed(seed, groups, share, filled):
    rng = np.random.default_rng(seed)
    scores = (rng.integers(1, 60, groups * GROUP) * (rng.random(groups * GROUP) < filled)).astype(np.float32)
    documents, values = proposed(scores, share, len(scores))
    np.testing.assert_array_equal(values, scores[documents])
    assert (np.diff(documents) > 0).all()
    others = np.delete(scores, documents)
    assert values.min(initial=np.inf) > others.max(initial=0), "no better one is left out, and none of score 0 taken"
    if share <= 0.75 * groups:
        assert len(documents) >= min(share, np.count_nonzero(scores))


def test_a_share_of_everything_is_everything():
    scores = np.arange(4 * GROUP, dtype=np.float32)
    documents, _ = proposed(scores, len(scores), len(scores))
    assert documents.tolist() == list(range(1, len(scores)))


def test_where_the_room_ends_the_better_half_stays():
    scores = np.random.default_rng(3).permutation(np.arange(1, 8 * GROUP + 1)).astype(np.float32)
    _, values = proposed(scores, len(scores), 50)
    assert set(range(8 * GROUP - 24, 8 * GROUP + 1)) <= set(values.astype(int).tolist())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.integers(1, 10**12), max_size=40), min_size=1, max_size=4), st.integers(1, 30))
def test_the_best_are_kept_in_their_order(queries, count):
    keys, held = np.zeros((len(queries), 40), np.int64), np.array([len(query) for query in queries], np.int64)
    for row, query in enumerate(queries):
        keys[row, : len(query)] = list(query)
    before = keys.copy()
    keep_best(keys, held, count)
    for row, query in enumerate(queries):
        best = sorted(query)[-count:]
        assert keys[row, : held[row]].tolist() == [key for key in before[row, : len(query)] if key in best]


@pytest.fixture(scope="module")
def three_segments():
    """Documents of three segments, and queries."""
    rng = np.random.default_rng(11)
    return tied_csr(rng, 140_000, 300, 3, 9), tied_csr(rng, 6, 300, 5, 9)


def test_candidates_spread_over_segments_are_the_best_of_all(three_segments):
    documents, queries = three_segments
    index, rows = create("inverted"), rows_of(queries, 300).tidy()
    index.build(documents)
    for count in (1, 40, 500):
        (rough, held), (exact, wanted) = index.best(rows, count, roughly=True), index.best(rows, count)
        assert held.tolist() == wanted.tolist() == [count] * len(rows)
        for row in range(len(rows)):
            np.testing.assert_array_equal(np.sort(rough[row, :count]), np.sort(exact[row, :count]))


def test_many_candidates_of_one_segment_are_cut_to_twice_its_share(three_segments):
    documents, queries = three_segments
    last = documents.copy()
    last.data *= np.random.default_rng(1).random(last.nnz, np.float32) + np.float32(0.5)
    last.data[: documents.indptr[131_072]] *= np.float32(1e-3)
    index, rows = create("inverted"), rows_of(queries, 300).tidy()
    index.build(last)
    (rough, held), (exact, _) = index.best(rows, 300, roughly=True), index.best(rows, 300)
    assert held.tolist() == [300] * len(rows)
    for row in range(len(rows)):
        chosen, best = np.sort(rough[row, :300])[::-1], np.sort(exact[row, :300])[::-1]
        assert (chosen[:20] == best[:20]).all(), "the share of the last 8,928 documents"
        assert (chosen != best).any()


def test_all_candidates_are_scored_in_three_segments(three_segments):
    documents, queries = three_segments
    index = create("two-phase", share=1.0, candidates=1 << 20)
    index.build(documents)
    found = index.search(queries, 50)[1]
    exact = np.sort((queries @ index.decoded().T).toarray(), axis=1)[:, ::-1][:, :50]
    np.testing.assert_allclose(found, exact, rtol=2e-6)
