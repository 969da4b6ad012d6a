"""Lists of rare terms of the inverted index: exact at every length, and hardly larger than the entropy."""

import numpy as np
import pytest
from brute_force import assert_equal_hits, brute_force, stored
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from harness.indexes import create
from harness.indexes._kernels import LONG
from harness.indexes._lists import BLOCK, SPARSE
from harness.indexes._packing import entries_of, lists_of
from harness.stats.entropy import subset_bits

PLACES = {
    "anywhere": lambda rng, rows, count: rng.choice(rows, count, replace=False),
    "first": lambda rng, rows, count: np.arange(count),
    "last": lambda rng, rows, count: np.arange(rows - count, rows),
    "both ends": lambda rng, rows, count: np.append(np.arange(count - 1), rows - 1),
    "evenly": lambda rng, rows, count: np.linspace(0, rows - 1, count).astype(np.int64),
}


def rare(rng, rows, terms, most, places):
    """Documents with terms that few of them have, and every 97th with a frequent term before them."""
    counts = np.maximum(np.exp(rng.uniform(0, np.log(most), terms)).astype(np.int64), 1)
    numbers = [np.arange(0, rows, 97), *(PLACES[rng.choice(places)](rng, rows, count) for count in counts)]
    columns = np.repeat(np.arange(terms + 1), [len(part) for part in numbers])
    data = rng.integers(1, 5, len(columns)).astype(np.float32)
    return sparse.csr_matrix((data, (np.concatenate(numbers), columns)), shape=(rows, terms + 3))


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([SPARSE + 1, 3000, 2**15, 2**16 + 1]),
    st.sampled_from([1, BLOCK, 2 * BLOCK + 5]),
    st.lists(st.sampled_from(sorted(PLACES)), min_size=1, max_size=3),
    st.sampled_from(["u4", "u8", "u16", "float32"]),
)
def test_lists_of_rare_terms_are_exact(seed, rows, terms, places, weights):
    """Blocks that are full or not, lists below and above the length of a table, gaps of more than 57 zeros."""
    rng = np.random.default_rng(seed)
    documents = rare(rng, rows, terms, max(rows // SPARSE, 1), places)
    queries = sparse.random(3, documents.shape[1], 0.7, "csr", np.float32, random_state=rng)
    index = create("inverted", weights=weights)
    index.build(documents)
    assert_equal_hits(index.search(queries, 50), brute_force(documents, queries, 50, weights))
    for number, segment in enumerate(index.segments):
        part = documents[number << 16 : (number + 1) << 16]
        scales, impacts = stored(part, weights)
        impacts_scaled = impacts.multiply(scales).tocsr()
        assert (index.decoded()[number << 16 : (number + 1) << 16] != impacts_scaled).nnz == 0
        held = np.diff(impacts.indptr)
        few = np.flatnonzero((held > 0) & (held * SPARSE < part.shape[0]))
        assert entries_of(segment, few).tolist() == held[few].tolist()


def test_the_longest_lists_are_read_in_groups():
    documents = rare(np.random.default_rng(1), 2**16, 40, 2**16 // SPARSE, ["anywhere"])
    index = create("inverted")
    index.build(documents)
    lists = lists_of(index.segments[0])
    assert lists[:, 1][lists[:, 4] >= 0].max() > LONG


@pytest.mark.parametrize(("rows", "most"), [(2**14, 1.25), (2**16, 1.1)])
def test_rare_terms_take_hardly_more_than_the_entropy(rows, most):
    """With offsets, widths and scales of 11 bytes a term it was 1.5 times as much in lists so short."""
    documents = rare(np.random.default_rng(2), rows, 3000, max(rows // SPARSE, 1), ["anywhere"])
    index = create("inverted")
    index.build(documents)
    counts = np.bincount(documents.indices, minlength=documents.shape[1])
    ratio = sum(index.memory().values()) / (subset_bits(counts, rows) / 8 + documents.nnz)
    assert ratio < most
