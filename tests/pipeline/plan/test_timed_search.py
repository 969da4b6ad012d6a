"""Results with the timed k: a search of their own where an engine is not exact, else the first of the deep search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from small_specs import FLAT, load_small, system

from harness.indexes import create
from harness.pipeline.plan.order import in_order
from harness.pipeline.plan.systems import system_stages

DENSE = {"random": {"type": "synthetic-dense", "dimensions": 8}}


def planned(folder, **measure):
    indexes = {**FLAT, "rounded": {"type": "faiss", "factory": "PQ4x4,RFlat"}}
    systems = [system("rounded", "random", "rounded"), system("flat", "random", "flat")]
    options = [f"measure.{name}={value}" for name, value in measure.items()]
    spec = load_small(folder, options, encoders=DENSE, indexes=indexes, systems=systems)
    stages = system_stages(spec, "machine")
    return {one.system.name: one for one in stages}, in_order(stages, 1)


def test_an_engine_that_is_not_exact_is_searched_again_with_the_timed_k(tmp_path):
    systems, order = planned(tmp_path, k=20, depth=50)
    timed = systems["rounded"].quality.inputs["timed"]
    assert timed.arguments == {**systems["rounded"].search.arguments, "depth": 20}
    assert timed.inputs == systems["rounded"].search.inputs
    assert timed in systems["rounded"].all()
    assert order.index(timed) < order.index(systems["rounded"].quality)
    (compared,) = (stage for stage in systems["rounded"].extras if stage.kind == "exact")
    assert compared.inputs["timed"] == timed
    assert "timed" not in systems["flat"].quality.inputs


def test_one_search_does_where_both_depths_are_the_same(tmp_path):
    systems, _ = planned(tmp_path, k=50, depth=50)
    assert "timed" not in systems["rounded"].quality.inputs


@pytest.mark.parametrize(
    ("engine", "params"),
    [
        ("inverted", {}), ("inverted", {"weights": "u4"}), ("scipy", {}), ("faiss-flat", {}),
        ("sharded", {"index": {"type": "inverted"}}), ("sharded-dense", {"index": {"type": "faiss-flat"}}),
    ],
)  # fmt: skip
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 30), more=st.integers(0, 40))
def test_the_results_of_exact_engines_are_the_first_of_a_deeper_search(engine, params, seed, k, more):
    """Small integers, so that many scores are equal."""
    rng = np.random.default_rng(seed)
    rows, queries = (rng.integers(0, 3, (count, 6)).astype(np.float32) for count in (40, 4))
    if engine in ("inverted", "scipy", "sharded"):
        rows, queries = sparse.csr_matrix(rows), sparse.csr_matrix(queries)
    index = create(engine, **params)
    index.build(rows)
    short, deep = index.search(queries, k), index.search(queries, k + more)
    for part, whole in zip(short, deep, strict=True):
        np.testing.assert_array_equal(part, whole[:, :k])


def test_a_re_ranking_engine_answers_another_k_otherwise():
    """What the second search is for: more candidates are re-ranked where more results are asked for."""
    rng = np.random.default_rng(2)
    rows, queries = (rng.standard_normal((count, 8)).astype(np.float32) for count in (400, 20))
    index = create("faiss", factory="PQ4x4,RFlat")
    index.build(rows)
    short, deep = index.search(queries, 10)[0], index.search(queries, 200)[0][:, :10]
    best = np.argsort(-(queries @ rows.T), axis=1)[:, :10]
    recall = [np.mean([np.isin(b, a).mean() for b, a in zip(best, ids, strict=True)]) for ids in (short, deep)]
    assert recall[0] < recall[1]
