"""A batch in blocks over threads: every query is answered once, and as if it were alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ties import assert_same, tied_csr

from harness.indexes import create
from harness.indexes._batch import BLOCK, by_threads


@given(st.integers(0, 300), st.integers(1, 9))
def test_each_query_is_in_one_block(count, threads):
    spans = []
    by_threads(lambda begin, end: spans.append((begin, end)), count, threads)
    assert sorted(number for span in spans for number in range(*span)) == list(range(count))
    assert max((end - begin for begin, end in spans), default=0) <= BLOCK
    assert len(spans) >= min(threads, count)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("engine", "params"), [("inverted", {}), ("inverted", {"weights": "u16"}), ("two-phase", {"terms": 2, "links": 2})]
)
def test_a_batch_equals_its_queries_one_by_one(engine, params, threads):
    rng = np.random.default_rng(11)
    documents, queries = tied_csr(rng, 70_000, 30, 3, 9), tied_csr(rng, 2 * BLOCK + 5, 30, 4, 9)
    index = create(engine, **params)
    index.build(documents)
    alone = [index.search(queries[row], 40) for row in range(queries.shape[0])]
    wanted = np.concatenate([ids for ids, _ in alone]), np.concatenate([scores for _, scores in alone])
    assert_same(index.search(queries, 40, threads=threads), wanted)
