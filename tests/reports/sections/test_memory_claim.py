"""The memory claim in words: every count, limit and list that a sentence states is what the formulas give."""

import re

import pytest

from harness.claims import memory
from harness.claims.readings import AGAINST, CLAIMED, DIMENSIONS, TERMS_KEPT
from reports.sections.measured_memory import MeasuredPart, MeasuredRow, MeasuredSystem, shade
from reports.sections.memory_claim import AS_GOOD, holding, limits, measured, on_paper


def system(name, size, ndcg=None):
    return MeasuredSystem(name, "e", size, f"{size} B", "", ndcg)


def part(dense, sparse):
    return MeasuredPart("c", dense, [MeasuredRow(one, []) for one in sparse])


def counted(dense, bound, dimensions=DIMENSIONS, terms=TERMS_KEPT):
    """Sparse codecs that reach a bound, by sizes alone."""
    theirs = memory.DENSE[dense].size(memory.MS_MARCO, dimensions)
    sizes = [codec.size(memory.MS_MARCO, terms, memory.LLAMA_TERMS) for codec in memory.SPARSE.values()]
    return sum(1 - size / theirs >= bound for size in sizes)


@pytest.mark.parametrize("bound", [0.0, 0.25, 0.5, CLAIMED, 0.9])
@pytest.mark.parametrize(("dimensions", "terms"), [(DIMENSIONS, TERMS_KEPT), (384, 64), (1024, 500)])
def test_counts_of_codecs_are_those_of_the_sizes(bound, dimensions, terms):
    found = holding(dimensions, terms, bound)
    assert list(found.values()) == [counted(dense, bound, dimensions, terms) for dense in memory.DENSE]


def test_the_answer_sorts_dense_codecs_by_whether_all_some_or_no_sparse_codecs_reach_the_bound():
    text, total = on_paper(), len(memory.SPARSE)
    all_, some, none = re.search(
        r"holds against (.*?) with each .*?; against (.*?) of \d+; against (.*?) with", text
    ).groups()
    counts = dict(zip(holding(DIMENSIONS, TERMS_KEPT, CLAIMED), memory.DENSE, strict=True))
    assert f"{CLAIMED:.0%} less" in text
    for name, dense in counts.items():
        count = counted(dense, CLAIMED)
        where = all_ if count == total else none if count == 0 else some
        assert name in where
        assert where is not some or f"{name} with {count}" in some


def test_a_bound_that_nothing_or_everything_reaches_leaves_out_the_empty_parts():
    hopeless = on_paper(0.999999)
    assert "with none" in hopeless
    assert "with each" not in hopeless
    trivial = on_paper(-1e9)
    assert "with each of the 12 sparse codecs." in trivial
    assert "with none" not in trivial


@pytest.mark.parametrize("bound", [0.5, CLAIMED])
def test_the_stated_numbers_of_terms_reach_the_bound_and_one_more_does_not(bound):
    text = limits(bound)[0]
    stated = re.findall(r"(\d+) against ([^,.]+(?:, 1 byte per \d+ dimensions)?)", text)
    assert len(stated) == len(AGAINST)
    for terms, name in stated:
        exact = memory.terms_for(
            bound, name if name in memory.DENSE else _by_label(name), memory.AS_PUBLISHED, DIMENSIONS
        )
        assert round(exact) == int(terms)
        dense = name if name in memory.DENSE else _by_label(name)
        for more, reached in ((-0.5, True), (0.5, False)):
            cell = memory.cell(dense, memory.AS_PUBLISHED, DIMENSIONS, exact + more)
            assert (cell.reduction >= bound) == reached


def _by_label(label):
    return next(name for name, codec in memory.DENSE.items() if codec.label == label)


def test_the_second_limit_lists_dense_codecs_that_are_smaller_than_every_sparse_one():
    text = limits()[1]
    listed = text.partition("one with: ")[2].partition(". Only")[0].split("; ")
    lost = [codec.label for dense, codec in memory.DENSE.items() if counted(dense, 0.0) == 0]
    assert listed == lost


def test_without_the_baseline_the_largest_dense_index_is_compared():
    dense = [system("small", 100), system("large", 1000)]
    (sentence,) = measured(part(dense, [system("s", 200)]), ["absent"], CLAIMED)
    assert sentence == "Measured on c against large (1000 B a document): 1 of 1 sparse indexes takes at least 71% less."


@pytest.mark.parametrize(("size", "counts"), [(290.0, "1 of 1"), (290.1, "none of 1")])
def test_the_bound_itself_counts_as_reached(size, counts):
    (sentence,) = measured(part([system("d", 1000.0)], [system("s", size)]), ["d"], CLAIMED)
    assert f"{counts} sparse indexes takes" in sentence


def test_a_smaller_dense_index_counts_only_where_it_ranks_as_well():
    sparse = [system("s", 10, 0.5)]
    for ndcg, sentences in ((0.8 - AS_GOOD, 2), (0.8 - AS_GOOD - 1e-6, 1), (None, 1)):
        dense = [system("flat", 1000, 0.8), system("coded", 100, ndcg)]
        assert len(measured(part(dense, sparse), ["flat"], CLAIMED)) == sentences


def test_the_best_of_the_small_ones_is_named_with_its_difference_where_quality_is_known():
    dense = [system("d", 1000, 0.6)]
    known = [system("a", 100, 0.5), system("b", 200, 0.65), system("c", 50), system("big", 900, 0.9)]
    (sentence,) = measured(part(dense, known), ["d"], CLAIMED)
    assert sentence.endswith("3 of 4 sparse indexes take at least 71% less; of these, b ranks best, nDCG@10 +0.050.")
    (unknown,) = measured(part(dense, [system("c", 50)]), ["d"], CLAIMED)
    assert "ranks best" not in unknown


@pytest.mark.parametrize(
    ("reduction", "kind", "text"),
    [
        (0.71, "holds", "✓ 71% less"), (0.7099, "smaller", "70.99% less"), (0.706, "smaller", "70.6% less"),
        (0.62, "smaller", "62% less"), (0.004, "smaller", "as large"), (0.0, "smaller", "as large"),
        (-0.01, "larger", "✗ as large"), (-1.0, "larger", "✗ 2.0× larger"),
    ],
)  # fmt: skip
def test_a_reduction_below_the_bound_never_reads_like_the_bound(reduction, kind, text):
    found = shade(reduction, CLAIMED)
    assert (found.kind, found.text) == (kind, text)
